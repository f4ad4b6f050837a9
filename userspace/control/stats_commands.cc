// SPDX-License-Identifier: GPL-2.0-only
#include "control/stats_commands.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace mus {
namespace {

constexpr auto kSampleEvery = std::chrono::milliseconds(500);  // nobody is woken for that
constexpr auto kFresh = std::chrono::milliseconds(50);  // younger figures are given again
constexpr std::size_t kSamples = 4;

/// Short on the wire: as many digits as mean something.
double rounded(double value, double digits = 1e3) {
  return std::isfinite(value) ? std::round(value * digits) / digits : 0;
}

Json or_null(std::optional<double> value) {
  return value ? Json(rounded(*value)) : Json(nullptr);
}

double ms(Duration duration) {
  return static_cast<double>(duration.count()) / 1e6;
}

}  // namespace

std::string_view StatsCommands::mode(const Totals& totals) {
  return port_.ended() ? "detached" : totals.stalled ? "fallback" : "userland";
}

const Sample& StatsCommands::sample(Time now) {
  if (!latest_ || now - latest_->at >= kFresh)
    latest_ = take_sample(port_, now, latest_ ? &*latest_ : nullptr);
  return *latest_;
}

// The newest that is a second old or nearly; else the oldest.
const Sample& StatsCommands::second_ago(Time now) const {
  for (auto it = history_.rbegin(); it != history_.rend(); ++it)
    if (now - it->at >= std::chrono::milliseconds(900)) return *it;
  return history_.front();
}

double StatsCommands::daemon_cpu_percent(Time now) {
  if (history_.empty()) return 0;
  return rounded(figures_between(second_ago(now), sample(now), cpus_).daemon_cpu_percent);
}

const Json& StatsCommands::current(Time now) {
  if (!current_.is_null() && now - current_at_ < kFresh) return current_;
  if (history_.empty()) history_.push_back(take_sample(port_, now, nullptr));
  const Sample& after = sample(now);
  current_ = to_json(figures_between(second_ago(now), after, cpus_), after);
  current_at_ = now;
  return current_;
}

Json StatsCommands::cgroup_json(const GroupFigures& figures) {
  const Sample::Group& group = *figures.group;
  std::string path = raw(group.parent) == 0 ? "/" : weights_.name(group.id);
  auto source = weights_.source(group.id, path);
  // The scheduler thread speaks four times a second; whoever has just set a weight is to see that one.
  auto set = weights_.set_through_mus(group.id);
  return {{"cgroup", path},
          {"cgroup_id", raw(group.id)},
          {"parent_id", raw(group.parent)},
          {"depth", group.depth},
          {"weight", set ? set : group.kernel_weight},
          {"source", path == "/" ? "default" : source},
          {"promised", figures.promised < 0 ? Json(nullptr) : Json(rounded(figures.promised, 1e4))},
          {"share", rounded(figures.share, 1e4)},
          {"lag_ms", rounded(ms(group.lag))},
          {"runnable", figures.runnable},
          {"cpu_ms", rounded(figures.cpu_ms)},
          {"wait_p50_ms", or_null(figures.wait_p50_ms)},
          {"wait_p99_ms", or_null(figures.wait_p99_ms)}};
}

Json StatsCommands::to_json(const Figures& figures, const Sample& after) {
  const auto& r = figures.rates;
  Json cgroups = Json::array();
  for (const GroupFigures& group : figures.groups)
    cgroups.push_back(cgroup_json(group));
  return {{"interval_s", rounded(figures.interval_s)},
          {"mode", mode(after.totals)},
          {"policy", after.policy.empty() ? std::string_view(first_policy_) : after.policy},
          {"cpus", cpus_},
          {"rates",
           {{"decisions", rounded(r.decisions)},
            {"decided", rounded(r.decided)},
            {"standing", rounded(r.standing)},
            {"resumed", rounded(r.resumed)},
            {"idle", rounded(r.idle)},
            {"held", rounded(r.held)},
            {"fallback", rounded(r.fallback)},
            {"kernel", rounded(r.kernel)},
            {"events", rounded(r.events)},
            {"wakes", rounded(r.wakes)},
            {"refused", rounded(r.refused)}}},
          {"daemon_cpu_percent", rounded(figures.daemon_cpu_percent)},
          {"userland_percent", rounded(figures.userland_percent)},
          {"tasks", after.tasks},
          {"held", after.totals.held},
          {"queued", after.totals.queued},
          {"cgroups", std::move(cgroups)}};
}

Outcome StatsCommands::run(ClientId client, const ask::Subscribe& subscribe, Time now) {
  forget(client);
  auto [it, is_new] = channels_.try_emplace(subscribe.interval);
  Channel& channel = it->second;
  if (is_new) {
    channel.before = sample(now);
    channel.next = now + subscribe.interval;
  }
  channel.dropped[client] = 0;
  outlet_.set_subscribed(client, true);
  return Json{{"interval", static_cast<double>(subscribe.interval.count()) / 1000}};
}

Outcome StatsCommands::run(ClientId client, const ask::Unsubscribe&) {
  forget(client);
  outlet_.set_subscribed(client, false);
  return Json::object();
}

void StatsCommands::forget(ClientId client) {
  for (auto& [interval, channel] : channels_)
    channel.dropped.erase(client);
  std::erase_if(channels_, [](const auto& item) { return item.second.dropped.empty(); });
}

void StatsCommands::tell(std::chrono::milliseconds interval, Channel& channel, Time now) {
  const Sample& after = sample(now);
  Json event = to_json(figures_between(channel.before, after, cpus_), after);
  // The scheduler thread speaks four times a second: until it says something new, the cgroups are as they were.
  if (channel.cgroups.is_null() || after.snapshot_at != channel.before.snapshot_at) {
    channel.cgroups = event["cgroups"];
  } else {
    event["cgroups"] = channel.cgroups;
  }
  channel.before = after;
  channel.next += interval;
  if (channel.next <= now) channel.next = now + interval;  // we were late

  Json head{{"event", "stats"}};
  for (auto& [name, value] : event.items())
    head[name] = std::move(value);
  std::string line = to_line(head);
  for (auto& [client, dropped] : channel.dropped) {
    if (dropped) head["dropped"] = dropped;
    bool told = outlet_.tell(client, dropped ? to_line(head) : line);
    dropped = told ? 0 : dropped + 1;
    head.erase("dropped");
  }
}

void StatsCommands::tick(Time now) {
  for (auto& [interval, channel] : channels_)
    if (channel.next <= now) tell(interval, channel, now);
  if (!history_.empty() && now - history_.back().at < kSampleEvery) return;
  history_.push_back(sample(now));
  if (history_.size() > kSamples) history_.pop_front();
  std::vector<CgroupId> known;
  for (const Sample::Group& group : history_.back().groups)
    known.push_back(group.id);
  weights_.keep_names(known);
}

StatsCommands::Time StatsCommands::due() const {
  Time next = history_.empty() ? Time{} : Time::max();
  for (const auto& [interval, channel] : channels_)
    next = std::min(next, channel.next);
  return next;
}

}  // namespace mus

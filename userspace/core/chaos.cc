// SPDX-License-Identifier: GPL-2.0-only
#include "core/chaos.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "exit_code.h"

namespace mus {
namespace {

constexpr const char* kRemedy = "give some of drop=0.01,delay=5ms,dup=0.01,stale=0.01,stop=50ms/1s,kill=1s";
constexpr Duration kLongest = 1h;

std::optional<double> number(std::string_view& text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || !std::isfinite(value) || value < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<double> rate(std::string_view text) {
  auto value = number(text);
  return value && text.empty() && *value <= 1 ? value : std::nullopt;
}

/// "5ms", "1.5s", "200us".
std::optional<Duration> duration(std::string_view text) {
  auto value = number(text);
  double ns = text == "us" ? 1e3 : text == "ms" ? 1e6 : text == "s" ? 1e9 : 0;
  if (!value || ns == 0 || *value <= 0 || *value * ns > static_cast<double>(kLongest.count())) return std::nullopt;
  return Duration{std::llround(*value * ns)};
}

}  // namespace

Result<ChaosPlan> ChaosPlan::parse(const std::string& text) {
  ChaosPlan plan;
  for (std::string_view left = text; !left.empty();) {
    std::string_view part = left.substr(0, left.find(','));
    left.remove_prefix(std::min(left.size(), part.size() + 1));
    std::string_view name = part.substr(0, part.find('='));
    std::string_view value = part.substr(std::min(part.size(), name.size() + 1));
    bool good = false;
    auto take = [&](auto& field, auto parsed) {
      good = parsed.has_value();
      if (good) field = *parsed;
    };
    if (name == "drop") take(plan.drop, rate(value));
    if (name == "dup") take(plan.dup, rate(value));
    if (name == "stale") take(plan.stale, rate(value));
    if (name == "delay") take(plan.delay, duration(value));
    if (name == "kill") take(plan.kill, duration(value));
    if (auto slash = value.find('/'); name == "stop" && slash != std::string_view::npos) {
      take(plan.stop, duration(value.substr(0, slash)));
      if (good) take(plan.stop_every, duration(value.substr(slash + 1)));
    }
    if (!good) return fail("--chaos: '" + std::string(part) + "' is not understood", kRemedy, kExitUsage);
  }
  if (!plan.any()) return fail("--chaos: it says nothing", kRemedy, kExitUsage);
  return plan;
}

Chaos::Chaos(const ChaosPlan& plan, std::uint64_t seed, std::size_t most_delayed)
    : plan_(plan), random_(seed), delayed_(plan.delay > 0ns ? most_delayed + 1 : 1) {}

bool Chaos::write(const mus_decision& decision, Time now, const Send& send) {
  if (chance(plan_.drop)) return true;
  mus_decision sent = decision;
  if (chance(plan_.stale)) --sent.generation;
  for (int times = chance(plan_.dup) ? 2 : 1; times > 0; --times) {
    std::size_t next = (last_ + 1) % delayed_.size();
    if (plan_.delay > 0ns && next != first_) {
      delayed_[last_] = {.decision = sent, .due = now + plan_.delay};
      last_ = next;
    } else if (!send(sent)) {
      return false;
    }
  }
  return true;
}

std::size_t Chaos::flush(Time now, const Send& send) {
  std::size_t sent = 0;
  for (; holds_back() && delayed_[first_].due <= now && send(delayed_[first_].decision); ++sent)
    first_ = (first_ + 1) % delayed_.size();
  return sent;
}

Duration Chaos::stop(Time now) {
  if (plan_.stop == 0ns) return {};
  if (stop_at_ == Time{}) stop_at_ = now + plan_.stop_every;
  if (now < stop_at_) return {};
  stop_at_ = now + plan_.stop + plan_.stop_every;
  return plan_.stop;
}

bool Chaos::kill(Time now) {
  if (plan_.kill == 0ns) return false;
  if (kill_at_ == Time{}) kill_at_ = now + plan_.kill;
  return now >= kill_at_;
}

}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#include "control/weight_commands.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "exit_code.h"

namespace mus {
namespace {

constexpr auto kLookForGoneEvery = std::chrono::milliseconds(500);  // nobody is woken for that
constexpr std::size_t kLookAtOnce = 32;

double seconds_left(const SetWeight& entry, Moment now) {
  double left = std::chrono::duration<double>(*entry.until - now.steady).count();
  return std::max(0.0, std::round(left * 1000) / 1000);
}

Refusal no_room() {
  return {.code = "full",
          .message = "there is no room for more weights",
          .field = {},
          .hint = "unset some: weight.list shows them"};
}

const Snapshot::Group* group_in(const Snapshot* snapshot, CgroupId id) {
  if (!snapshot) return nullptr;
  auto groups =
      std::span(snapshot->groups).first(std::min<std::size_t>(snapshot->group_count, Snapshot::kGroups));
  auto it = std::ranges::find(groups, id, &Snapshot::Group::id);
  return it == groups.end() ? nullptr : &*it;
}

}  // namespace

std::expected<CgroupPlace, Refusal> WeightCommands::find(const CgroupName& name, Moment now) {
  bool by_pid = std::holds_alternative<Pid>(name);
  std::string_view code = by_pid ? "no_such_process" : "no_such_cgroup";
  std::string_view field = by_pid ? "pid" : std::holds_alternative<CgroupId>(name) ? "cgroup_id" : "cgroup";
  auto refuse = [&](std::string message, std::string hint) {
    return std::unexpected(Refusal{
        .code = code, .message = std::move(message), .field = std::string(field), .hint = std::move(hint)});
  };
  if (!fs_) return refuse("cgroup v2 is not mounted", "mount it, and start mus-userland again");
  auto* path = std::get_if<std::string>(&name);
  auto place = path     ? fs_->find(*path, now.steady)
               : by_pid ? fs_->find(std::get<Pid>(name))
                        : fs_->find(std::get<CgroupId>(name));
  if (!place) return refuse(place.error().what, place.error().remedy);
  if (place->path != "/") return *place;
  code = "bad_value";
  return refuse("the root cgroup has no weight", "name a cgroup below it");
}

std::uint32_t WeightCommands::weight_now(const CgroupPlace& place, Moment now) const {
  if (const SetWeight* set = store_.find(place.id)) return set->weight;
  // An idle cgroup's cpu.weight reads as 0.
  return std::max(1u, fs_->cpu_weight(place.path, now.steady).value_or(Weight::kDefault));
}

Members WeightCommands::view(const CgroupPlace& place, Moment now) const {
  std::uint32_t cpu_weight = std::max(1u, fs_->cpu_weight(place.path, now.steady).value_or(Weight::kDefault));
  const SetWeight* set = store_.find(place.id);
  Members fields;
  fields.add("cgroup", place.path)
      .add("cgroup_id", raw(place.id))
      .add("weight", set ? set->weight : cpu_weight)
      .add("source", source(place.id, place.path))
      .add("cpu_weight", cpu_weight);
  if (set) fields.add("set", set->weight);
  if (set && set->until) fields.add_text("ttl", Json(seconds_left(*set, now)).dump());
  return fields;
}

std::string_view WeightCommands::source(CgroupId id, const std::string& path) const {
  if (store_.find(id)) return "mus";
  if (!fs_ || !path.starts_with('/')) return "default";
  CgroupWeight kernel = fs_->weight(path);
  return kernel.idle ? "idle" : kernel.weight ? "cpu.weight" : "default";
}

Outcome WeightCommands::run(const ask::WeightSet& set, Moment now) {
  auto place = find(set.cgroup, now);
  if (!place) return place.error();
  std::uint32_t before = weight_now(*place, now);
  if (!store_.find(place->id) && store_.all().size() >= WeightStore::kMost) return no_room();

  auto ticket = poster_.post({.kind = Command::Kind::kSetWeight, .cgroup = place->id, .weight = set.weight});
  if (!ticket) return queue_is_full();
  std::erase(to_unset_, place->id);  // an earlier one's end must not end this one
  SetWeight entry{.id = place->id, .path = place->path, .weight = set.weight, .ticket = *ticket};
  if (set.ttl) entry.until = now.steady + *set.ttl;
  if (!store_.set(std::move(entry))) return no_room();

  Members fields = view(*place, now);
  fields.add("before", before);
  return Waiting{*ticket,
                 [this, fields = std::move(fields), id = place->id](const Reply& reply) mutable -> Outcome {
                   if (reply.result == Reply::Result::kDone) return std::move(fields);
                   const SetWeight* now_set = store_.find(id);
                   if (now_set && now_set->ticket == reply.ticket) store_.unset(id);
                   return no_room();
                 }};
}

Outcome WeightCommands::run(const ask::WeightGet& get, Moment now) {
  auto place = find(get.cgroup, now);
  if (!place) return place.error();
  Members fields = view(*place, now);
  const Snapshot* snapshot = port_.snapshot();
  const Snapshot::Group* group = group_in(snapshot, place->id);
  const Snapshot::Group* any = snapshot && snapshot->group_count ? &snapshot->groups[0] : nullptr;
  bool said = group ? group->promised >= 0 : any && any->promised >= 0;
  fields.add_text("promised", said ? Json(group ? std::round(group->promised * 1e4) / 1e4 : 0.0).dump() : "null");
  return fields;
}

Outcome WeightCommands::run(const ask::WeightList& list, Moment now) {
  std::string weights;
  auto show = [&](const CgroupPlace& place) {
    weights += (weights.empty() ? "{" : ",{") + view(place, now).text() + "}";
  };
  std::set<CgroupId> seen;
  for (const auto& [id, entry] : store_.all()) {
    if (fs_) show({.id = id, .path = entry.path});
    seen.insert(id);
  }
  const Snapshot* snapshot = list.all && fs_ ? port_.snapshot() : nullptr;
  for (std::size_t i = 0; snapshot && i < std::min<std::size_t>(snapshot->group_count, Snapshot::kGroups);
       ++i) {
    const Snapshot::Group& group = snapshot->groups[i];
    std::string path = raw(group.parent) == 0 ? "/" : fs_->name(group.id);
    if (path != "/" && path.starts_with('/') && seen.insert(group.id).second)
      show({.id = group.id, .path = path});
  }
  return Members{}.add_text("weights", "[" + weights + "]");
}

Outcome WeightCommands::run(const ask::WeightUnset& unset, Moment now) {
  auto place = find(unset.cgroup, now);
  if (!place) return place.error();
  std::uint32_t before = weight_now(*place, now);
  auto answer = [this, place = *place, before](bool was_set, Moment at) {
    return view(place, at).add("before", before).add_text("was_set", was_set ? "true" : "false");
  };
  if (!store_.find(place->id)) return answer(false, now);
  auto ticket = poster_.post({.kind = Command::Kind::kSetWeight, .cgroup = place->id, .weight = 0});
  if (!ticket) return queue_is_full();
  store_.unset(place->id);
  return Waiting{*ticket, [fields = answer(true, now)](const Reply&) -> Outcome { return fields; }};
}

bool WeightCommands::there(const SetWeight& entry) const {
  return fs_ && !fs_->gone({.id = entry.id, .path = entry.path});
}

std::vector<std::string> WeightCommands::load(Moment now, std::vector<SetWeight> options) {
  auto notes = store_.load(now, [this](const SetWeight& entry) { return there(entry); });
  for (SetWeight& option : options) {
    const SetWeight* last = store_.find(option.id);
    if (last && last->weight != option.weight)
      notes.push_back("--weight " + option.path + "=" + std::to_string(option.weight) + " counts, not the " +
                      std::to_string(last->weight) + " of the last run");
    option.by_option = true;
    if (!store_.set(option)) notes.push_back("no room for --weight " + option.path);
  }
  for (const auto& [id, entry] : store_.all())
    if (!poster_.post({.kind = Command::Kind::kSetWeight, .cgroup = id, .weight = entry.weight}))
      notes.push_back("no room for the weight of " + entry.path);
  return notes;
}

void WeightCommands::take_back(const std::vector<SetWeight>& entries) {
  for (const SetWeight& entry : entries)
    to_unset_.push_back(entry.id);
}

void WeightCommands::tick(Moment now) {
  take_back(store_.take_expired(now));
  if (now.steady - looked_ >= kLookForGoneEvery) {
    looked_ = now.steady;
    take_back(store_.take_gone([this](const SetWeight& entry) { return there(entry); }, kLookAtOnce));
  }
  while (!to_unset_.empty()) {
    if (!poster_.post({.kind = Command::Kind::kSetWeight, .cgroup = to_unset_.back(), .weight = 0})) break;
    to_unset_.pop_back();
  }
  if (auto save_at = store_.save_due(); save_at && *save_at <= now.steady) {
    auto saved = store_.save(now);
    note_ = saved ? "" : saved.error().message();
  }
}

std::optional<std::chrono::steady_clock::time_point> WeightCommands::due(Moment now) const {
  std::optional<std::chrono::steady_clock::time_point> next = store_.expiry_due();
  auto before = [&](std::optional<std::chrono::steady_clock::time_point> other) {
    if (other && (!next || *other < *next)) next = other;
  };
  before(store_.save_due());
  if (!to_unset_.empty()) before(now.steady + std::chrono::milliseconds(10));
  return next;
}

}  // namespace mus

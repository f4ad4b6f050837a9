// SPDX-License-Identifier: GPL-2.0-only
// vtime: standing orders, and what a task has used of what it is owed.
#include <algorithm>
#include <utility>

#include "policies/vtime.h"

namespace mus {
namespace {

constexpr Duration kUrgentSlice = 2ms;         // by standing order
constexpr double kLeastOfMinimum = 0.05;       // for a task that uses next to nothing of what it is owed
constexpr double kMinimumFrom = 0.5;           // of what it is owed: who uses more grants all of the minimum run
constexpr double kMostUsed = 0.3;              // of what it is owed: who uses more interrupts nobody, where no turns are taken
constexpr int kBeforeTick = 8;                 // where all take turns the tick ends a slice: a part less, or it takes one tick more
constexpr int kTurnMinimum = 4;                // where turns are taken a part of that does: it comes at the cost of the same few
constexpr double kReturnMinimum = 0.1;         // who is owed most of a CPU grants so much of the minimum run
constexpr int kAlikeSlices = 2;                // where nobody that wakes waits for a slice, they may be longer
constexpr double kTurnRate = 0.95;             // of what it is owed: who uses all of it has nothing saved up
constexpr double kSpareRate = 1.05;            // the same for who is owed nearly a CPU: by taking turns it empties no budget
constexpr double kNearlyAll = 0.9;             // of what ran lately: the rest is not worth being exact about
constexpr Duration kLately = 100ms;            // who ran in that time competes with the others
constexpr Duration kUsageWindow = 20ms;        // over which usage is measured
constexpr Duration kUsageMemory = 60ms;        // what was measured before counts for this much
constexpr Duration kStandingValid = 1s;        // a stale share does no harm for longer

}  // namespace

// The CPUs' worth of time that a task uses, averaged over the last some ten milliseconds.
double VtimePolicy::usage(TaskEntity& e, Time now) {
  if (Duration passed = now - e.used_since; passed >= kUsageWindow) {
    double latest = static_cast<double>(e.used.count()) / static_cast<double>(passed.count());
    e.usage += (latest - e.usage) * static_cast<double>(passed.count()) / static_cast<double>((passed + kUsageMemory).count());
    e.used = {};
    e.used_since = now;
  }
  return e.usage;
}

// Notes that `entity` has run. Who runs by standing order is not active in the trees, and competes all the same: so the weight
// of those that ran lately is summed up, fading.
void VtimePolicy::see(Entity& entity, Time now) {
  auto part = [now](Time since) { return std::clamp(static_cast<double>((now - since).count()) / double(kLately.count()), 0.0, 1.0); };
  for (Entity* e = &entity; e->parent && e->seen != now; e = e->parent) {
    Group& group = *e->parent;
    group.recent_weight += part(e->seen) * e->weight - part(std::exchange(group.recent_at, now)) * group.recent_weight;
    e->seen = now;
  }
}

// CPUs' worth of time that it is owed beside those that are active or ran lately, or would be if it were runnable.
double VtimePolicy::owed_lately(const TaskEntity& task) const {
  double share = online_;
  for (const Entity* e = &task; e->parent; e = e->parent) {
    auto active = static_cast<double>(e->parent->active_weight + (e->active ? 0 : e->weight));
    share *= e->weight / std::max(active, e->parent->recent_weight);
  }
  return std::min(1.0, share);
}

// Whoever else ran lately, nearly all of it was in the same cgroup: turns there are what the CPUs are shared by.
bool VtimePolicy::alone_lately(const TaskEntity& task) const {
  for (const Entity* e = task.parent; e->parent; e = e->parent) {
    auto active = static_cast<double>(e->parent->active_weight + (e->active ? 0 : e->weight));
    if (e->weight < kNearlyAll * std::max(active, e->parent->recent_weight)) return false;
  }
  return task.parent->active_tasks == active_tasks_;
}

// All that are active are in its cgroup, of the same weight.
bool VtimePolicy::all_alike(const TaskEntity& e) const {
  return e.parent->active_tasks == active_tasks_ && std::uint64_t{e.weight} * active_tasks_ == e.parent->active_task_weight;
}

// Its lag without what is charged ahead.
Duration VtimePolicy::lag_settled(const TaskEntity& e) { return lag(e) + e.charged + e.charged_next; }

// The same beside those that are active alone.
double VtimePolicy::owed_now(const TaskEntity& e) const { return std::min(1.0, by_weight(e)); }

// The least lag of the groups that it is in.
Duration VtimePolicy::groups_lag(const TaskEntity& task) {
  if (!task.parent->parent) return {};
  Duration least = lag(*task.parent);
  for (const Entity* e = task.parent->parent; e->parent; e = e->parent) least = std::min(least, lag(*e));
  return least;
}

Duration VtimePolicy::min_run(double part) const {
  return std::chrono::duration_cast<Duration>(min_run_ * std::clamp(part, kLeastOfMinimum, 1.0));
}

bool VtimePolicy::uses_little(TaskEntity& e, Time now) const { return usage(e, now) <= kMostUsed * owed_now(e); }

// Where turns are taken, what is left of a budget that is refilled at the rate of its share puts it in its place, whatever it
// uses. Elsewhere whoever uses little of what it is owed (a sleeper that works briefly) may interrupt. Who interrupts does so the
// sooner the less it uses: among many that live on waking each other, each using its share, it would only cost throughput.
// A cgroup of many such has no more than its share by it; one that is behind, though its tasks wait little, gets its share by it
// (all of them asleep at once for a moment, others have a slice each). Who is owed most of a CPU interrupts almost at once, and waits so
// at the end of its slice too. Neither where a task can not make up for what that takes from it.
StandingOrder VtimePolicy::standing_order(Task& task, Time now) {
  if (task.policy.empty()) return {};
  auto& e = task.policy.get<TaskEntity>();
  bool one = task.affinity == Affinity::kOne, alone = (one || (!pinned_ && task.affinity == Affinity::kAll)) && alone_lately(e);
  bool alike = alone && !one && all_alike(e);
  bool turns = alike || (alone && !tight_);
  double cpus = turns ? std::min(e.most, owed_lately(e)) : owed_now(e), used = usage(e, now) / cpus;
  StandingOrder order{.slice = std::min(kUrgentSlice, slice_),
                      .min_run = min_run(used / kMinimumFrom),
                      .budget = slice_,
                      .valid_for = kStandingValid,
                      .rate = cpus};
  order.in_turn = turns && cpus < kNearlyWhole;
  order.again = alike && cpus < 1 && lag_settled(e) > -kAgainSlices * slice_;  // the others may have run since they were heard of last
  if (order.in_turn || order.again) {
    order.slice = (order.again && slice() == slice_ ? kAlikeSlices : 1) * slice() - slice() / kBeforeTick;
    order.rate = std::min(1.0, (order.in_turn ? kTurnRate : kSpareRate) * cpus);
    order.min_run = min_run(used / kMinimumFrom * used / kMinimumFrom) / kTurnMinimum;
    if (std::chrono::duration<double>(order.min_run) > order.rate * slice_) order.min_run = slice_;  // more than it is owed of a slice
    return order;
  }
  Duration behind = groups_lag(e);
  order.returns = !tight_ && cpus >= kNearlyWhole;
  if (order.returns) {  // what others have meanwhile is left to them by its rate
    order.slice = slice_;
    order.min_run = min_run(kReturnMinimum);
    return behind + e.charged < -slice_ / 2 ? StandingOrder{} : order;
  }
  bool catches_up = !tight_ && behind >= slice_;
  if (behind < -slice_ || (used > kMostUsed && cpus < kNearlyWhole && !catches_up)) return {};
  return order;
}

}  // namespace mus

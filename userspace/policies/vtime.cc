// SPDX-License-Identifier: GPL-2.0-only
#include "policies/vtime.h"

#include <algorithm>
#include <utility>

namespace mus {
namespace {

constexpr std::uint32_t kQueuedOnCpu = 1;      // decided ahead for one CPU's own queue
constexpr std::size_t kPutAsideAtOnce = 64;    // tasks without room that one decision goes over
constexpr double kHeavy = 0.5;                 // of a CPU: who is owed more goes on before those that were decided earlier
constexpr std::uint32_t kEarlySlices = 4;      // who misses a turn, and may not make up for it, goes before what was decided so long ago
constexpr int kFurthestPinned = 4;             // slices that a pinned task that comes is behind at most
constexpr std::size_t kLooks = 64;             // entities looked at for one that is eligible at each level
constexpr Duration kOverdueSlice = 500us;      // enough to get somewhere: a switch may cost 0.1 ms on an emulated machine
constexpr std::uint32_t kOverdueFew = 8;       // with more tasks than this it is shorter: it is nobody's share
constexpr std::uint32_t kWholeSlices = 2;      // at once, for a task that nobody should take turns with
constexpr std::size_t kOverdueAtOnce = 16;     // tasks looked at that have waited for so long
constexpr int kFetchedAhead = 4;               // of those that have waited for too long
constexpr Duration kShareOutEvery = 1ms;
constexpr Duration kShortestSlice = 100us;     // for the lightest

// All of a task, as far as a decision on it needs it: by the time that it is picked, it is in the cache. One line is read for good: what is
// fetched ahead may be left out where the page has to be looked up first.
void fetch(const DeadlineTree::Node& node) {
  constexpr std::ptrdiff_t kLine = 64, kBefore = -2, kAfter = 4;
  auto* at = reinterpret_cast<const std::byte*>(&node);
  (void)*const_cast<const volatile std::byte*>(at);
  for (std::ptrdiff_t line = kBefore; line < kAfter; ++line) __builtin_prefetch(at + line * kLine);
}

}  // namespace

VtimePolicy::VtimePolicy(const PolicyConfig& config)
    : runs_(config.tasks + config.cgroups, config.cgroups),
      slice_(std::chrono::microseconds(config.get("slice-us", to_ns(config.slice) / 1000))),
      slice_now_(std::max(kShortestSlice, slice_)),
      // A standing order interrupts what has had this (EEVDF: run to parity).
      min_run_(std::chrono::microseconds(config.get("min-run-us", 1000))),
      longest_wait_(std::chrono::milliseconds(config.get("longest-wait-ms", 900))),
      online_(config.online),
      pinned_here_(MUS_MAX_CPUS),
      parked_(MUS_MAX_CPUS) {}

std::uint32_t VtimePolicy::wanted_events() const {
  return MUS_EVENT_BIT(MUS_EVENT_SLEEP) | MUS_EVENT_BIT(MUS_EVENT_REPORT) | MUS_EVENT_BIT(MUS_EVENT_WEIGHT) |
         MUS_EVENT_BIT(MUS_EVENT_AFFINITY) | MUS_EVENT_BIT(MUS_EVENT_CGROUP) | MUS_EVENT_BIT(MUS_EVENT_RUNNING);
}

VtimePolicy::Group& VtimePolicy::group_of(const Cgroup& cgroup) const {
  return const_cast<Cgroup&>(cgroup).policy.get<Group>();
}

// ---- tasks ----------------------------------------------------------------------------------------

// Its entity, made when it is heard of first: it may have run before it waits, on a CPU that was idle.
VtimePolicy::TaskEntity& VtimePolicy::entity_of(Task& task) {
  if (!task.policy.empty()) return task.policy.get<TaskEntity>();
  TaskEntity& e = task.policy.emplace<TaskEntity>(task);
  e.parent = &group_of(*task.cgroup);
  e.weight = task.weight.value;
  weigh(e, e.weight * kLoadOne);
  e.vruntime = clock(*e.parent);
  return e;
}

void VtimePolicy::task_runnable(Task& task, bool woke, Time now) {
  TaskEntity& e = entity_of(task);
  if (!task.running) {
    refund(e);
  } else {  // the present run is still to be measured
    charge(e, -std::exchange(e.charged_next, {}));
    if (e.charged == Duration::zero()) charge(e, e.charged = slice());  // not decided here: taken from the held queue
  }
  leave_tree(e);
  set_load(e, feasible_load(e));
  if (!e.active) place(e, woke && uses_little(e, now));
  activate(e);
  // On crowded CPUs a pinned task falls behind for good; whoever comes there must not wait until it has caught up.
  if (task.affinity != Affinity::kAll && online_ > 1) {
    Vtime furthest = std::max(cost(kFurthestPinned * slice_, e), to_ns(kFurthestPinned * slice_) * kScale / (Weight::kDefault * kLoadOne));
    if (Vtime earliest = clock(*e.parent) - furthest; before(e.vruntime, earliest)) move(e, earliest);
  }
  e.woke = woke;
  e.waits_since = now;
  if (!e.Waiting::is_linked()) waiting_.push_back(e);
  make_ready(e);
}

// It can be picked from now on. What is owed a whole CPU and misses a turn can not catch up: it does not compete.
void VtimePolicy::make_ready(TaskEntity& e) {
  e.in_whole = owed_whole(e) && e.task->affinity == Affinity::kAll;
  if (e.in_whole)
    whole_.push_back(e);
  else
    insert(e);
}

void VtimePolicy::park(TaskEntity& e, Cpu cpu) {
  parked_[index(cpu)].push_back(e);
  ++parked_count_;
}

// The task can be picked no longer.
void VtimePolicy::withdraw(TaskEntity& e) {
  e.Waiting::unlink();
  leave_tree(e);
}

void VtimePolicy::leave_tree(TaskEntity& e) {
  if (e.Parked::is_linked()) {
    e.Parked::unlink();
    parked_count_ -= !e.in_whole;
  } else {
    erase(e);
  }
}

void VtimePolicy::task_stopped(Task& task, Time) {
  if (task.policy.empty()) return;
  auto& e = task.policy.get<TaskEntity>();
  refund(e);
  withdraw(e);
  deactivate(e);
}

void VtimePolicy::task_ran(Task& task, Duration ran, Time now) {
  TaskEntity& e = entity_of(task);
  see(e, now);
  e.used += ran;
  bool unasked = e.charged == Duration::zero() && task.slept_at != Time{};
  charge(e, ran - e.charged, unasked);
  e.charged = std::exchange(e.charged_next, {});
}

void VtimePolicy::task_changed(Task& task, Change change, Cgroup* from, Time) {
  if (task.policy.empty()) return;
  auto& e = task.policy.get<TaskEntity>();
  if (change == Change::kWeight) {
    set_weight(e, task.weight.value);
    return;
  }
  bool waiting = e.Parked::is_linked() || e.in_tree(), active = e.active;
  leave_tree(e);
  if (change == Change::kCgroup && from) {
    refund(e);
    deactivate(e);
    auto lag = static_cast<VtimeSpan>(e.vruntime - clock(*e.parent));  // kept, at most a slice either way
    auto most = static_cast<VtimeSpan>(credit(e));
    e.parent = &group_of(*task.cgroup);
    e.vruntime = clock(*e.parent) + static_cast<Vtime>(std::clamp(lag, -most, most));
    if (active) activate(e);
  }
  if (waiting) make_ready(e);
}

// ---- groups ---------------------------------------------------------------------------------------

void VtimePolicy::cgroup_changed(Cgroup& cgroup, CgroupChange change, Time) {
  if (change == CgroupChange::kRemoved) return;  // its entity goes with it: it has nothing runnable left
  if (cgroup.policy.empty()) {
    Group& made = cgroup.policy.emplace<Group>(runs_);
    if (!cgroup.parent) {
      root_ = &made;
      made.cpus = made.task_cpus = online_;
    } else {
      made.parent = &group_of(*cgroup.parent);
      made.weight = cgroup.weight().value;
      weigh(made, made.weight * kLoadOne);
      made.vruntime = clock(*made.parent);
    }
    return;
  }
  set_weight(group_of(cgroup), cgroup.weight().value);
}

// ---- slices ---------------------------------------------------------------------------------------

// With very many, a turn of all of them must not take longer than anybody may wait.
void VtimePolicy::count_tasks(std::int32_t more) {
  active_tasks_ += static_cast<std::uint32_t>(more);
  slice_now_ = slice_;
  if (slice_ * active_tasks_ > longest_wait_ * online_) slice_now_ = std::min(slice_, longest_wait_ * online_ / active_tasks_);
  slice_now_ = std::max(kShortestSlice, slice_now_);
}

// Nobody should take turns with a task that is owed a whole CPU; but its neighbours may come and go.
Duration VtimePolicy::next_slice(TaskEntity& e) const {
  e.whole_slices = owed_whole(e) ? std::min(e.whole_slices + 1, kWholeSlices) : 0;
  return slice() * std::max(1u, e.whole_slices);
}

Duration VtimePolicy::overdue_slice() const {
  Duration shorter = kOverdueSlice * kOverdueFew / std::max(kOverdueFew, active_tasks_);
  return std::min(slice_, std::max(kShortestSlice, shorter));
}

// How much of a slice it will use. What is announced while it runs is not measured before its next slice begins.
Duration VtimePolicy::expected_run(const Task& task, Duration slice) {
  if (task.running || task.slept_at == Time{}) return slice;
  return std::min(std::max(task.expected_run, task.burst), slice);
}

// It is owed most of a CPU: there is little time in which it could make up for a turn that it missed.
bool VtimePolicy::heavy(const TaskEntity& e) { return owed_whole(e) || e.load > kHeavy * e.parent->cpu_load; }

// It has had no more than its share, at any level; the groups that it is in: not more than `spare` above theirs.
bool VtimePolicy::behind(const Entity& entity, Duration spare) {
  for (const Entity* e = &entity; e->parent; e = e->parent)
    if (before(clock(*e->parent) + (e == &entity ? 0 : cost(spare, *e)), e->vruntime)) return false;
  return true;
}

// What was decided earlier can wait for another CPU; it could not make up for a turn that it misses.
bool VtimePolicy::goes_first(const TaskEntity& e) const {
  return online_ > 1 && e.task->affinity == Affinity::kAll && heavy(e) && behind(e);
}

// ---- deciding -------------------------------------------------------------------------------------

// A task that may run anywhere goes to the shared queue; others to a CPU that they may use.
std::optional<Cpu> VtimePolicy::target(const Task& task, const Room& room) {
  if (task.affinity == Affinity::kAll) return std::nullopt;
  Cpu cpu = task.affinity == Affinity::kOne ? task.allowed_cpu : task.last_cpu;
  if (index(cpu) >= room.cpus.size() || !room.cpus[index(cpu)].online) return std::nullopt;
  return cpu;
}

// Tasks put aside because their CPU's queue was full compete again, in their order, once it has room.
void VtimePolicy::unpark(const Room& room) {
  for (std::size_t cpu = 0; parked_count_ && cpu < room.cpus.size(); ++cpu) {
    if (room.cpus[cpu].online && room.cpus[cpu].queued >= kQueuedOnCpu) continue;
    while (!parked_[cpu].empty()) {
      TaskEntity& e = parked_[cpu].front();
      e.Parked::unlink();
      --parked_count_;
      insert(e);
    }
  }
}

void VtimePolicy::fetch_overdue() const {
  auto next = waiting_.begin();
  for (int ahead = 0; ahead < kFetchedAhead && next != waiting_.end(); ++ahead) ++next;
  if (next != waiting_.end()) fetch(*next);
}

// Of the tasks that have waited for too long, the one that has for longest and has room: whatever the weights say, it
// must run before the kernel's watchdog looks.
VtimePolicy::TaskEntity* VtimePolicy::pick_overdue(const Room& room, bool pinned, Time now) {
  std::size_t looked_at = 0;
  for (TaskEntity& e : waiting_) {
    if (now - e.waits_since < longest_wait_ || ++looked_at > kOverdueAtOnce) return nullptr;
    auto cpu = target(*e.task, room);
    if (cpu ? room.cpus[index(*cpu)].queued >= kQueuedOnCpu : pinned) continue;
    withdraw(e);
    fetch_overdue();
    return &e;
  }
  return nullptr;
}

// The first task that is eligible at each level; null: there is none, or none was found in `looks` entities. A group whose
// share is used by few of its tasks may be eligible while none of those that wait is.
VtimePolicy::TaskEntity* VtimePolicy::first_eligible(Group& group, std::size_t& looks) {
  Vtime now = clock(group);
  DeadlineTree::Eligible eligible(group.waiting, now);
  while (auto* node = eligible.next()) {
    if (!looks || !--looks) return nullptr;
    auto& e = static_cast<Entity&>(*node);
    if (!e.is_group) return &static_cast<TaskEntity&>(e);
    if (TaskEntity* task = first_eligible(static_cast<Group&>(e), looks)) return task;
  }
  return nullptr;
}

// The task that is least ahead of its share, at the level where it is most; `least`: of those found so far.
void VtimePolicy::least_ahead(Group& group, Duration by, Duration& least, TaskEntity*& found, std::size_t& looks) {
  auto consider = [&](Entity& e) {
    if (!looks || !--looks) return;
    Duration ahead = std::max(by, -lag(e));
    if (found && ahead >= least) return;
    if (e.is_group) return least_ahead(static_cast<Group&>(e), ahead, least, found, looks);
    least = ahead;
    found = &static_cast<TaskEntity&>(e);
  };
  consider(static_cast<Entity&>(group.waiting.least()));  // the others may be more than can be looked at
  group.waiting.for_each([&](DeadlineTree::Node& node) {
    consider(static_cast<Entity&>(node));
    return looks != 0;
  });
}

// Who runs next: an eligible task, or else, since no CPU is left idle, whoever is least ahead. The tree is not empty.
VtimePolicy::TaskEntity& VtimePolicy::first() const {
  std::size_t looks = kLooks;
  if (TaskEntity* task = first_eligible(*root_, looks)) return *task;
  TaskEntity* found = nullptr;
  Duration least{};
  least_ahead(*root_, Duration::zero(), least, found, looks = kLooks);
  if (found) return *found;
  Entity* e = root_;
  while (e->is_group) e = &static_cast<Entity&>(static_cast<Group&>(*e).waiting.least());
  return static_cast<TaskEntity&>(*e);
}

// The next one in turn that has room. `pinned`: none, if that may run anywhere, or is ahead: what is decided for any CPU
// would have come before it, unless it goes first.
VtimePolicy::TaskEntity* VtimePolicy::pick(const Room& room, bool pinned) {
  if (!pinned && !whole_.empty()) {
    TaskEntity& task = whole_.front();
    withdraw(task);
    return &task;
  }
  unpark(room);
  for (std::size_t put_aside = 0; put_aside < kPutAsideAtOnce && !root_->waiting.empty(); ++put_aside) {
    TaskEntity& task = first();
    auto cpu = target(*task.task, room);
    if (pinned && !(cpu ? behind(task) : !room.full && goes_first(task))) return nullptr;
    erase(task);
    if (const DeadlineTree::Node* next = task.parent->waiting.first()) fetch(*next);
    if (!cpu || room.cpus[index(*cpu)].queued < kQueuedOnCpu) {
      task.Waiting::unlink();
      return &task;
    }
    park(task, *cpu);
  }
  return nullptr;
}

// The shares follow what has changed.
void VtimePolicy::look_again(const Room& room, Time now) {
  if (online_ != room.online) {
    changed_ = true;
    online_ = room.online;
    count_tasks(0);
  }
  if (!changed_ || (now - shared_out_ < kShareOutEvery && whole_.empty())) return;
  shared_out_ = now;
  share_out();
}

bool VtimePolicy::decide(const Room& room, Decision& decision, Time now) { return decide_next(room, false, decision, now); }

bool VtimePolicy::decide_pinned(const Room& room, Decision& decision, Time now) {
  look_again(room, now);
  return (pinned_ || any_heavy_) && decide_next(room, true, decision, now);
}

bool VtimePolicy::decide_next(const Room& room, bool pinned, Decision& decision, Time now) {
  look_again(room, now);
  TaskEntity* overdue = pick_overdue(room, pinned, now);
  TaskEntity* e = overdue ? overdue : pick(room, pinned);
  if (!e) return false;
  Task& task = *e->task;
  decision.task = &task;
  decision.cpu = target(task, room);
  decision.slice = overdue ? overdue_slice() : next_slice(*e);
  decision.urgent = e->woke;
  // What was decided earlier for any CPU can wait for another one. Not if it is ahead: those would never have their turn.
  if (online_ > 1 && task.affinity == Affinity::kOne && behind(*e, slice()))
    decision.early = kEarlySlices * slice_ + 1ns;
  else if (goes_first(*e))
    decision.early = kEarlySlices * slice_;
  else if (Duration ahead = -lag_settled(*e); ahead > slice_ && all_alike(*e))
    decision.early = -std::min(ahead, kAgainSlices * slice_);  // its like may take turns unasked: they come first
  Duration expected = expected_run(task, decision.slice);
  (task.running ? e->charged_next : e->charged) = expected;
  charge(*e, expected);
  return true;
}

}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#include "policies/vtime.h"

#include <algorithm>
#include <utility>

namespace mus {
namespace {

constexpr std::uint32_t kQueuedOnCpu = 1;      // decided ahead for one CPU's own queue
constexpr std::size_t kPutAsideAtOnce = 64;    // tasks without room that one decision goes over
constexpr Duration kUrgentSlice = 2ms;         // by standing order
constexpr double kLeastOfMinimum = 0.05;       // for a task that uses next to nothing of what it is owed
constexpr double kMostUsed = 0.3;              // of what it is owed: who uses more waits for its turn
constexpr double kNearlyWhole = 0.6;           // of a CPU: who is owed that takes nobody's turn
constexpr Duration kUsageWindow = 20ms;        // over which usage is measured
constexpr Duration kUsageMemory = 60ms;        // what was measured before counts for this much
constexpr Duration kStandingValid = 1s;        // a stale share does no harm for longer
constexpr std::uint32_t kFurthest = 16;        // slices that an entity may get ahead of the others, or behind them
constexpr Duration kLongestWait = 900ms;       // for the lightest task; where CPUs are virtual such a run may come to nothing
constexpr std::size_t kLooks = 64;             // entities looked at for one that is eligible at each level
constexpr Duration kOverdueSlice = 500us;      // enough to get somewhere: a switch may cost 0.1 ms on an emulated machine
constexpr std::uint32_t kOverdueFew = 8;       // with more tasks than this it is shorter: it is nobody's share
constexpr int kWholeSlices = 4;                // at once, for a task that nobody should take turns with
constexpr std::size_t kOverdueAtOnce = 16;     // tasks looked at that have waited for so long
constexpr Duration kShareOutEvery = 1ms;
constexpr Duration kShortestSlice = 100us;     // for the lightest

}  // namespace

VtimePolicy::VtimePolicy(const PolicyConfig& config)
    : slice_(std::chrono::microseconds(config.get("slice-us", to_ns(config.slice) / 1000))),
      // A standing order interrupts what has had this (EEVDF: run to parity).
      min_run_(std::chrono::microseconds(config.get("min-run-us", 1000))),
      online_(config.online),
      parked_(MUS_MAX_CPUS) {}

std::uint32_t VtimePolicy::wanted_events() const {
  return MUS_EVENT_BIT(MUS_EVENT_SLEEP) | MUS_EVENT_BIT(MUS_EVENT_REPORT) | MUS_EVENT_BIT(MUS_EVENT_WEIGHT) |
         MUS_EVENT_BIT(MUS_EVENT_AFFINITY) | MUS_EVENT_BIT(MUS_EVENT_CGROUP) | MUS_EVENT_BIT(MUS_EVENT_RUNNING);
}

VtimePolicy::Group& VtimePolicy::group_of(const Cgroup& cgroup) const {
  return const_cast<Cgroup&>(cgroup).policy.get<Group>();
}

VtimePolicy::Vtime VtimePolicy::cost(Duration run, Load load) { return to_ns(run) * kScale / load; }

// ---- virtual time ---------------------------------------------------------------------------------

// The virtual time of a group: the average of its active entities', by load. While there is none, it stands still.
VtimePolicy::Vtime VtimePolicy::clock(Group& group) {
  if (group.active_load) {
    VtimeSpan passed = group.off / static_cast<VtimeSpan>(group.active_load);
    group.base += static_cast<Vtime>(passed);
    group.off -= passed * static_cast<VtimeSpan>(group.active_load);
  }
  return group.base;
}

// Counts an active entity into its group's clock, or out of it.
void VtimePolicy::count(Entity& e, bool in) {
  VtimeSpan off = static_cast<VtimeSpan>(e.vruntime - e.parent->base) * e.load;
  e.parent->off += in ? off : -off;
  e.parent->active_load += in ? e.load : -std::uint64_t{e.load};
}

// Moves an entity that is in no tree in virtual time.
void VtimePolicy::move(Entity& e, Vtime vruntime) {
  if (e.active) count(e, false);
  e.vruntime = vruntime;
  if (e.active) count(e, true);
}

// Its next slice begins.
void VtimePolicy::request(Entity& e) const {
  e.deadline = e.vruntime + cost(slice(), e.load);
}

// Where an entity stands that was away: at the clock, less at most one slice of credit if it slept.
void VtimePolicy::place(Entity& e, bool woke) {
  Vtime earliest = clock(*e.parent) - (woke ? credit(e) : 0);
  if (before(e.vruntime, earliest)) e.vruntime = earliest;
}

// Moves `entity` and all groups above it on in virtual time; `run` may be negative (charged too much before).
void VtimePolicy::charge(Entity& entity, Duration run) {
  if (run == Duration::zero()) return;
  for (Entity* e = &entity; e->parent; e = e->parent) {
    bool queued = e->in_tree();
    if (queued) e->unlink();
    Vtime amount = cost(run > Duration::zero() ? run : -run, e->load), now = clock(*e->parent);
    Vtime to = run > Duration::zero() ? e->vruntime + amount : e->vruntime - amount;
    // What it ran beyond this nobody else wanted: it is not held against it. What it could not have, pinned to a CPU
    // that others want too, is not owed to it for ever.
    Vtime furthest = cost(slice_ * kFurthest * (e->is_group ? online_ : 1), e->load);
    if (before(now + furthest, to)) to = now + furthest;
    if (before(to, now - furthest)) to = now - furthest;
    move(*e, to);
    if (e->is_group && !before(e->vruntime, e->deadline)) request(*e);
    if (queued) enqueue(*e);
  }
}

// What was decided, but did not run for all of that, or not at all.
void VtimePolicy::refund(TaskEntity& e) {
  charge(e, -(e.charged + e.charged_next));
  e.charged = e.charged_next = {};
}

// It weighs `load` from now on. Its lag in real time is kept.
void VtimePolicy::set_load(Entity& e, Load load) {
  if (e.load == load) return;
  bool queued = e.in_tree();
  if (queued) e.unlink();
  Vtime now = clock(*e.parent);
  auto rescaled = [&](Vtime at) {
    return now + static_cast<Vtime>(static_cast<VtimeSpan>(at - now) / VtimeSpan{load} * VtimeSpan{e.load});
  };
  Vtime vruntime = rescaled(e.vruntime), deadline = rescaled(e.deadline);
  if (e.active) count(e, false);
  e.vruntime = vruntime;
  e.deadline = deadline;
  e.load = load;
  if (e.active) count(e, true);
  if (queued) enqueue(e);
}

void VtimePolicy::set_weight(Entity& entity, std::uint32_t weight) {
  Group* parent = entity.parent;
  if (!parent || entity.weight == weight) return;
  changed_ = true;
  if (entity.active) {
    std::uint64_t more = std::uint64_t{weight} - entity.weight;  // modulo 2^64: it may be less
    parent->active_weight += more;
    if (!entity.is_group) parent->active_task_weight += more;
  }
  entity.weight = weight;
  set_load(entity, weight * kLoadOne);
}

// ---- the trees ------------------------------------------------------------------------------------

void VtimePolicy::enqueue(Entity& e) {
  if (before(clock(*e.parent), e.vruntime))
    e.parent->ahead.insert(e);
  else
    e.parent->eligible.insert(e);
}

void VtimePolicy::insert(Entity& entity) {
  for (Entity* e = &entity; e->parent && !e->in_tree(); e = e->parent) {
    if (!e->is_group || !before(e->vruntime, e->deadline)) request(*e);
    enqueue(*e);
  }
}

// Takes `entity` out of its parent's trees, and each group above that has become empty out of its own.
void VtimePolicy::erase(Entity& entity) {
  for (Entity* e = &entity; e->parent && e->in_tree(); e = e->parent) {
    e->unlink();
    if (!e->parent->eligible.empty() || !e->parent->ahead.empty()) return;
  }
}

void VtimePolicy::activate(Entity& entity) {
  for (Entity* e = &entity; e->parent && !e->active; e = e->parent) {
    e->parent->active_weight += e->weight;
    if (e->is_group) {
      auto& group = static_cast<Group&>(*e);
      e->parent->groups.push_back(group);
      // Until the next share_out(): its part by weight, which may be more than it can use.
      group.cpus = group.task_cpus = e->parent->cpus * e->weight / static_cast<double>(e->parent->active_weight);
      place(*e, true);
      request(*e);
    } else {
      e->parent->tasks.push_back(static_cast<TaskEntity&>(*e));
      e->parent->active_task_weight += e->weight;
      ++e->parent->active_tasks;
      ++active_tasks_;
    }
    e->active = true;
    count(*e, true);
    changed_ = true;
  }
}

void VtimePolicy::deactivate(Entity& entity) {
  for (Entity* e = &entity; e->parent && e->active; e = e->parent) {
    (void)clock(*e->parent); // where it stands when the last one leaves
    count(*e, false);
    e->active = false;
    e->parent->active_weight -= e->weight;
    if (e->is_group) {
      static_cast<Group&>(*e).Sibling::unlink();
    } else {
      static_cast<TaskEntity&>(*e).Active::unlink();
      static_cast<TaskEntity&>(*e).full = false;
      e->parent->active_task_weight -= e->weight;
      --e->parent->active_tasks;
      --active_tasks_;
    }
    changed_ = true;
    if (e->parent->active_weight) return;
    e->parent->off = 0;
  }
}

// ---- tasks ----------------------------------------------------------------------------------------

void VtimePolicy::task_runnable(Task& task, bool woke, Time now) {
  bool first = task.policy.empty();
  TaskEntity& e = first ? task.policy.emplace<TaskEntity>(task) : task.policy.get<TaskEntity>();
  if (first) {
    e.parent = &group_of(*task.cgroup);
    e.weight = task.weight.value;
    e.load = e.weight * kLoadOne;
    e.vruntime = clock(*e.parent);
  }
  if (task.running)  // the present run is still to be measured
    charge(e, -std::exchange(e.charged_next, {}));
  else
    refund(e);
  leave_tree(e);
  set_load(e, feasible_load(e));
  if (!e.active) place(e, woke);
  activate(e);
  // On crowded CPUs a pinned task falls behind for good; whoever comes there must not wait until it has caught up.
  Vtime earliest = clock(*e.parent) - cost(4 * slice_, std::min(e.load, Weight::kDefault * kLoadOne));
  if (task.affinity != Affinity::kAll && online_ > 1 && before(e.vruntime, earliest)) move(e, earliest);
  e.woke = woke;
  e.waits_since = now;
  if (!e.Waiting::is_linked()) waiting_.push_back(e);
  make_ready(e);
}

// It can be picked from now on. What is owed a whole CPU and misses a turn can not catch up: it does not compete.
void VtimePolicy::make_ready(TaskEntity& e) {
  e.in_whole = e.full && e.task->affinity == Affinity::kAll;
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

void VtimePolicy::task_ran(Task& task, Duration ran, Time) {
  if (task.policy.empty()) return;
  auto& e = task.policy.get<TaskEntity>();
  e.used += ran;
  charge(e, ran - e.charged);
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
    Group& made = cgroup.policy.emplace<Group>();
    if (!cgroup.parent) {
      root_ = &made;
      made.cpus = made.task_cpus = online_;
    } else {
      made.parent = &group_of(*cgroup.parent);
      made.weight = cgroup.weight().value;
      made.load = made.weight * kLoadOne;
      made.vruntime = clock(*made.parent);
    }
    return;
  }
  set_weight(group_of(cgroup), cgroup.weight().value);
}

// ---- standing orders and slices -------------------------------------------------------------------

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

// Whoever uses little of what it is owed (a sleeper that works briefly) may interrupt, the sooner the less that is. Among
// many that live on waking each other, each using its share, it would only cost throughput: they wait for their turn.
StandingOrder VtimePolicy::standing_order(Task& task, Time now) {
  if (task.policy.empty()) return {};
  auto& e = task.policy.get<TaskEntity>();
  // What it would be owed if it were runnable: it is asked for tasks that sleep, too.
  double cpus = std::min(1.0, by_weight(e));
  double used = usage(e, now) / cpus;
  if (used > kMostUsed && cpus < kNearlyWhole) return {};
  return {.slice = std::min(kUrgentSlice, slice_),
          .min_run = std::chrono::duration_cast<Duration>(min_run_ * std::clamp(used, kLeastOfMinimum, 1.0)),
          .budget = slice_,
          .valid_for = kStandingValid,
          .rate = cpus};
}

// With very many, a turn of all of them must not take longer than anybody may wait.
Duration VtimePolicy::slice() const {
  double turns = std::max(1.0, static_cast<double>(active_tasks_) / online_);
  return std::max(kShortestSlice, std::min(slice_, std::chrono::duration_cast<Duration>(kLongestWait / turns)));
}

Duration VtimePolicy::overdue_slice() const {
  Duration shorter = kOverdueSlice * kOverdueFew / std::max(kOverdueFew, active_tasks_);
  return std::min(slice_, std::max(kShortestSlice, shorter));
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

// Of the tasks that have waited for too long, the one that has for longest and has room: whatever the weights say, it
// must run before the kernel's watchdog looks.
VtimePolicy::TaskEntity* VtimePolicy::pick_overdue(const Room& room, Time now) {
  std::size_t looked_at = 0;
  for (TaskEntity& e : waiting_) {
    if (now - e.waits_since < kLongestWait || ++looked_at > kOverdueAtOnce) return nullptr;
    if (auto cpu = target(*e.task, room); cpu && room.cpus[index(*cpu)].queued >= kQueuedOnCpu) continue;
    withdraw(e);
    return &e;
  }
  return nullptr;
}

// The first task that is eligible at each level; null: there is none, or none was found in `looks` entities. A group whose
// share is used by few of its tasks may be eligible while none of those that wait is.
VtimePolicy::TaskEntity* VtimePolicy::first_eligible(Group& group, std::size_t& looks) {
  Vtime now = clock(group);
  while (!group.ahead.empty() && !before(now, group.ahead.begin()->vruntime)) {
    Entity& caught_up = *group.ahead.begin();
    caught_up.unlink();
    group.eligible.insert(caught_up);
  }
  for (Entity& e : group.eligible) {
    if (!looks || !--looks) return nullptr;
    if (!e.is_group) return &static_cast<TaskEntity&>(e);
    if (TaskEntity* task = first_eligible(static_cast<Group&>(e), looks)) return task;
  }
  return nullptr;
}

// Who runs next: an eligible task, or else, since no CPU is left idle, whoever is least ahead. The tree is not empty.
VtimePolicy::TaskEntity& VtimePolicy::first() const {
  std::size_t looks = kLooks;
  if (TaskEntity* task = first_eligible(*root_, looks)) return *task;
  Entity* e = root_;
  while (e->is_group) {
    auto& group = static_cast<Group&>(*e);
    e = group.eligible.empty() ? &*group.ahead.begin() : &*group.eligible.begin();
  }
  return static_cast<TaskEntity&>(*e);
}

VtimePolicy::TaskEntity* VtimePolicy::pick(const Room& room) {
  if (!whole_.empty()) {
    TaskEntity& task = whole_.front();
    withdraw(task);
    return &task;
  }
  unpark(room);
  for (std::size_t put_aside = 0; put_aside < kPutAsideAtOnce && (!root_->eligible.empty() || !root_->ahead.empty()); ++put_aside) {
    TaskEntity& task = first();
    erase(task);
    auto cpu = target(*task.task, room);
    if (!cpu || room.cpus[index(*cpu)].queued < kQueuedOnCpu) {
      task.Waiting::unlink();
      return &task;
    }
    park(task, *cpu);
  }
  return nullptr;
}

bool VtimePolicy::decide(const Room& room, Decision& decision, Time now) {
  if (online_ != room.online) changed_ = true;
  online_ = room.online;
  if (changed_ && (now - shared_out_ >= kShareOutEvery || !whole_.empty())) {
    shared_out_ = now;
    share_out();
  }
  TaskEntity* overdue = pick_overdue(room, now);
  TaskEntity* e = overdue ? overdue : pick(room);
  if (!e) return false;
  Task& task = *e->task;
  decision.task = &task;
  decision.cpu = target(task, room);
  decision.slice = overdue ? overdue_slice() : e->full ? kWholeSlices * slice() : slice();
  decision.urgent = e->woke;
  Duration expected = std::min(std::max(task.expected_run, task.burst), decision.slice);
  (task.running ? e->charged_next : e->charged) = expected;
  charge(*e, expected);
  return true;
}

}  // namespace mus

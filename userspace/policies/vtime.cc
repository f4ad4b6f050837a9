// SPDX-License-Identifier: GPL-2.0-only
#include "policies/vtime.h"

#include <algorithm>

namespace mus {
namespace {

constexpr std::uint32_t kQueuedOnCpu = 1;      // decided ahead for one CPU's own queue
constexpr std::size_t kPutAsideAtOnce = 64;    // tasks without room that one decision goes over
constexpr Duration kUrgentSlice = 2ms;         // by standing order
constexpr double kLeastOfMinimum = 0.25;       // for a task that uses little of what it is owed
constexpr double kUsageWeight = 4;             // who uses a quarter of what it is owed is not one of them
constexpr Duration kUsageWindow = 20ms;        // over which that is measured
constexpr Duration kStandingValid = 1s;        // a stale share does no harm for longer
constexpr std::uint32_t kFurthestAhead = 16;   // slices that running alone may put a task ahead of the others
constexpr Duration kLongestWait = 1s;          // for the lightest task there is
constexpr std::size_t kOverdueAtOnce = 16;     // tasks looked at that have waited for so long
constexpr Duration kShareOutEvery = 1ms;
constexpr double kWholeCpu = 0.9;              // owed about this much: taking turns would only cost it
constexpr double kKeepRate = 1.25;             // and it never stops, so that it can save up only beyond one
constexpr int kKeepSlices = 24;                // no less than its longest slice, or one run would use up all
constexpr double kLongestSlice = 8;            // times the configured slice, for the heaviest
constexpr Duration kShortestSlice = 100us;     // for the lightest

}  // namespace

VtimePolicy::VtimePolicy(const PolicyConfig& config)
    : slice_(std::chrono::microseconds(config.get("slice-us", to_ns(config.slice) / 1000))),
      // A standing order interrupts what has had this (EEVDF: run to parity).
      min_run_(std::chrono::microseconds(config.get("min-run-us", 2000))),
      online_(config.online),
      parked_(MUS_MAX_CPUS) {}

std::uint32_t VtimePolicy::wanted_events() const {
  return MUS_EVENT_BIT(MUS_EVENT_SLEEP) | MUS_EVENT_BIT(MUS_EVENT_REPORT) | MUS_EVENT_BIT(MUS_EVENT_WEIGHT) |
         MUS_EVENT_BIT(MUS_EVENT_AFFINITY) | MUS_EVENT_BIT(MUS_EVENT_CGROUP);
}

VtimePolicy::Group& VtimePolicy::group_of(const Cgroup& cgroup) const {
  return const_cast<Cgroup&>(cgroup).policy.get<Group>();
}

VtimePolicy::Vtime VtimePolicy::cost(Duration run, std::uint32_t weight) { return to_ns(run) * kScale / weight; }

// ---- the trees ------------------------------------------------------------------------------------

void VtimePolicy::insert(Entity& entity) {
  for (Entity* e = &entity; e->parent && !e->in_tree(); e = e->parent) e->parent->tree.insert(*e);
}

// Takes `entity` out of its parent's tree, and each group above that has become empty out of its own.
void VtimePolicy::erase(Entity& entity) {
  for (Entity* e = &entity; e->parent && e->in_tree(); e = e->parent) {
    e->parent->tree.erase(e->parent->tree.iterator_to(*e));
    if (!e->parent->tree.empty()) return;
  }
}

// Where an entity stands that was away: at the clock, less at most one slice of credit if it slept.
void VtimePolicy::place(Entity& entity, bool woke) const {
  Vtime earliest = entity.parent->clock - (woke ? credit(entity) : 0);
  if (before(entity.vruntime, earliest)) entity.vruntime = earliest;
}

void VtimePolicy::activate(Entity& entity) {
  for (Entity* e = &entity; e->parent && !e->active; e = e->parent) {
    e->active = true;
    e->parent->active_weight += e->weight;
    if (e->is_group) {
      auto& group = static_cast<Group&>(*e);
      e->parent->groups.push_back(group);
      // Until the next share_out(): its part by weight, which may be more than it can use.
      group.cpus = group.task_cpus = e->parent->cpus * e->weight / static_cast<double>(e->parent->active_weight);
      place(*e, true);
    } else {
      e->parent->active_task_weight += e->weight;
      ++e->parent->active_tasks;
      ++active_tasks_;
    }
    changed_ = true;
  }
}

void VtimePolicy::deactivate(Entity& entity) {
  for (Entity* e = &entity; e->parent && e->active; e = e->parent) {
    e->active = false;
    e->parent->active_weight -= e->weight;
    if (e->is_group) {
      static_cast<Group&>(*e).Sibling::unlink();
    } else {
      e->parent->active_task_weight -= e->weight;
      --e->parent->active_tasks;
      --active_tasks_;
    }
    changed_ = true;
    if (e->parent->active_weight) return;
  }
}

// Moves `entity` and all groups above it on in virtual time; `run` may be negative (charged too much before).
void VtimePolicy::charge(Entity& entity, Duration run) {
  if (run == Duration::zero()) return;
  for (Entity* e = &entity; e->parent; e = e->parent) {
    bool queued = e->in_tree();
    if (queued) e->parent->tree.erase(e->parent->tree.iterator_to(*e));
    Vtime amount = cost(run > Duration::zero() ? run : -run, e->weight);
    e->vruntime += run > Duration::zero() ? amount : -amount;
    std::uint32_t tasks = e->is_group ? online_ : 1;
    // What it ran beyond this nobody else wanted: it is not held against it.
    Vtime furthest = e->parent->clock + cost(slice_ * kFurthestAhead * tasks, e->weight);
    if (before(furthest, e->vruntime)) e->vruntime = furthest;
    if (queued) e->parent->tree.insert(*e);
  }
}

void VtimePolicy::set_weight(Entity& entity, std::uint32_t weight) {
  Group* parent = entity.parent;
  if (!parent || entity.weight == weight) return;
  changed_ = true;
  bool queued = entity.in_tree();
  if (queued) parent->tree.erase(parent->tree.iterator_to(entity));
  // Its lag in real time is kept: the distance to the clock shrinks as the weight grows.
  auto distance = static_cast<std::int64_t>(entity.vruntime - parent->clock);
  distance = distance / static_cast<std::int64_t>(weight) * static_cast<std::int64_t>(entity.weight);
  entity.vruntime = parent->clock + static_cast<Vtime>(distance);
  if (entity.active) {
    std::uint64_t more = std::uint64_t{weight} - entity.weight;  // modulo 2^64: it may be less
    parent->active_weight += more;
    if (!entity.is_group) parent->active_task_weight += more;
  }
  entity.weight = weight;
  if (queued) parent->tree.insert(entity);
}

// ---- tasks ----------------------------------------------------------------------------------------

void VtimePolicy::task_runnable(Task& task, bool woke, Time now) {
  bool first = task.policy.empty();
  TaskEntity& e = first ? task.policy.emplace<TaskEntity>(task) : task.policy.get<TaskEntity>();
  if (first) {
    e.parent = &group_of(*task.cgroup);
    e.weight = task.weight.value;
    e.vruntime = e.parent->clock;
  }
  charge(e, -e.charged);  // decided, but it did not run for all of that (or not at all)
  e.charged = {};
  bool was_active = e.active;
  activate(e);
  if (!was_active) place(e, woke);
  // On crowded CPUs a pinned task falls behind for good; whoever comes there must not wait until it has caught up.
  Vtime behind = cost(4 * slice_, std::min(e.weight, Weight::kDefault));
  if (task.affinity != Affinity::kAll && online_ > 1 && before(e.vruntime, e.parent->clock - behind))
    e.vruntime = e.parent->clock - behind;
  e.woke = woke;
  e.waits_since = now;
  if (!e.Waiting::is_linked()) waiting_.push_back(e);
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
    --parked_count_;
  } else {
    erase(e);
  }
}

void VtimePolicy::task_stopped(Task& task, Time) {
  if (task.policy.empty()) return;
  auto& e = task.policy.get<TaskEntity>();
  charge(e, -e.charged);
  e.charged = {};
  withdraw(e);
  deactivate(e);
}

void VtimePolicy::task_ran(Task& task, Duration ran, Time) {
  if (task.policy.empty()) return;
  auto& e = task.policy.get<TaskEntity>();
  e.used += ran;
  charge(e, ran - e.charged);
  e.charged = {};
}

void VtimePolicy::task_changed(Task& task, Change change, Cgroup* from, Time) {
  if (task.policy.empty()) return;
  auto& e = task.policy.get<TaskEntity>();
  if (change == Change::kWeight) {
    set_weight(e, task.weight.value);
    return;
  }
  bool parked = e.Parked::is_linked(), waiting = parked || e.in_tree(), active = e.active;
  if (parked || change == Change::kCgroup) leave_tree(e);
  if (change == Change::kCgroup && from) {
    charge(e, -e.charged);
    e.charged = {};
    deactivate(e);
    auto lag = static_cast<std::int64_t>(e.vruntime - e.parent->clock);  // kept, at most a slice either way
    auto most = static_cast<std::int64_t>(credit(e));
    e.parent = &group_of(*task.cgroup);
    e.vruntime = e.parent->clock + static_cast<Vtime>(std::clamp(lag, -most, most));
    if (active) activate(e);
  }
  if (waiting) insert(e);
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
      made.vruntime = made.parent->clock;
    }
    return;
  }
  set_weight(group_of(cgroup), cgroup.weight().value);
}

// ---- what everybody is entitled to: hierarchical water-filling ------------------------------------

// How many CPUs the active tasks below `group` can use: one each.
void VtimePolicy::measure(Group& group) const {
  group.most_cpus = group.active_tasks;
  for (Group& child : group.groups) {
    measure(child);
    group.most_cpus += child.most_cpus;
  }
  group.most_cpus = std::min(group.most_cpus, online_);
}

// Shares group.cpus among its tasks and groups by weight; who cannot use its part leaves the rest to the others.
void VtimePolicy::fill(Group& group) {
  double cpus = group.cpus;
  auto weight = static_cast<double>(group.active_weight);
  bool tasks_full = false;
  for (Group& child : group.groups) child.full = false;
  for (bool more = true; more;) {
    more = false;
    auto take = [&](bool& full, std::uint64_t its_weight, double most, double& part) {
      if (full || !its_weight) return;
      part = cpus * static_cast<double>(its_weight) / weight;
      if (part <= most) return;
      part = most;
      full = more = true;
      cpus -= most;
      weight -= static_cast<double>(its_weight);
    };
    for (Group& child : group.groups) take(child.full, child.weight, child.most_cpus, child.cpus);
    take(tasks_full, group.active_task_weight, group.active_tasks, group.task_cpus);
  }
  for (Group& child : group.groups) fill(child);
}

void VtimePolicy::share_out() {
  changed_ = false;
  measure(*root_);
  root_->cpus = online_;
  fill(*root_);
}

// CPUs' worth of time by weight alone, as if `entity` and the groups above it were active.
double VtimePolicy::by_weight(const Entity& entity) const {
  double share = online_;
  for (const Entity* e = &entity; e->parent; e = e->parent) {
    std::uint64_t all = e->parent->active_weight + (e->active ? 0 : e->weight);
    share *= static_cast<double>(e->weight) / static_cast<double>(all);
  }
  return share;
}

double VtimePolicy::task_cpus(const TaskEntity& entity) {
  const Group& group = *entity.parent;
  std::uint64_t weight = group.active_task_weight + (entity.active ? 0 : entity.weight);
  return std::min(1.0, group.task_cpus * entity.weight / static_cast<double>(weight));
}

// CPU time that an entity is behind the clock of its group (positive) or ahead of it.
Duration VtimePolicy::lag(const Entity& entity) {
  auto distance = static_cast<std::int64_t>(entity.parent->clock - entity.vruntime);
  return Duration{distance / static_cast<std::int64_t>(kScale) * static_cast<std::int64_t>(entity.weight)};
}

Promise VtimePolicy::promise(const Cgroup& cgroup) {
  if (changed_) share_out();
  const Group& group = group_of(cgroup);
  if (!group.active_weight) return {.share = 0, .own_share = 0};
  return {.share = std::min<double>(group.cpus, group.most_cpus) / online_,
          .own_share = group.active_tasks ? group.task_cpus / online_ : 0,
          .lag = group.parent ? lag(group) : Duration{}};
}

// Whoever uses little of what it is owed (a sleeper that works briefly) may interrupt soon; among many that live on
// waking each other, each using its share, interrupting only costs throughput.
Duration VtimePolicy::minimum_run(TaskEntity& e, double cpus, Time now) const {
  if (Duration passed = now - e.used_since; passed >= kUsageWindow) {
    e.usage = static_cast<double>(e.used.count()) / static_cast<double>(passed.count());
    e.used = {};
    e.used_since = now;
  }
  return std::chrono::duration_cast<Duration>(min_run_ * std::clamp(kUsageWeight * e.usage / cpus, kLeastOfMinimum, 1.0));
}

StandingOrder VtimePolicy::standing_order(Task& task, Time now) {
  if (task.policy.empty()) return {};
  auto& e = task.policy.get<TaskEntity>();
  // What it would be owed if it were runnable: it is asked for tasks that sleep, too.
  double cpus = std::min(1.0, by_weight(e));
  bool keep = cpus >= kWholeCpu && task.affinity == Affinity::kAll;
  return {.slice = std::min(kUrgentSlice, slice_),
          .min_run = minimum_run(e, cpus, now),
          .budget = keep ? slice_ * kKeepSlices : slice_,
          .valid_for = kStandingValid,
          .rate = keep ? kKeepRate : cpus,
          .keep = keep};
}

// In proportion to what the task is owed, so that taking turns among few tasks, all of them running or decided
// ahead, gives each its share too: then the order of the tree alone cannot.
Duration VtimePolicy::slice_for(const TaskEntity& entity) const {
  double turns = std::max(1.0, static_cast<double>(active_tasks_) / online_);
  double factor = task_cpus(entity) * turns;
  // Who has fallen behind all the same catches up: by a longer slice, the longer the further behind.
  double behind_ns = 0;
  for (const Entity* e = &entity; e->parent; e = e->parent)
    behind_ns += std::max(0.0, static_cast<double>(lag(*e).count()));
  factor *= 1 + std::min(2.0, behind_ns / static_cast<double>(2 * to_ns(slice_)));
  // With very many, a turn of all of them must not take longer than anybody may wait.
  Duration slice = std::min(slice_, std::chrono::duration_cast<Duration>(kLongestWait / turns));
  return std::max(kShortestSlice, std::chrono::duration_cast<Duration>(slice * std::min(factor, kLongestSlice)));
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

VtimePolicy::TaskEntity* VtimePolicy::pick(const Room& room) {
  unpark(room);
  for (std::size_t put_aside = 0; put_aside < kPutAsideAtOnce && !root_->tree.empty(); ++put_aside) {
    Entity* e = root_;
    while (e->is_group) {
      auto& group = static_cast<Group&>(*e);
      e = &*group.tree.begin();
      if (before(group.clock, e->vruntime)) group.clock = e->vruntime;
    }
    auto& task = static_cast<TaskEntity&>(*e);
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
  if (changed_ && now - shared_out_ >= kShareOutEvery) {
    shared_out_ = now;
    share_out();
  }
  TaskEntity* overdue = pick_overdue(room, now);
  TaskEntity* e = overdue ? overdue : pick(room);
  if (!e) return false;
  Task& task = *e->task;
  decision.task = &task;
  decision.cpu = target(task, room);
  decision.slice = overdue ? kShortestSlice : slice_for(*e);
  decision.urgent = e->woke;
  e->charged = std::min(task.expected_run, decision.slice);
  charge(*e, e->charged);
  return true;
}

}  // namespace mus

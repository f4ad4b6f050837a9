// SPDX-License-Identifier: GPL-2.0-only
#include "policies/vtime.h"

#include <algorithm>

namespace mus {
namespace {

constexpr std::uint32_t kQueuedOnCpu = 1;      // decided ahead for one CPU's own queue
constexpr std::size_t kPutAsideAtOnce = 64;    // tasks without room that one decision goes over
constexpr Duration kUrgentSlice = 2ms;         // by standing order
constexpr Duration kMinimumRun = 2ms;          // of what a standing order interrupts (EEVDF: run to parity)
constexpr double kLeastOfMinimum = 0.25;       // for a task that uses little of what it is owed
constexpr double kUsageWeight = 4;             // who uses a quarter of what it is owed is not one of them
constexpr Duration kUsageWindow = 20ms;        // over which that is measured
constexpr Duration kStandingValid = 1s;        // a stale share does no harm for longer
constexpr std::uint32_t kFurthestAhead = 16;   // slices that running alone may put a task ahead of the others
constexpr double kWholeCpu = 0.9;              // owed about this much: taking turns would only cost it
constexpr double kLongestSlice = 8;            // times the configured slice, for the heaviest
constexpr Duration kShortestSlice = 100us;     // for the lightest

}  // namespace

VtimePolicy::VtimePolicy(const PolicyConfig& config)
    : slice_(config.slice), online_(config.online), parked_(MUS_MAX_CPUS) {}

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
  for (Entity* e = &entity; e->parent && !e->set_base_hook::is_linked(); e = e->parent) e->parent->tree.insert(*e);
}

// Takes `entity` out of its parent's tree, and each group above that has become empty out of its own.
void VtimePolicy::erase(Entity& entity) {
  for (Entity* e = &entity; e->parent && e->set_base_hook::is_linked(); e = e->parent) {
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
    if (!e->is_group) {
      e->parent->active_task_weight += e->weight;
      ++active_tasks_;
    }
    if (e != &entity) place(*e, true);
  }
}

void VtimePolicy::deactivate(Entity& entity) {
  for (Entity* e = &entity; e->parent && e->active; e = e->parent) {
    e->active = false;
    e->parent->active_weight -= e->weight;
    if (!e->is_group) {
      e->parent->active_task_weight -= e->weight;
      --active_tasks_;
    }
    if (e->parent->active_weight) return;
  }
}

// Moves `entity` and all groups above it on in virtual time; `run` may be negative (charged too much before).
void VtimePolicy::charge(Entity& entity, Duration run) {
  if (run == Duration::zero()) return;
  for (Entity* e = &entity; e->parent; e = e->parent) {
    bool queued = e->set_base_hook::is_linked();
    if (queued) e->parent->tree.erase(e->parent->tree.iterator_to(*e));
    Vtime amount = cost(run > Duration::zero() ? run : -run, e->weight);
    e->vruntime += run > Duration::zero() ? amount : -amount;
    // What it ran beyond this nobody else wanted: it is not held against it.
    Vtime furthest = e->parent->clock + cost(slice_ * (e->is_group ? kFurthestAhead * online_ : kFurthestAhead), e->weight);
    if (before(furthest, e->vruntime)) e->vruntime = furthest;
    if (queued) e->parent->tree.insert(*e);
  }
}

void VtimePolicy::set_weight(Entity& entity, std::uint32_t weight) {
  Group* parent = entity.parent;
  if (!parent || entity.weight == weight) return;
  bool queued = entity.set_base_hook::is_linked();
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

void VtimePolicy::task_runnable(Task& task, bool woke, Time) {
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
  insert(e);
}

void VtimePolicy::park(TaskEntity& e, Cpu cpu) {
  parked_[index(cpu)].push_back(e);
  ++parked_count_;
}

void VtimePolicy::withdraw(TaskEntity& e) {
  if (e.list_base_hook::is_linked()) {
    e.list_base_hook::unlink();
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
  bool parked = e.list_base_hook::is_linked(), waiting = parked || e.set_base_hook::is_linked(), active = e.active;
  if (parked || change == Change::kCgroup) withdraw(e);
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
    } else {
      made.parent = &group_of(*cgroup.parent);
      made.weight = cgroup.weight().value;
      made.vruntime = made.parent->clock;
    }
    return;
  }
  set_weight(group_of(cgroup), cgroup.weight().value);
}

// CPUs' worth of time that `entity` is owed now: its weight among what is active at each level.
double VtimePolicy::entitled_cpus(const Entity& entity) const {
  double share = online_;
  for (const Entity* e = &entity; e->parent; e = e->parent) {
    std::uint64_t others = e->parent->active_weight + (e->active ? 0 : e->weight);
    share *= static_cast<double>(e->weight) / static_cast<double>(others);
  }
  return share;
}

double VtimePolicy::entitled_share(const Cgroup& cgroup) const {
  const Group& group = group_of(cgroup);
  if (!group.active_task_weight) return 0;
  double share = static_cast<double>(group.active_task_weight) / static_cast<double>(group.active_weight);
  return share * entitled_cpus(group) / online_;
}

// Whoever uses little of what it is owed (a sleeper that works briefly) may interrupt soon; among many that live on
// waking each other, each using its share, interrupting only costs throughput.
Duration VtimePolicy::minimum_run(TaskEntity& e, double cpus, Time now) {
  if (Duration passed = now - e.used_since; passed >= kUsageWindow) {
    e.usage = static_cast<double>(e.used.count()) / static_cast<double>(passed.count());
    e.used = {};
    e.used_since = now;
  }
  return std::chrono::duration_cast<Duration>(kMinimumRun * std::clamp(kUsageWeight * e.usage / cpus, kLeastOfMinimum, 1.0));
}

StandingOrder VtimePolicy::standing_order(Task& task, Time now) {
  if (task.policy.empty()) return {};
  auto& e = task.policy.get<TaskEntity>();
  double cpus = entitled_cpus(e);
  return {.slice = std::min(kUrgentSlice, slice_),
          .min_run = minimum_run(e, cpus, now),
          .budget = slice_,
          .valid_for = kStandingValid,
          .rate = std::min(1.0, cpus),
          .keep = cpus >= kWholeCpu};
}

// In proportion to what the task is owed, so that taking turns among few tasks, all of them running or decided
// ahead, gives each its share too: then the order of the tree alone cannot.
Duration VtimePolicy::slice_for(const Entity& entity) const {
  double turns = std::max(1.0, static_cast<double>(active_tasks_) / online_);
  double factor = entitled_cpus(entity) * turns;
  // Who has fallen behind all the same catches up: by a longer slice, the longer the further behind.
  double behind_ns = 0;
  for (const Entity* e = &entity; e->parent; e = e->parent)
    if (before(e->vruntime, e->parent->clock))
      behind_ns += static_cast<double>(e->parent->clock - e->vruntime) * e->weight / static_cast<double>(kScale);
  factor *= 1 + std::min(2.0, behind_ns / static_cast<double>(2 * to_ns(slice_)));
  return std::max(kShortestSlice, std::chrono::duration_cast<Duration>(slice_ * std::min(factor, kLongestSlice)));
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
      auto& e = static_cast<TaskEntity&>(parked_[cpu].front());
      withdraw(e);
      insert(e);
    }
  }
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
    if (!cpu || room.cpus[index(*cpu)].queued < kQueuedOnCpu) return &task;
    park(task, *cpu);
  }
  return nullptr;
}

bool VtimePolicy::decide(const Room& room, Decision& decision, Time) {
  online_ = room.online;
  TaskEntity* e = pick(room);
  if (!e) return false;
  Task& task = *e->task;
  decision.task = &task;
  decision.cpu = target(task, room);
  decision.slice = slice_for(*e);
  decision.urgent = e->woke;
  e->charged = std::min(task.expected_run, decision.slice);
  charge(*e, e->charged);
  return true;
}

}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
// vtime: what everybody is entitled to, by hierarchical water-filling.
#include <algorithm>

#include "policies/vtime.h"

namespace mus {
namespace {

constexpr std::uint32_t kTurns = 4;          // what one CPU's pinned tasks leave may overfill the next
constexpr double kOverfull = 1e-3;           // of a CPU
constexpr std::uint32_t kWeighedEach = 128;  // tasks of a group: with more, no task alone is owed a CPU

}  // namespace

// Cgroups may be nested more deeply than the thread's stack is: nothing here calls itself. Children before their parents, and
// parents before their children; null: that was all.
VtimePolicy::Group* VtimePolicy::innermost_first(Group& group) {
  Group* deepest = &group;
  while (!deepest->groups.empty()) deepest = &deepest->groups.front();
  return deepest;
}

VtimePolicy::Group* VtimePolicy::next_sibling(Group& group) {
  auto next = std::next(List<Group, Sibling>::s_iterator_to(group));
  return next == group.parent->groups.end() ? nullptr : &*next;
}

VtimePolicy::Group* VtimePolicy::next_outward(Group& group) {
  if (!group.parent) return nullptr;
  Group* sibling = next_sibling(group);
  return sibling ? innermost_first(*sibling) : group.parent;
}

VtimePolicy::Group* VtimePolicy::next_inward(Group& group) {
  if (!group.groups.empty()) return &group.groups.front();
  for (Group* at = &group; at->parent; at = at->parent)
    if (Group* sibling = next_sibling(*at)) return sibling;
  return nullptr;
}

// How many CPUs the active tasks in `group` and below can use: one each, but for those that have been found to share one.
// `anew`: none has. Its children have been measured.
void VtimePolicy::measure(Group& group, bool anew) {
  group.most_cpus = group.active_tasks;
  if (group.active_tasks <= kWeighedEach)
    for (TaskEntity& task : group.tasks) {
      if (anew) task.most = 1;
      group.most_cpus -= 1 - task.most;
      pinned_ = pinned_ || task.task->affinity == Affinity::kOne;
    }
  for (Group& child : group.groups) group.most_cpus += child.most_cpus;
  group.most_cpus = std::min<double>(group.most_cpus, online_);
}

// Each active task that may run on one CPU alone.
template <typename F>
void VtimePolicy::for_each_pinned(F&& each) {
  for (Group* group = root_; group; group = next_inward(*group)) {
    if (group->active_tasks > kWeighedEach) continue;
    for (TaskEntity& task : group->tasks)
      if (std::size_t cpu = index(task.task->allowed_cpu); task.task->affinity == Affinity::kOne && cpu < pinned_here_.size())
        each(task, pinned_here_[cpu]);
  }
}

// Those who are pinned to the same CPU, and would get more than it has, share it by their weights. False: there are none, or
// not any more.
bool VtimePolicy::cap_pinned() {
  std::ranges::fill(pinned_here_, PinnedHere{});
  for_each_pinned([this](TaskEntity& task, PinnedHere& here) {
    here.rate += task.full ? task.most : task.weight * kLoadOne / task.parent->cpu_load;
    here.weight += by_weight(task);
  });
  bool capped = false;
  for_each_pinned([&](TaskEntity& task, PinnedHere& here) {
    if (here.rate < 1 + kOverfull) return;
    task.most = std::min(1.0, by_weight(task) / here.weight);
    capped = true;
  });
  return capped;
}

// Shares group.cpus among its tasks and groups by weight; who cannot use its part leaves the rest to the others. With
// very many tasks, none of them is looked at alone.
void VtimePolicy::fill(Group& group) {
  double cpus = group.cpus;
  auto weight = static_cast<double>(group.active_weight);
  bool each = group.active_tasks <= kWeighedEach, tasks_full = false;
  for (Group& child : group.groups) child.full = false;
  if (each)
    for (TaskEntity& task : group.tasks) task.full = false;
  for (bool more = true; more;) {
    more = false;
    auto take = [&](bool& its_full, double its_weight, double most) {
      if (its_full || its_weight <= 0 || cpus * its_weight < most * weight) return;
      its_full = more = true;
      cpus = std::max(0.0, cpus - most);
      weight -= its_weight;
    };
    for (Group& child : group.groups) take(child.full, child.weight, child.most_cpus);
    if (each)
      for (TaskEntity& task : group.tasks) take(task.full, task.weight, task.most);
    else
      take(tasks_full, static_cast<double>(group.active_task_weight), group.active_tasks);
  }
  // Where all have what they can use, one CPU weighs what one task does mostly: loads are whole numbers.
  group.cpu_load = weight > 0.5 && cpus > 0 ? kLoadOne * weight / cpus : kLoadOne * Weight::kDefault;
  if (each)
    for (TaskEntity& task : group.tasks) {
      set_load(task, feasible_load(task));
      any_heavy_ = any_heavy_ || heavy(task);
      tight_ = tight_ || (heavy(task) && owed_lately(task) >= kNearlyWhole);
    }
  double groups_cpus = 0;
  for (Group& child : group.groups) {
    child.cpus = child.full ? child.most_cpus : child.weight * kLoadOne / group.cpu_load;
    groups_cpus += child.cpus;
    set_load(child, child.full ? static_cast<Load>(std::max(1.0, child.most_cpus * group.cpu_load)) : child.weight * kLoadOne);
  }
  group.task_cpus = group.active_tasks ? std::clamp(group.cpus - groups_cpus, 0.0, double(group.active_tasks)) : 0;
}

// What a task weighs: its weight, or what makes as much of a CPU as it can use.
VtimePolicy::Load VtimePolicy::feasible_load(const TaskEntity& e) {
  Load load = e.weight * kLoadOne;
  double most = e.most * e.parent->cpu_load;
  return load > most ? static_cast<Load>(std::max(1.0, most)) : load;
}

void VtimePolicy::share_out() {
  changed_ = false;
  pinned_ = any_heavy_ = tight_ = false;
  root_->cpus = online_;
  for (std::uint32_t turn = 0; turn == 0 || (pinned_ && turn < kTurns && cap_pinned()); ++turn) {
    for (Group* group = innermost_first(*root_); group; group = next_outward(*group)) measure(*group, turn == 0);
    for (Group* group = root_; group; group = next_inward(*group)) fill(*group);
  }
  for (auto it = whole_.begin(); it != whole_.end();) {
    TaskEntity& e = *it++;
    if (e.full) continue;
    leave_tree(e);
    make_ready(e);
  }
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

// CPU time that an entity is behind the clock of its group (positive) or ahead of it.
Duration VtimePolicy::lag(const Entity& e) {
  auto distance = static_cast<VtimeSpan>(clock(*e.parent) - e.vruntime);
  return Duration{static_cast<Duration::rep>(static_cast<double>(distance) / e.pace)};
}

Promise VtimePolicy::promise(const Cgroup& cgroup) {
  if (changed_) share_out();
  const Group& group = group_of(cgroup);
  if (!group.active_weight) return {.share = 0, .own_share = 0};
  return {.share = std::min<double>(group.cpus, group.most_cpus) / online_,
          .own_share = group.active_tasks ? group.task_cpus / online_ : 0,
          .lag = group.parent ? lag(group) : Duration{}};
}

}  // namespace mus

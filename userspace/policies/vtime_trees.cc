// SPDX-License-Identifier: GPL-2.0-only
// vtime: virtual time, and the tree of each group that is ordered by it.
#include <algorithm>

#include "policies/vtime.h"

namespace mus {
namespace {

constexpr std::uint32_t kFurthest = 16;  // slices that an entity may get ahead of the others, or behind them

}  // namespace

// ---- virtual time ---------------------------------------------------------------------------------

// There and back is the same: what is charged too much is refunded without a rest.
Vtime VtimePolicy::cost(Duration run, const Entity& e) {
  return static_cast<Vtime>(static_cast<VtimeSpan>(static_cast<double>(run.count()) * e.pace));
}

// The virtual time of a group: the average of its active entities', by load. While there is none, it stands still. The product with
// 1 / load may be a little less than the quotient: without the spare, one who is alone, and so never ahead, would look as if it
// were. What is rounded stays in `off`.
Vtime VtimePolicy::clock(Group& group) {
  constexpr double kSpare = 1.0 / 1024;
  auto passed = static_cast<VtimeSpan>(static_cast<double>(group.off) * group.per_load + kSpare);
  group.base += static_cast<Vtime>(passed);
  group.off -= passed * static_cast<VtimeSpan>(group.active_load);
  return group.base;
}

// Not while it is counted.
void VtimePolicy::weigh(Entity& e, Load load) {
  e.load = load;
  e.pace = static_cast<double>(kScale) / load;
}

// Counts an active entity into its group's clock, or out of it.
void VtimePolicy::count(Entity& e, bool in) {
  Group& group = *e.parent;
  VtimeSpan off = static_cast<VtimeSpan>(e.vruntime - group.base) * e.load;
  group.off += in ? off : -off;
  group.active_load += in ? e.load : -std::uint64_t{e.load};
  group.per_load = group.active_load ? 1 / static_cast<double>(group.active_load) : 0;
}

// Moves an entity in virtual time. In a tree, it is to be put in its place.
void VtimePolicy::move(Entity& e, Vtime vruntime) {
  if (e.active) e.parent->off += static_cast<VtimeSpan>(vruntime - e.vruntime) * e.load;
  e.vruntime = vruntime;
}

// Its next slice begins.
void VtimePolicy::request(Entity& e) const {
  e.deadline = e.vruntime + cost(slice(), e);
}

// Where an entity stands that was away: at the clock, less at most one slice of credit.
void VtimePolicy::place(Entity& e, bool credited) {
  Vtime earliest = clock(*e.parent) - (credited ? credit(e) : 0);
  if (before(e.vruntime, earliest)) e.vruntime = earliest;
}

// The same for what nobody has decided on. A group weighs less than its weight where those that are active can not use all of its
// share; who runs by standing order is not active, and would be charged for it twice over. So it weighs what its siblings do, by weight.
Vtime VtimePolicy::cost_unasked(Duration run, const Entity& e) {
  if (!e.is_group || !e.parent->active_weight) return cost(run, e);
  double load = static_cast<double>(e.parent->active_load) * e.weight / static_cast<double>(e.parent->active_weight);
  return static_cast<Vtime>(static_cast<VtimeSpan>(static_cast<double>(run.count()) * double(kScale) / std::max(1.0, load)));
}

// Moves `entity` and all groups above it on in virtual time; `run` may be negative (charged too much before).
void VtimePolicy::charge(Entity& entity, Duration run, bool unasked) {
  if (run == Duration::zero()) return;
  for (Entity* e = &entity; e->parent; e = e->parent) {
    // What it ran beyond this nobody else wanted: it is not held against it. What it could not have, pinned to a CPU
    // that others want too, is not owed to it for ever.
    auto furthest = static_cast<VtimeSpan>(cost(slice_ * kFurthest * (e->is_group ? online_ : 1), *e));
    Vtime now = clock(*e->parent);
    Vtime run_cost = unasked ? cost_unasked(run, *e) : cost(run, *e);
    move(*e, now + static_cast<Vtime>(std::clamp(static_cast<VtimeSpan>(e->vruntime + run_cost - now), -furthest, furthest)));
    bool had_it = e->is_group && !before(e->vruntime, e->deadline);
    if (had_it) request(*e);
    if (!e->in_tree()) continue;
    if (had_it)
      e->parent->waiting.put_back(*e);
    else
      e->parent->waiting.ran(*e);
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
  if (queued) e.parent->waiting.erase(e);
  Vtime now = clock(*e.parent);
  auto rescaled = [&](Vtime at) {
    return now + static_cast<Vtime>(static_cast<VtimeSpan>(at - now) / VtimeSpan{load} * VtimeSpan{e.load});
  };
  Vtime vruntime = rescaled(e.vruntime), deadline = rescaled(e.deadline);
  if (e.active) count(e, false);
  e.vruntime = vruntime;
  e.deadline = deadline;
  weigh(e, load);
  if (e.active) count(e, true);
  if (queued) e.parent->waiting.insert(e);
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

void VtimePolicy::insert(Entity& entity) {
  for (Entity* e = &entity; e->parent && !e->in_tree(); e = e->parent) {
    if (!e->is_group || !before(e->vruntime, e->deadline)) request(*e);
    e->parent->waiting.insert(*e);
  }
}

// Takes `entity` out of its parent's tree, and each group above that has become empty out of its own.
void VtimePolicy::erase(Entity& entity) {
  for (Entity* e = &entity; e->parent && e->in_tree(); e = e->parent) {
    e->parent->waiting.erase(*e);
    if (!e->parent->waiting.empty()) return;
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
      count_tasks(1);
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
      auto& task = static_cast<TaskEntity&>(*e);
      task.Active::unlink();
      task.full = false;
      task.most = 1;
      e->parent->active_task_weight -= e->weight;
      --e->parent->active_tasks;
      count_tasks(-1);
    }
    changed_ = true;
    if (e->parent->active_weight) return;
    e->parent->off = 0;
  }
}

}  // namespace mus

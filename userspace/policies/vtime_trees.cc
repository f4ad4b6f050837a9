// SPDX-License-Identifier: GPL-2.0-only
// vtime: virtual time, and the two trees of each group that are ordered by it.
#include <algorithm>

#include "policies/vtime.h"

namespace mus {
namespace {

constexpr std::uint32_t kFurthest = 16;  // slices that an entity may get ahead of the others, or behind them

}  // namespace

// ---- virtual time ---------------------------------------------------------------------------------

VtimePolicy::Vtime VtimePolicy::cost(Duration run, Load load) { return to_ns(run) * kScale / load; }

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

// Moves an entity in virtual time. In a tree, it is to be put in its place.
void VtimePolicy::move(Entity& e, Vtime vruntime) {
  if (e.active) count(e, false);
  e.vruntime = vruntime;
  if (e.active) count(e, true);
}

// Its next slice begins.
void VtimePolicy::request(Entity& e) const {
  e.deadline = e.vruntime + cost(slice(), e.load);
}

// Where an entity stands that was away: at the clock, less at most one slice of credit.
void VtimePolicy::place(Entity& e, bool credited) {
  Vtime earliest = clock(*e.parent) - (credited ? credit(e) : 0);
  if (before(e.vruntime, earliest)) e.vruntime = earliest;
}

// Moves `entity` and all groups above it on in virtual time; `run` may be negative (charged too much before).
void VtimePolicy::charge(Entity& entity, Duration run) {
  if (run == Duration::zero()) return;
  for (Entity* e = &entity; e->parent; e = e->parent) {
    Vtime amount = cost(run > Duration::zero() ? run : -run, e->load), now = clock(*e->parent);
    Vtime to = run > Duration::zero() ? e->vruntime + amount : e->vruntime - amount;
    // What it ran beyond this nobody else wanted: it is not held against it. What it could not have, pinned to a CPU
    // that others want too, is not owed to it for ever.
    Vtime furthest = cost(slice_ * kFurthest * (e->is_group ? online_ : 1), e->load);
    if (before(now + furthest, to)) to = now + furthest;
    if (before(to, now - furthest)) to = now - furthest;
    move(*e, to);
    if (e->is_group && !before(e->vruntime, e->deadline)) request(*e);
    if (e->in_tree()) reorder(*e);
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
  e.is_ahead = before(clock(*e.parent), e.vruntime);
  if (e.is_ahead)
    e.parent->ahead.insert(e);
  else
    e.parent->eligible.insert(e);
}

// Puts an entity that was charged where it stands in a tree back in its place: behind its equals, as one that comes anew. Often it
// is there already, and the tree is left as it is.
void VtimePolicy::reorder(Entity& e) {
  auto in_place = [&e](auto& tree, auto&& earlier) {
    auto at = tree.iterator_to(e), next = std::next(at);
    return (next == tree.end() || earlier(e, *next)) && (at == tree.begin() || !earlier(e, *std::prev(at)));
  };
  if (e.is_ahead == before(clock(*e.parent), e.vruntime) &&
      (e.is_ahead ? in_place(e.parent->ahead, ByVruntime{}) : in_place(e.parent->eligible, ByDeadline{})))
    return;
  e.unlink();
  enqueue(e);
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
      auto& task = static_cast<TaskEntity&>(*e);
      task.Active::unlink();
      task.full = false;
      task.most = 1;
      e->parent->active_task_weight -= e->weight;
      --e->parent->active_tasks;
      --active_tasks_;
    }
    changed_ = true;
    if (e->parent->active_weight) return;
    e->parent->off = 0;
  }
}

}  // namespace mus

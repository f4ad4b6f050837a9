// SPDX-License-Identifier: GPL-2.0-only
// When events were lost: what they said is looked up.
#include "core/kernel_facts.h"
#include "core/policy_driver.h"

namespace mus {
namespace {

constexpr std::size_t kLookUpAtOnce = 64;

}  // namespace

Cgroup* PolicyDriver::find_or_learn(CgroupId id, int levels) {
  if (Cgroup* known = cgroups_.find(id)) return known;
  auto facts = facts_ && levels > 0 ? facts_->cgroup(id) : std::nullopt;
  if (!facts) return nullptr;
  Cgroup* parent = raw(facts->parent) ? find_or_learn(facts->parent, levels - 1) : nullptr;
  Weight weight = facts->weight ? Weight::nearest(facts->weight) : Weight{};
  Cgroup& added = cgroups_.add(id, parent ? *parent : cgroups_.root(), weight);
  if (added.id == id) changed(added, CgroupChange::kAdded);
  return &added;
}

void PolicyDriver::catch_up_from_start() {
  if (facts_) tasks_to_check_ = tasks_.capacity(), cgroups_to_check_ = cgroups_.slots();
}

bool PolicyDriver::catch_up() {
  std::size_t looks = kLookUpAtOnce;
  while (looks && tasks_to_check_) {
    Task* task = tasks_.at(--tasks_to_check_);
    if (!task) continue;
    --looks;
    if (!facts_->has_task(task->pid)) forget(*task);
  }
  while (looks && cgroups_to_check_) {
    Cgroup* cgroup = cgroups_.at(--cgroups_to_check_);
    if (!cgroup || !cgroup->parent || cgroup->removed) continue;
    --looks;
    auto facts = facts_->cgroup(cgroup->id);
    if (!facts)
      cgroup_gone(cgroup->id);
    else if (facts->weight)
      set_kernel_weight(cgroup->id, facts->weight);
  }
  return tasks_to_check_ || cgroups_to_check_;
}

}  // namespace mus

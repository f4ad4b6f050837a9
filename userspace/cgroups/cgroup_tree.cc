// SPDX-License-Identifier: GPL-2.0-only
#include "cgroups/cgroup_tree.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <utility>

namespace mus {

CgroupTree::CgroupTree(std::size_t capacity)
    : cgroups_(capacity + 1), buckets_(std::bit_ceil(capacity + 2)), set_({buckets_.data(), buckets_.size()}) {
  for (Cgroup& cgroup : cgroups_) free_.push_front(cgroup);
  root_ = &free_.front();
  free_.pop_front();
  root_->id = CgroupId{1};
  root_->users = 1;
  set_.insert(*root_);
  known_.push_back(*root_);
  overrides_.reserve(capacity);
}

CgroupTree::~CgroupTree() {
  set_.clear();
  known_.clear();
  free_.clear();
}

Cgroup* CgroupTree::find(CgroupId id) {
  auto it = set_.find(id);
  return it == set_.end() ? nullptr : &*it;
}

Cgroup& CgroupTree::add(CgroupId id, Cgroup& parent, Weight weight) {
  if (Cgroup* known = find(id)) {
    known->removed = false;
    return *known;
  }
  if (free_.empty()) return parent;
  Cgroup* made = &free_.front();
  free_.pop_front();
  std::destroy_at(made);
  std::construct_at(made);
  made->id = id;
  made->parent = &parent;
  made->kernel_weight = weight;
  auto given = std::ranges::find(overrides_, id, &Override::id);
  if (given != overrides_.end()) made->override_ = given->weight;
  acquire(parent);
  set_.insert(*made);
  known_.push_back(*made);
  return *made;
}

void CgroupTree::name_root(CgroupId id) {
  if (find(id)) return;
  set_.erase(set_.iterator_to(*root_));
  root_->id = id;
  set_.insert(*root_);
}

void CgroupTree::remove(Cgroup& cgroup) {
  if (&cgroup == root_) return;
  cgroup.removed = true;
  acquire(cgroup);
  release(cgroup);
}

void CgroupTree::release(Cgroup& cgroup) {
  for (Cgroup* left = &cgroup; left && --left->users == 0 && left->removed;) {
    Cgroup& gone = *std::exchange(left, left->parent);
    set_.erase(set_.iterator_to(gone));
    gone.policy.reset();
    known_.erase(known_.iterator_to(gone));
    std::erase_if(overrides_, [&](const Override& o) { return o.id == gone.id; });
    free_.push_front(gone);
  }
}

bool CgroupTree::set_override(CgroupId id, std::uint32_t weight) {
  auto given = std::ranges::find(overrides_, id, &Override::id);
  if (given == overrides_.end()) {
    if (weight && overrides_.size() == overrides_.capacity()) return false;
    if (weight) overrides_.push_back({id, weight});
  } else if (weight) {
    given->weight = weight;
  } else {
    overrides_.erase(given);
  }
  if (Cgroup* cgroup = find(id)) cgroup->override_ = weight;
  return true;
}

}  // namespace mus

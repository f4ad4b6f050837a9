// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/top/model.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace mus::ctl {
namespace {

/// "/a/b" -> "/a", "/a" -> "/", "/" -> ""
std::string_view parent_path(std::string_view path) {
  if (path.size() <= 1) return {};
  auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  return slash == 0 ? path.substr(0, 1) : path.substr(0, slash);
}

/// Below each cgroup its children, by name; the last entry holds those that have no parent here.
std::vector<std::vector<std::size_t>> children_of(const std::vector<CgroupFigures>& cgroups) {
  std::unordered_map<std::uint64_t, std::size_t> by_id;
  std::map<std::string_view, std::size_t> by_path;
  for (std::size_t i = 0; i < cgroups.size(); ++i) {
    by_id.emplace(cgroups[i].id, i);
    by_path.emplace(cgroups[i].path, i);
  }
  const std::size_t none = cgroups.size();
  auto parent_of = [&](std::size_t i) {
    // Parents come first, so only what stands before can be one: no cycle, whatever is sent.
    if (auto it = by_id.find(cgroups[i].parent_id); it != by_id.end() && it->second < i) return it->second;
    // Cgroups that had nothing to run are left out: then the nearest ancestor that is there.
    for (auto path = parent_path(cgroups[i].path); !path.empty(); path = parent_path(path))
      if (auto it = by_path.find(path); it != by_path.end() && it->second < i) return it->second;
    return none;
  };
  std::vector<std::vector<std::size_t>> children(cgroups.size() + 1);
  for (std::size_t i = 0; i < cgroups.size(); ++i)
    children[parent_of(i)].push_back(i);
  auto name_then_order = [&](std::size_t i) { return std::pair(std::string_view(cgroups[i].path), i); };
  for (auto& siblings : children)
    std::ranges::sort(siblings, {}, name_then_order);
  return children;
}

double sort_key(const CgroupFigures& cgroup, Sort sort) {
  switch (sort) {
    case Sort::kShare:
      return cgroup.share.value_or(-1);
    case Sort::kLag:
      return cgroup.lag_ms.value_or(-1e300);
    case Sort::kWait:
      return cgroup.wait_p99_ms.value_or(-1);
    case Sort::kTree:
      break;
  }
  return 0;
}

}  // namespace

const char* sort_name(Sort sort) {
  switch (sort) {
    case Sort::kTree:
      return "tree";
    case Sort::kShare:
      return "share";
    case Sort::kLag:
      return "lag";
    case Sort::kWait:
      return "wait";
  }
  return "?";
}

void TopModel::update(Snapshot snapshot) {
  snapshot_ = std::move(snapshot);
  build_rows();
}

const CgroupFigures* TopModel::selected_cgroup() const {
  return rows_.empty() ? nullptr : rows_[selected_].cgroup;
}

void TopModel::build_rows() {
  rows_.clear();
  const auto& cgroups = snapshot_.cgroups;
  if (sort_ == Sort::kTree) {
    auto children = children_of(cgroups);
    for (std::size_t root : children.back())
      add_subtree(children, root, 0, "");
  } else {
    for (const CgroupFigures& cgroup : cgroups)
      rows_.push_back({.cgroup = &cgroup, .name = cgroup.path});
    // What is equal keeps the daemon's order, so that rows do not dance: the figures lie in an array.
    std::ranges::sort(rows_, [&](const Row& a, const Row& b) {
      return std::pair(-sort_key(*a.cgroup, sort_), a.cgroup) <
             std::pair(-sort_key(*b.cgroup, sort_), b.cgroup);
    });
  }
  reselect();
}

void TopModel::add_subtree(const std::vector<std::vector<std::size_t>>& children, std::size_t index,
                           std::size_t depth, const std::string& parent) {
  const CgroupFigures& cgroup = snapshot_.cgroups[index];
  Row row{.cgroup = &cgroup, .name = cgroup.path, .depth = depth};
  std::string prefix = parent.ends_with('/') ? parent : parent + "/";
  if (!parent.empty() && cgroup.path.size() > prefix.size() && cgroup.path.starts_with(prefix))
    row.name = cgroup.path.substr(prefix.size());
  row.has_children = !children[index].empty();
  row.collapsed = row.has_children && collapsed_.contains(cgroup.id);
  rows_.push_back(row);
  if (row.collapsed) return;
  for (std::size_t child : children[index])
    add_subtree(children, child, depth + 1, cgroup.path);
}

void TopModel::reselect() {
  if (rows_.empty()) {
    selected_ = 0;  // selected_id_ stays: the cgroup may come back
    return;
  }
  auto it = std::ranges::find(rows_, selected_id_, [](const Row& row) { return row.cgroup->id; });
  if (it != rows_.end())
    selected_ = static_cast<std::size_t>(it - rows_.begin());
  else
    select(std::min(selected_, rows_.size() - 1));
}

void TopModel::select(std::size_t row) {
  selected_ = row;
  selected_id_ = rows_[row].cgroup->id;
}

void TopModel::move(std::int64_t rows) {
  if (rows_.empty()) return;
  auto last = static_cast<std::int64_t>(rows_.size()) - 1;
  // Bounded first: callers say "to the end" with a very large number.
  rows = std::clamp(rows, -last, last);
  select(static_cast<std::size_t>(
      std::clamp(static_cast<std::int64_t>(selected_) + rows, std::int64_t{0}, last)));
}

void TopModel::toggle() {
  if (rows_.empty()) return;
  if (rows_[selected_].collapsed)
    expand();
  else if (rows_[selected_].has_children)
    collapse();
}

void TopModel::expand() {
  if (rows_.empty() || sort_ != Sort::kTree) return;
  collapsed_.erase(rows_[selected_].cgroup->id);
  build_rows();
}

void TopModel::collapse() {
  if (rows_.empty() || sort_ != Sort::kTree) return;
  const Row& row = rows_[selected_];
  if (row.has_children && !row.collapsed) {
    collapsed_.insert(row.cgroup->id);
    build_rows();
    return;
  }
  for (std::size_t i = selected_; i-- > 0;)
    if (rows_[i].depth < row.depth) return select(i);
}

void TopModel::cycle_sort() {
  sort_ = sort_ == Sort::kWait ? Sort::kTree : static_cast<Sort>(static_cast<int>(sort_) + 1);
  build_rows();
}

void TopModel::set_weight(std::uint64_t cgroup_id, std::uint32_t weight, bool set) {
  for (CgroupFigures& cgroup : snapshot_.cgroups) {
    if (cgroup.id != cgroup_id) continue;
    cgroup.weight = weight;
    cgroup.set = set;
  }
}

}  // namespace mus::ctl

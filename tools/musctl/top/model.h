// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "musctl/top/snapshot.h"

namespace mus::ctl {

/// How the cgroups are ordered: as a tree, or as a list with the largest first.
enum class Sort : std::uint8_t { kTree, kShare, kLag, kWait };
[[nodiscard]] const char* sort_name(Sort sort);

/// What is on the screen of `musctl top`, without a screen: which cgroups are shown, in which order, which one
/// is selected. The selection and what is collapsed stay with the cgroup while snapshots come and go.
class TopModel {
 public:
  struct Row {
    const CgroupFigures* cgroup = nullptr;  ///< valid until the next update()
    std::string name;                       ///< below the parent that is shown; in a list the whole path
    std::size_t depth = 0;
    bool has_children = false;
    bool collapsed = false;
  };

  void update(Snapshot snapshot);

  [[nodiscard]] const Snapshot& snapshot() const { return snapshot_; }
  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }
  [[nodiscard]] std::size_t selected() const { return selected_; }  ///< index into rows(); 0 if it is empty
  [[nodiscard]] const CgroupFigures* selected_cgroup() const;       ///< null if there is none
  [[nodiscard]] Sort sort() const { return sort_; }

  void move(std::int64_t rows);  ///< stops at the ends
  void toggle();                 ///< collapses or expands the selected cgroup
  void expand();
  void collapse();  ///< of a cgroup without children: goes to its parent, as file managers do
  void cycle_sort();

  /// What the daemon has just confirmed, until the next snapshot says it too.
  void set_weight(std::uint64_t cgroup_id, std::uint32_t weight, bool set);

 private:
  void build_rows();
  void add_subtree(const std::vector<std::vector<std::size_t>>& children, std::size_t index,
                   std::size_t depth, const std::string& parent_path);
  void reselect();
  void select(std::size_t row);

  Snapshot snapshot_;
  std::vector<Row> rows_;
  std::set<std::uint64_t> collapsed_;
  std::size_t selected_ = 0;
  std::uint64_t selected_id_ = 0;
  Sort sort_ = Sort::kTree;
};

}  // namespace mus::ctl

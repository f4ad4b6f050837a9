// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <mus/units.h>

namespace mus::fakes {

/// The ideal division of CPU time: what a fluid machine would give each task and cgroup.
///
/// Progressive filling of the tree from the root: all tasks grow at once, each at the rate that the weights on its way to
/// the root give it among what still grows. A task stops when it has all it can use (`demand`, one CPU), or when the CPUs
/// that it may use are full: then the set of CPUs S is full of the tasks that may run in S alone. A group stops with its
/// last task; its siblings share what it leaves, by weight. Where every task may use every CPU the result is max-min fair
/// by weight at each level: nobody can be given more without taking it from a sibling that has no more, by weight.
/// With pinned tasks, a task keeps its claim to its CPU though a fellow member of its group gets more elsewhere. (Strict
/// max-min fairness of groups would take it away, down to nothing. EEVDF, too, splits a group's weight among its CPUs.)
/// A division is possible if no set of CPUs is overfull (Hall's condition) and no task has more than one CPU.
/// Shape:   at most 8 CPUs: all sets of CPUs are looked at.
/// Units:   shares are CPUs' worth of time: 0.5 is half of one CPU.
/// Source:  generalised processor sharing, Parekh and Gallager 1993; max-min fairness, Bertsekas and Gallager 1992, 6.5.
class FairnessOracle {
 public:
  static constexpr unsigned kMaxCpus = 8;
  static constexpr std::size_t kRoot = 0;

  struct Shares {
    std::vector<double> groups, tasks;  ///< by what add_group() and add_task() returned; the root is groups[0]
  };

  [[nodiscard]] std::size_t add_group(std::size_t parent, double weight);
  /// `demand`: the fraction of time for which it can run if nobody is in its way, work / (work + sleep).
  [[nodiscard]] std::size_t add_task(std::size_t group, double weight = Weight::kDefault, double demand = 1,
                                     std::uint64_t allowed = ~0ull);
  void set_demand(std::size_t task, double demand) { tasks_.at(task).demand = demand; }
  void set_weight(std::size_t group, double weight) { groups_.at(group).weight = weight; }

  /// `capacity`: what one CPU has to give; less than 1 if something else had the rest.
  [[nodiscard]] Shares solve(unsigned cpus, double capacity = 1) const;

  [[nodiscard]] std::size_t group_count() const { return groups_.size(); }
  [[nodiscard]] std::size_t task_count() const { return tasks_.size(); }
  [[nodiscard]] std::size_t parent(std::size_t group) const { return groups_.at(group).parent; }
  [[nodiscard]] std::size_t group_of(std::size_t task) const { return tasks_.at(task).group; }
  [[nodiscard]] unsigned depth(std::size_t group) const;  ///< the root's is 0

 private:
  struct Group {
    std::size_t parent = 0;
    double weight = 0;
  };
  struct Task {
    std::size_t group = 0;
    double weight = 0, demand = 1;
    std::uint64_t allowed = ~0ull;
  };
  [[nodiscard]] std::vector<double> growth(const std::vector<bool>& grows) const;

  std::vector<Group> groups_{Group{}};  // a parent always stands before its children
  std::vector<Task> tasks_;
};

}  // namespace mus::fakes

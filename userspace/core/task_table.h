// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/unordered_set.hpp>
#include <cstddef>
#include <vector>

#include <mus/task.h>

namespace mus {

/// Every task that the kernel half has told of, by pid.
/// Shape:   at most `capacity` tasks; all memory is taken, and touched, by the constructor.
/// Owner:   the table; a Task* is valid until erase().
/// Threads: scheduler thread only.
/// Cost:    O(1), no allocation after construction.
class TaskTable {
 public:
  explicit TaskTable(std::size_t capacity);
  ~TaskTable();
  TaskTable(const TaskTable&) = delete;
  TaskTable& operator=(const TaskTable&) = delete;

  [[nodiscard]] Task* find(Pid pid);
  /// The task with that pid, made if need be. Null: the table is full; the kernel half's fallback runs the task.
  [[nodiscard]] Task* find_or_create(Pid pid);
  void erase(Task& task);

  [[nodiscard]] std::size_t size() const { return set_.size(); }
  [[nodiscard]] std::size_t capacity() const { return tasks_.size(); }

  /// The task in a slot below capacity(); null: it is free.
  [[nodiscard]] Task* at(std::size_t slot) {
    Task& task = tasks_[slot];
    return task.boost::intrusive::unordered_set_base_hook<>::is_linked() ? &task : nullptr;
  }

  template <typename F>
  void for_each(F&& f) {
    for (Task& task : known_) f(task);
  }

 private:
  struct KeyOf {
    using type = Pid;
    Pid operator()(const Task& task) const { return task.pid; }
  };
  // Pids are given out in turn: no hash spreads them as well as their last bits do, and a second one in a bucket is a task more to look at.
  struct Hash {
    std::size_t operator()(Pid pid) const { return static_cast<std::size_t>(raw(pid)); }
  };
  using Set = boost::intrusive::unordered_set<Task, boost::intrusive::key_of_value<KeyOf>, boost::intrusive::hash<Hash>,
                                              boost::intrusive::power_2_buckets<true>>;

  std::vector<Task> tasks_;
  std::vector<Set::bucket_type> buckets_;
  Set set_;
  boost::intrusive::list<Task, boost::intrusive::constant_time_size<false>> free_, known_;  ///< each is in one of them
};

}  // namespace mus

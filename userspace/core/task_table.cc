// SPDX-License-Identifier: GPL-2.0-only
#include "core/task_table.h"

#include <bit>
#include <memory>

namespace mus {

TaskTable::TaskTable(std::size_t capacity)
    : tasks_(capacity), buckets_(std::bit_ceil(capacity + 1)), set_({buckets_.data(), buckets_.size()}) {
  for (Task& task : tasks_) free_.push_front(task);
}

TaskTable::~TaskTable() {
  set_.clear();
  known_.clear();
  free_.clear();
}

Task* TaskTable::find(Pid pid) {
  auto it = set_.find(pid);
  return it == set_.end() ? nullptr : &*it;
}

Task* TaskTable::find_or_create(Pid pid) {
  if (Task* task = find(pid)) return task;
  if (free_.empty()) return nullptr;
  Task* task = &free_.front();
  free_.pop_front();
  std::destroy_at(task);
  std::construct_at(task);
  task->pid = pid;
  set_.insert(*task);
  known_.push_back(*task);
  return task;
}

void TaskTable::erase(Task& task) {
  set_.erase(set_.iterator_to(task));
  task.policy.reset();
  known_.erase(known_.iterator_to(task));
  free_.push_front(task);
}

}  // namespace mus

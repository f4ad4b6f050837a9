// SPDX-License-Identifier: GPL-2.0-only
#include "policies/fifo.h"

namespace mus {

void FifoPolicy::task_runnable(Task& task, bool, Time) {
  if (task.policy.empty()) task.policy.emplace<Place>(task);
  queue_.push_back(task.policy.get<Place>());
}

void FifoPolicy::task_stopped(Task& task, Time) {
  if (!task.policy.empty()) task.policy.get<Place>().unlink();
}

bool FifoPolicy::decide(const Room&, Decision& decision, Time) {
  if (queue_.empty()) return false;
  Task& task = *queue_.front().task;
  queue_.pop_front();
  decision.task = &task;
  decision.slice = slice_;
  // A task that may not run everywhere goes to a CPU that it may use; idle CPUs take it from there if they can.
  if (task.affinity == Affinity::kOne) decision.cpu = task.allowed_cpu;
  if (task.affinity == Affinity::kSome) decision.cpu = task.last_cpu;
  return true;
}

}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <cstddef>
#include <span>

#include "control/cgroupfs.h"
#include "control/port.h"

namespace mus {

/// Reads from cgroupfs what no callback of this kernel tells: which cgroups are idle (cpu.idle: weight 1), and, without
/// EXT_GROUP_SCHED, cpu.weight itself, of cgroups in which something wants to run; and which of the others have gone.
/// Threads: the control thread.
/// Cost:    once a second: four files for each cgroup that wants to run, one or two system calls for each of 32 others.
class CgroupWatch {
 public:
  static constexpr auto kEvery = std::chrono::seconds(1);

  CgroupWatch(CgroupFs& fs, Port& port) : fs_(fs), port_(port) {}

  static constexpr std::size_t kIdleAtOnce = 32;

  /// Tells the scheduler thread of every weight that is another than it believes, and of every cgroup that has gone.
  void look(std::chrono::steady_clock::time_point now);

 private:
  [[nodiscard]] bool look_at_weight(const Snapshot::Group& group);
  void look_for_gone(std::span<const Snapshot::Group> groups);

  CgroupFs& fs_;
  Port& port_;
  std::chrono::steady_clock::time_point looked_{};
  std::size_t next_idle_ = 0;
};

}  // namespace mus

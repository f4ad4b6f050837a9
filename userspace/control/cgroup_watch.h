// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>

#include "control/cgroupfs.h"
#include "control/port.h"

namespace mus {

/// Reads from cgroupfs what no callback of this kernel tells: which cgroups are idle (cpu.idle: weight 1), and, without
/// EXT_GROUP_SCHED, cpu.weight itself. Only of cgroups in which something wants to run.
/// Threads: the control thread.
/// Cost:    four files for each such cgroup, once a second.
class CgroupWatch {
 public:
  static constexpr auto kEvery = std::chrono::seconds(1);

  CgroupWatch(CgroupFs& fs, Port& port) : fs_(fs), port_(port) {}

  /// Tells the scheduler thread of every weight that is another than it believes.
  void look(std::chrono::steady_clock::time_point now);

 private:
  CgroupFs& fs_;
  Port& port_;
  std::chrono::steady_clock::time_point looked_{};
};

}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <optional>

#include <mus/units.h>

namespace mus {

/// What the kernel half knows at this moment. Events tell the same; it is looked up where one was lost.
/// Threads: scheduler thread only.
/// Cost:    a system call each, no allocation.
class KernelFacts {
 public:
  struct CgroupFacts {
    CgroupId parent{};         ///< 0: it is the root
    std::uint32_t weight = 0;  ///< cpu.weight; 0: the kernel half does not know it
  };

  virtual ~KernelFacts() = default;

  /// Whether there is such a task of which userspace was told.
  [[nodiscard]] virtual bool has_task(Pid pid) = 0;
  /// None: there is no such cgroup, or no room for it there.
  [[nodiscard]] virtual std::optional<CgroupFacts> cgroup(CgroupId id) = 0;
};

}  // namespace mus

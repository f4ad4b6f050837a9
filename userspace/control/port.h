// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "control/statistics.h"
#include "messages.h"

namespace mus {

/// What the daemon itself costs, since it began.
struct DaemonUsage {
  double cpu_s = 0;
  std::uint64_t page_faults = 0;  ///< that had to wait for a disk: there should be none
  std::uint64_t rss_kib = 0;
};

/// Waits of the tasks directly in a cgroup, from runnable to running, since it is known. Bucket i counts those
/// below 2^i microseconds that no smaller bucket counts; the last one all that are longer too. Each only rises,
/// and wraps.
using WaitBuckets = std::array<std::uint32_t, 24>;

/// What the commands need of the scheduler: a fake in tests, LivePort in the daemon.
/// Threads: the control thread.
class Port {
 public:
  virtual ~Port() = default;
  /// Hands a command to the scheduler thread. False: too many are under way.
  [[nodiscard]] virtual bool post(const Command& command) = 0;
  /// The next reply; false: none.
  [[nodiscard]] virtual bool take(Reply& reply) = 0;
  /// The newest, valid until the next call; null: none yet.
  [[nodiscard]] virtual const Snapshot* snapshot() = 0;
  [[nodiscard]] virtual Totals totals() = 0;
  /// The kernel half has ended.
  [[nodiscard]] virtual bool ended() = 0;
  /// The kernel half outlives this daemon.
  [[nodiscard]] virtual bool pinned() = 0;
  /// None: it is not measured.
  [[nodiscard]] virtual std::optional<WaitBuckets> waits(CgroupId id) = 0;
  [[nodiscard]] virtual DaemonUsage usage() = 0;
};

}  // namespace mus

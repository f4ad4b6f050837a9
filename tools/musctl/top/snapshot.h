// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "musctl/fields.h"

namespace mus::ctl {

/// One cgroup of a snapshot. What the daemon did not say is absent.
struct CgroupFigures {
  std::uint64_t id = 0;
  std::uint64_t parent_id = 0;
  std::string path;
  std::uint32_t weight = 0;
  bool set = false;                ///< the weight was given through mus
  std::optional<double> promised;  ///< fractions of the machine, the cgroups below included
  std::optional<double> share;
  std::optional<double> lag_ms;
  std::uint64_t runnable = 0;
  double cpu_ms_per_s = 0;
  std::optional<double> wait_p50_ms, wait_p99_ms;
};

/// What `stats` and `subscribe` give.
struct Snapshot {
  std::string mode = "unknown", policy;
  double interval_s = 1;
  std::uint64_t cpus = 0, tasks = 0, held = 0, queued = 0, dropped = 0;
  double decisions_per_s = 0;
  std::optional<double> daemon_cpu_percent, userland_percent;
  std::vector<CgroupFigures> cgroups;
};

/// Takes what is there; a malformed field counts as absent.
[[nodiscard]] Snapshot read_snapshot(const Json& message);

}  // namespace mus::ctl

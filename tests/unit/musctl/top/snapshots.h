// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

#include "musctl/top/snapshot.h"

namespace mus::ctl {

/// A machine with two slices, as the daemon would tell it: parents before children, not by name.
inline Json example_stats() {
  auto cgroup = [](int id, int parent, const char* path, double share, double lag_ms, Json wait_p99_ms) {
    return Json{{"cgroup", path},  {"cgroup_id", id},        {"parent_id", parent},
                {"weight", 100},   {"source", "cpu.weight"}, {"promised", 0.5},
                {"share", share},  {"lag_ms", lag_ms},       {"runnable", 2},
                {"cpu_ms", 100.0}, {"wait_p50_ms", 0.1},     {"wait_p99_ms", wait_p99_ms}};
  };
  return {{"event", "stats"},
          {"interval_s", 2.0},
          {"mode", "userland"},
          {"policy", "vtime"},
          {"cpus", 2},
          {"rates", {{"decisions", 4100.0}}},
          {"daemon_cpu_percent", 0.9},
          {"userland_percent", 99.7},
          {"tasks", 93},
          {"held", 3},
          {"queued", 1},
          {"cgroups",
           {cgroup(1, 0, "/", 1, 0, nullptr), cgroup(3, 1, "/user", 0.3, 0, nullptr),
            cgroup(2, 1, "/system", 0.7, 0, nullptr), cgroup(21, 2, "/system/redis", 0.6, -4, 3.1),
            cgroup(22, 2, "/system/cron", 0.1, 9, 8.5), cgroup(31, 3, "/user/1000", 0.3, 2, 0.5)}}};
}

inline Snapshot example() {
  return read_snapshot(example_stats());
}

}  // namespace mus::ctl

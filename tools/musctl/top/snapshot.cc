// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/top/snapshot.h"

namespace mus::ctl {

Snapshot read_snapshot(const Json& message) {
  Snapshot snapshot;
  snapshot.mode = string(message, "mode", "unknown");
  snapshot.policy = string(message, "policy");
  snapshot.interval_s = number_or(message, "interval_s", 1);
  snapshot.cpus = count(message, "cpus");
  snapshot.tasks = count(message, "tasks");
  snapshot.held = count(message, "held");
  snapshot.queued = count(message, "queued");
  snapshot.dropped = count(message, "dropped");
  snapshot.decisions_per_s = number_or(inside(message, "rates"), "decisions", 0);
  snapshot.daemon_cpu_percent = number(message, "daemon_cpu_percent");
  snapshot.userland_percent = number(message, "userland_percent");
  double interval_s = snapshot.interval_s > 0 ? snapshot.interval_s : 1;
  for (const Json& entry : inside(message, "cgroups")) {
    if (!entry.is_object()) continue;
    CgroupFigures& cgroup = snapshot.cgroups.emplace_back();
    cgroup.id = count(entry, "cgroup_id");
    cgroup.parent_id = count(entry, "parent_id");
    cgroup.path = string(entry, "cgroup", "?");
    cgroup.weight = static_cast<std::uint32_t>(count(entry, "weight"));
    cgroup.set = string(entry, "source") == "mus";
    cgroup.promised = number(entry, "promised");
    cgroup.share = number(entry, "share");
    cgroup.lag_ms = number(entry, "lag_ms");
    cgroup.runnable = count(entry, "runnable");
    cgroup.cpu_ms_per_s = number_or(entry, "cpu_ms", 0) / interval_s;
    cgroup.wait_p50_ms = number(entry, "wait_p50_ms");
    cgroup.wait_p99_ms = number(entry, "wait_p99_ms");
  }
  return snapshot;
}

}  // namespace mus::ctl

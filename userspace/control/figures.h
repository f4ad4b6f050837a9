// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/port.h"

namespace mus {

/// Everything that is counted, read at one moment. The figures are differences between two.
struct Sample {
  struct Group : Snapshot::Group {
    std::optional<WaitBuckets> waits;
  };
  std::chrono::steady_clock::time_point at{};
  Totals totals;
  DaemonUsage usage;
  Time snapshot_at{};  ///< of what comes from the scheduler thread; zero: nothing has come
  std::string_view policy;
  std::uint64_t policy_faults = 0;
  std::uint64_t tasks = 0;
  std::uint64_t cgroups = 0;
  std::vector<Group> groups;  ///< parents before children
};

/// `before`: an earlier sample or null. The waits of groups that did nothing since then are not asked for again.
[[nodiscard]] Sample take_sample(Port& port, std::chrono::steady_clock::time_point now, const Sample* before);

/// What one cgroup did between two samples.
struct GroupFigures {
  const Sample::Group* group = nullptr;  ///< in the later sample
  std::uint32_t runnable = 0;            ///< it and all below
  double promised = 0;                   ///< of the machine, 0..1; negative: the policy does not say
  double share = 0;                      ///< of the machine, 0..1: it and all below
  double cpu_ms = 0;                     ///< it and all below
  std::optional<double> wait_p50_ms, wait_p99_ms;  ///< tasks directly in it; none: none ran, or not measured
};

/// What happened between two samples.
struct Figures {
  struct Rates {
    double decisions, decided, standing, resumed, idle, held, fallback, kernel, events, wakes, refused;
  };
  double interval_s = 0;
  Rates rates{};
  double daemon_cpu_percent = 0;     ///< of one CPU
  double userland_percent = 100;     ///< of the contended runs, how many userspace decided
  std::vector<GroupFigures> groups;  ///< those that ran, wanted to or have a weight set through mus, and those above; parents first
};

/// `after` must outlive the result.
[[nodiscard]] Figures figures_between(const Sample& before, const Sample& after, std::uint32_t cpus);

/// The wait that the fraction `q` of all was no longer than, in milliseconds; none: the buckets are empty.
[[nodiscard]] std::optional<double> wait_quantile_ms(const WaitBuckets& before, const WaitBuckets& after,
                                                     double q);

}  // namespace mus

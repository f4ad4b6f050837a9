// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include <mus/abi.h>

#include "messages.h"

namespace mus {

/// The kernel half's counters, added up over all CPUs, and its queues now.
struct Totals {
  mus_counters counters{};
  std::uint64_t held = 0;    ///< tasks that wait for a decision
  std::uint64_t queued = 0;  ///< tasks that are decided and wait for a CPU
  std::uint64_t local = 0;   ///< tasks that the kernel runs next
  std::uint64_t kernel = 0;  ///< kernel threads that wait for their turn
  std::uint64_t running = 0;
  /// Tasks seen, less those that are gone, asleep, or counted above. 0, or tasks are lost: of some readings the one that is
  /// nearest to 0, since tasks move while they are counted.
  std::int64_t unaccounted = 0;
  std::uint64_t adopted = 0;  ///< times that a daemon took over
  Duration gap{};             ///< for how long nobody decided when one did last; 0: it has had one daemon only
  Duration stall_total{}, stall_longest{};  ///< that are over; the kernel half went on alone
  Duration orphan{};          ///< without a daemon it ends itself after this long; 0: never
  bool stalled = false;      ///< userspace has been asked and has not looked for the stall bound
};

/// Reads the shared page; each word by itself, so that sums may be a few events apart.
/// Threads: any.
[[nodiscard]] Totals read_totals(const mus_shared& shared);

/// Runs that found no idle CPU, whoever decided them.
[[nodiscard]] std::uint64_t contended_runs(const mus_counters& counters);

/// Counters by name, as --stats-json and `status` give them.
[[nodiscard]] nlohmann::ordered_json runs_json(const mus_counters& counters);
[[nodiscard]] nlohmann::ordered_json refused_json(const mus_counters& counters);

/// What is still counted although nothing is scheduled any more: "" unless the kernel half has lost count.
[[nodiscard]] std::string counts_left(const mus_shared& shared);

/// The head of --stats, and one line of it: rates a second between two readings.
[[nodiscard]] std::string stats_head();
[[nodiscard]] std::string stats_line(const Totals& before, const Totals& after, double seconds, const Snapshot& snapshot);

/// Everything that was counted, for --stats-json.
[[nodiscard]] nlohmann::json stats_json(const Totals& totals, const Snapshot& snapshot, const std::string& policy);

}  // namespace mus

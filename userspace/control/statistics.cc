// SPDX-License-Identifier: GPL-2.0-only
#include "control/statistics.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <type_traits>

#include <nlohmann/json.hpp>

namespace mus {
namespace {

constexpr std::array<const char*, MUS_ROUTES> kRoutes{"none", "decided", "standing", "resumed", "idle",
                                                      "held", "fallback", "kernel",  "daemon",   "in_turn"};
constexpr std::array<const char*, MUS_REFUSALS> kRefusals{"none",      "unknown_pid", "stale",   "bad_cpu",
                                                          "bad_slice", "bad_field",   "not_yet", "bad_record"};

constexpr int kReadings = 32;  // until no task moved between two of its counters meanwhile

template <typename T>
T read(const T& word) {
  return std::atomic_ref<T>(const_cast<T&>(word)).load(std::memory_order_relaxed);
}

static_assert(sizeof(mus_counters) % sizeof(std::uint64_t) == 0, "added up as an array of words");

Totals read_once(const mus_shared& shared) {
  Totals totals;
  auto* sum = reinterpret_cast<std::uint64_t*>(&totals.counters);
  for (std::uint32_t cpu = 0; cpu < std::min(shared.cpu_count, MUS_MAX_CPUS); ++cpu) {
    auto* words = reinterpret_cast<const std::uint64_t*>(&shared.cpus[cpu].counters);
    for (std::size_t i = 0; i < sizeof(mus_counters) / sizeof(*sum); ++i) sum[i] += read(words[i]);
    const mus_cpu& slot = shared.cpus[cpu];
    totals.queued += read(slot.queued_count) + read(slot.resumed_count);
    totals.local += read(slot.local_count);
    totals.running += read(slot.running_count);
  }
  for (std::uint32_t i = 0; i < std::min(shared.shard_count, MUS_MAX_SHARDS); ++i) {
    totals.held += read(shared.shards[i].held_count);
    totals.queued += read(shared.shards[i].queued_count) + read(shared.shards[i].in_turn_count);
    totals.kernel += read(shared.shards[i].kernel_count);
  }
  // A CPU that finds userspace stalled notes the question that has not been answered (count_stall in dispatch.bpf.h); as
  // long as that one stands, the kernel half decides. Our own clock cannot be compared with asked_ns.
  std::uint64_t asked = read(shared.asked_ns);
  totals.stalled = asked && read(shared.stalled_ns) == asked;
  totals.adopted = read(shared.daemon.adopted);
  totals.gap = Duration{static_cast<Duration::rep>(read(shared.daemon.gap_ns))};
  totals.stall_total = Duration{static_cast<Duration::rep>(read(shared.daemon.stall_total_ns))};
  totals.stall_longest = Duration{static_cast<Duration::rep>(read(shared.daemon.stall_longest_ns))};
  totals.orphan = Duration{static_cast<Duration::rep>(read(shared.orphan_ns))};
  const mus_counters& c = totals.counters;
  std::uint64_t there = totals.held + totals.queued + totals.local + totals.kernel + totals.running + c.asleep;
  totals.unaccounted = static_cast<std::int64_t>(c.seen - c.exited - there);
  return totals;
}

}  // namespace

Totals read_totals(const mus_shared& shared) {
  Totals best = read_once(shared);
  for (int i = 1; best.unaccounted && i < kReadings; ++i)
    if (Totals again = read_once(shared); std::abs(again.unaccounted) < std::abs(best.unaccounted)) best = again;
  return best;
}

std::uint64_t contended_runs(const mus_counters& counters) {
  std::uint64_t runs = 0;
  for (mus_route route : {MUS_ROUTE_DECIDED, MUS_ROUTE_STANDING, MUS_ROUTE_IN_TURN, MUS_ROUTE_RESUMED, MUS_ROUTE_HELD,
                          MUS_ROUTE_FALLBACK})
    runs += counters.runs[route];
  return runs;
}

nlohmann::ordered_json runs_json(const mus_counters& counters) {
  nlohmann::ordered_json runs;
  for (std::size_t i = 1; i < MUS_ROUTES; ++i) runs[kRoutes[i]] = counters.runs[i];
  return runs;
}

nlohmann::ordered_json refused_json(const mus_counters& counters) {
  nlohmann::ordered_json refused;
  for (std::size_t i = 1; i < MUS_REFUSALS; ++i) refused[kRefusals[i]] = counters.refused[i];
  return refused;
}

std::string counts_left(const mus_shared& shared) {
  std::string left;
  auto note = [&](const char* what, std::uint32_t index, auto count) {
    if (auto n = static_cast<std::make_signed_t<decltype(count)>>(count))
      left += (left.empty() ? "" : ", ") + std::to_string(n) + " " + what + " " + std::to_string(index);
  };
  for (std::uint32_t i = 0; i < std::min(shared.cpu_count, MUS_MAX_CPUS); ++i) {
    const mus_cpu& slot = shared.cpus[i];
    note("queued on CPU", i, read(slot.queued_count));
    note("resumed on CPU", i, read(slot.resumed_count));
    note("local on CPU", i, read(slot.local_count));
    note("running on CPU", i, read(slot.running_count));
  }
  for (std::uint32_t i = 0; i < std::min(shared.shard_count, MUS_MAX_SHARDS); ++i) {
    note("held in shard", i, read(shared.shards[i].held_count));
    note("queued in shard", i, read(shared.shards[i].queued_count));
    note("in turn in shard", i, read(shared.shards[i].in_turn_count));
    note("kernel threads in shard", i, read(shared.shards[i].kernel_count));
  }
  return left;
}

std::string stats_head() {
  return "  decided standing  resumed     idle     held fallback   kernel |   events   wakes refused    lost | waiting  queued   tasks";
}

std::string stats_line(const Totals& before, const Totals& after, double seconds, const Snapshot& snapshot) {
  auto rate = [&](std::uint64_t a, std::uint64_t b) { return static_cast<double>(b - a) / seconds; };
  auto run = [&](mus_route r) { return rate(before.counters.runs[r], after.counters.runs[r]); };
  std::uint64_t refused_before = 0, refused = 0;
  for (std::size_t i = 1; i < MUS_REFUSALS; ++i) {
    refused_before += before.counters.refused[i];
    refused += after.counters.refused[i];
  }
  std::array<char, 256> line;
  std::snprintf(line.data(), line.size(), "%9.0f %8.0f %8.0f %8.0f %8.0f %8.0f %8.0f | %8.0f %7.0f %7.0f %7llu | %7llu %7llu %7llu",
                run(MUS_ROUTE_DECIDED), run(MUS_ROUTE_STANDING) + run(MUS_ROUTE_IN_TURN), run(MUS_ROUTE_RESUMED), run(MUS_ROUTE_IDLE),
                run(MUS_ROUTE_HELD), run(MUS_ROUTE_FALLBACK), run(MUS_ROUTE_KERNEL),
                rate(before.counters.events, after.counters.events), rate(before.counters.wakes, after.counters.wakes),
                rate(refused_before, refused), static_cast<unsigned long long>(after.counters.events_lost),
                static_cast<unsigned long long>(after.held), static_cast<unsigned long long>(after.queued),
                static_cast<unsigned long long>(snapshot.tasks));
  return line.data();
}

nlohmann::json stats_json(const Totals& totals, const Snapshot& snapshot, const std::string& policy) {
  const mus_counters& c = totals.counters;
  return {
      {"policy", policy},
      {"decisions", c.decisions},
      {"runs", runs_json(c)},
      {"kept", c.kept},
      {"events", c.events},
      {"events_lost", c.events_lost},
      {"refused", refused_json(c)},
      {"standing_set", c.standing_set},
      {"standing_spent", c.standing_spent},
      {"wakes", c.wakes},
      {"preemptions", c.preemptions},
      {"stalls", c.stalls},
      {"rescued", c.rescued},
      {"drains", c.drains},
      {"passes", snapshot.passes},
      {"held", totals.held},
      {"queued", totals.queued},
      {"local", totals.local},
      {"kernel", totals.kernel},
      {"running", totals.running},
      {"tasks", snapshot.tasks},
      {"cgroups", snapshot.cgroups},
      {"driver",
       {{"events", snapshot.driver.events},
        {"bad_events", snapshot.driver.bad_events},
        {"decisions", snapshot.driver.decisions},
        {"refused", snapshot.driver.refused},
        {"shed", snapshot.driver.shed},
        {"bad_decisions", snapshot.driver.bad_decisions}}},
  };
}

}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <vector>

#include "core/policy_driver.h"
#include "fakes/events.h"
#include "loop/allocations.h"
#include "machine.h"
#include "rings/decision_writer.h"
#include "rings/event_reader.h"

namespace mus::bench {

/// How many tasks, in how many cgroups of a flat tree.
struct Load {
  std::uint32_t tasks, groups;
};

/// The parts of a pass that are measured.
enum class Part { kDrain, kDecide, kBoth };

/// Weights of 50, 100, 100 and 200 in turn.
inline std::uint32_t group_weight(std::uint32_t group) {
  constexpr std::uint32_t kWeights[] = {50, 100, 100, 200};
  return kWeights[group % 4];
}

inline std::vector<CpuView> idle_cpus() { return std::vector<CpuView>(MUS_BENCH_CPUS, CpuView{.online = true}); }

/// Cgroups and tasks, all of them runnable.
inline void announce(PolicyDriver& driver, const Load& load, std::uint64_t now_ns) {
  driver.on_event(fakes::cgroup_event(MUS_EVENT_CGROUP_NEW, 1));
  for (std::uint32_t i = 0; i < load.groups; ++i)
    driver.on_event(fakes::cgroup_event(MUS_EVENT_CGROUP_NEW, 2 + i, 1, group_weight(i)));
  for (std::uint32_t i = 0; i < load.tasks; ++i) {
    mus_event event;
    mus_bench_runnable(&event, static_cast<std::int32_t>(1 + i), 1, load.groups, now_ns);
    driver.on_event(event);
  }
}

/// The rings, the driver and a policy, put together as the daemon does; and a pass of the scheduler thread, without waits.
class Pump {
 public:
  Pump(Policy& policy, const PolicyConfig& config, const Load& load, int events_fd, int decisions_fd)
      : driver_(policy, config, {}, {.tasks = load.tasks}), cpus_(idle_cpus()) {
    auto events = EventReader::open(events_fd, driver_);
    auto decisions = DecisionWriter::open(decisions_fd);
    if (!events || !decisions) std::abort();
    events_ = std::move(*events);
    decisions_ = std::move(*decisions);
  }
  std::size_t drain() { return events_->drain(); }
  std::size_t decide() {
    return driver_.decide({.shared = 0, .cpus = cpus_}, [this](const mus_decision& d) { return decisions_->write(d); });
  }
  [[nodiscard]] PolicyDriver& driver() { return driver_; }

 private:
  PolicyDriver driver_;
  std::vector<CpuView> cpus_;
  std::unique_ptr<EventReader> events_;
  std::unique_ptr<DecisionWriter> decisions_;
};

/// Of this process, in MiB.
inline double resident_mib() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return static_cast<double>(resident) * 4096 / (1 << 20);
}

/// Passes of the pump, `kernel.turn()` between them. Measured: `part` of each pass, the reading of the clock included; the kernel
/// is not. Each task has been decided on twice, on average, before.
template <typename P, typename Kernel>
void measure_pump(benchmark::State& state, Kernel& kernel, const Load& load, Part part) {
  using Clock = std::chrono::steady_clock;
  ::malloc_trim(0);  // what benchmarks before this one have freed is none of its memory
  PolicyConfig config{.online = MUS_BENCH_CPUS, .tasks = load.tasks};
  P policy(config);
  Pump pump(policy, config, load, kernel.events_fd(), kernel.decisions_fd());
  announce(pump.driver(), load, kernel.now_ns());
  const DriverCounters& counters = pump.driver().counters();
  while (counters.decisions < 2 * load.tasks) {
    pump.drain();
    pump.decide();
    kernel.turn();
  }

  std::uint64_t decided = counters.decisions;
  std::uint64_t allocated = 0;
  allocations::count_here();
  for (auto _ : state) {
    std::uint64_t before = allocations::count();
    auto begun = Clock::now();
    pump.drain();
    auto drained = part == Part::kBoth ? begun : Clock::now();
    pump.decide();
    auto done = Clock::now();
    allocated += allocations::count() - before;
    auto took = part == Part::kDrain ? drained - begun : part == Part::kDecide ? done - drained : done - begun;
    state.SetIterationTime(std::chrono::duration<double>(took).count());
    kernel.turn();
  }
  decided = counters.decisions - decided;
  state.SetItemsProcessed(static_cast<std::int64_t>(decided));
  auto n = static_cast<double>(decided);
  state.counters["each"] = benchmark::Counter(n, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["a_pass"] = benchmark::Counter(n, benchmark::Counter::kAvgIterations);
  state.counters["rss_MiB"] = resident_mib();
  if (allocations::counted()) state.counters["allocations"] = static_cast<double>(allocated);
  if (counters.bad_events + counters.bad_decisions + counters.thrown + counters.shed + counters.refused)
    state.SkipWithError("an event or a decision made no sense");
  if (allocated) state.SkipWithError("the scheduler thread took something from the heap");
}

}  // namespace mus::bench

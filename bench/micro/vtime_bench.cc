// SPDX-License-Identifier: GPL-2.0-only
// The trees of vtime alone: no rings, no driver in what is measured.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>

#include "policies/vtime.h"
#include "pump.h"

namespace mus::bench {
namespace {

constexpr std::size_t kMostAtOnce = 64;

enum class Half { kPick, kInsert };

/// Some tasks are picked, and come back when each has run for its slice. Measured: one of the two.
template <Half kHalf>
void vtime(benchmark::State& state) {
  using Clock = std::chrono::steady_clock;
  Load load{.tasks = static_cast<std::uint32_t>(state.range(0)), .groups = static_cast<std::uint32_t>(state.range(1))};
  PolicyConfig config{.online = MUS_BENCH_CPUS, .tasks = load.tasks};
  VtimePolicy policy(config);
  PolicyDriver driver(policy, config, {}, {.tasks = load.tasks});
  std::uint64_t now_ns = 1'000'000'000;
  announce(driver, load, now_ns);

  std::vector<CpuView> cpus = idle_cpus();
  Room room{.cpus = cpus, .online = MUS_BENCH_CPUS};
  std::vector<Decision> picked(std::min<std::size_t>(kMostAtOnce, load.tasks / 2));
  auto turn = [&] {
    Time now = time_from_ns(now_ns);
    auto begun = Clock::now();
    for (Decision& decision : picked)
      if (!policy.decide(room, decision, now)) std::abort();
    auto half = Clock::now();
    for (const Decision& decision : picked) now_ns += to_ns(decision.slice) / MUS_BENCH_CPUS;
    now = time_from_ns(now_ns);
    auto again = Clock::now();
    for (const Decision& decision : picked) {
      policy.task_ran(*decision.task, decision.slice + 1us, now);
      policy.task_runnable(*decision.task, false, now);
    }
    return kHalf == Half::kPick ? half - begun : Clock::now() - again;
  };
  for (std::size_t turned = 0; turned < 2 * load.tasks; turned += picked.size()) turn();
  for (auto _ : state) state.SetIterationTime(std::chrono::duration<double>(turn()).count());
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(picked.size()));
  auto n = static_cast<double>(state.iterations()) * static_cast<double>(picked.size());
  state.counters["each"] = benchmark::Counter(n, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"tasks", "groups"})->UseManualTime();
  for (int tasks : {10, 1000, 100'000})
    for (int groups : {1, 32, 1000}) benchmark->Args({tasks, groups});
}

BENCHMARK(vtime<Half::kPick>)->Name("vtime/pick")->Apply(sizes);
BENCHMARK(vtime<Half::kInsert>)->Name("vtime/insert")->Apply(sizes);

}  // namespace
}  // namespace mus::bench

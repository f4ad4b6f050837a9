// SPDX-License-Identifier: GPL-2.0-only
// The scheduler thread from ring to ring, against a kernel in memory; and what of that is not the policy: fifo decides in no time.
#include "memory_kernel.h"
#include "policies/fifo.h"
#include "policies/vtime.h"
#include "pump.h"

namespace mus::bench {
namespace {

template <typename P, Part kPart, bool kNaps>
void pump(benchmark::State& state) {
  Load load{.tasks = static_cast<std::uint32_t>(state.range(0)), .groups = static_cast<std::uint32_t>(state.range(1))};
  MemoryKernel kernel(load.groups, kNaps);
  measure_pump<P>(state, kernel, load, kPart);
}

void loads(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"tasks", "groups"})->UseManualTime();
  for (int tasks : {1000, 10'000, 100'000}) benchmark->Args({tasks, 32});
}

// Tasks that use their slices, an event a decision.
BENCHMARK(pump<VtimePolicy, Part::kBoth, false>)->Name("pump/spin")->Apply(loads);
// Tasks that sleep after a short while, two events a decision.
BENCHMARK(pump<VtimePolicy, Part::kBoth, true>)->Name("pump/nap")->Apply(loads);
BENCHMARK(pump<FifoPolicy, Part::kDrain, false>)->Name("event_decode/fifo")->Apply(loads);
BENCHMARK(pump<FifoPolicy, Part::kDecide, false>)->Name("decision_encode/fifo")->Apply(loads);

}  // namespace
}  // namespace mus::bench

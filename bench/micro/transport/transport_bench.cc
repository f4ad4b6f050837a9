// SPDX-License-Identifier: GPL-2.0-only
// The rings of the kernel that runs here, with BPF programs at their far ends; and the pump on top of them.
#include <benchmark/benchmark.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "kernel/libbpf_log.h"
#include "policies/vtime.h"
#include "pump.h"

extern "C" {
[[gnu::visibility("hidden")]] extern const unsigned char mus_bench_bpf_object_start[];
[[gnu::visibility("hidden")]] extern const unsigned char mus_bench_bpf_object_end[];
}

namespace mus::bench {
namespace {

constexpr int kSkipped = 77;  // as ctest is told

/// The maps and programs of rings.bpf.c, loaded.
class Rings {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Rings>> load() {
    std::unique_ptr<Rings> rings(new Rings);
    auto bytes = static_cast<std::size_t>(mus_bench_bpf_object_end - mus_bench_bpf_object_start);
    rings->object_.reset(bpf_object__open_mem(mus_bench_bpf_object_start, bytes, nullptr));
    if (!rings->object_) return fail("the embedded BPF object cannot be read: " + libbpf_log::last_lines());
    if (int error = bpf_object__load(rings->object_.get()))
      return fail(error == -EPERM ? "bpf(2) is not permitted here; run it as root, in no container that forbids it"
                                  : "this kernel refused the BPF programs: " + libbpf_log::last_lines());
    return rings;
  }
  [[nodiscard]] int map(const char* name) const { return bpf_object__find_map_fd_by_name(object_.get(), name); }
  [[nodiscard]] int program(const char* name) const {
    return bpf_program__fd(bpf_object__find_program_by_name(object_.get(), name));
  }
  static void run(int program, mus_bench_call& call) {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.ctx_in = &call;
    options.ctx_size_in = sizeof(call);
    if (bpf_prog_test_run_opts(program, &options)) std::abort();
  }

 private:
  struct Close {
    void operator()(bpf_object* o) const { bpf_object__close(o); }
  };
  Rings() = default;
  std::unique_ptr<bpf_object, Close> object_;
};

/// As MemoryKernel, on the other side of the kernel's rings.
class BpfKernel {
 public:
  explicit BpfKernel(std::uint32_t groups)
      : rings_(std::move(*Rings::load())), turn_(rings_->program("bench_turn")), call_{.now_ns = 1'000'000'000, .groups = groups} {}
  [[nodiscard]] int events_fd() const { return rings_->map("events"); }
  [[nodiscard]] int decisions_fd() const { return rings_->map("decisions"); }
  [[nodiscard]] std::uint64_t now_ns() const { return call_.now_ns; }
  void turn() { Rings::run(turn_, call_); }

 private:
  std::unique_ptr<Rings> rings_;
  int turn_;
  mus_bench_call call_;
};

void pump(benchmark::State& state) {
  Load load{.tasks = static_cast<std::uint32_t>(state.range(0)), .groups = static_cast<std::uint32_t>(state.range(1))};
  BpfKernel kernel(load.groups);
  measure_pump<VtimePolicy>(state, kernel, load, Part::kBoth);
}

/// What `near` and `far` cost with MUS_BENCH_RECORDS records; one is measured, in turns with the other.
template <typename Near, typename Far>
void measure(benchmark::State& state, bool near_counts, Near&& near, Far&& far) {
  using Clock = std::chrono::steady_clock;
  for (auto _ : state) {
    auto begun = Clock::now();
    near();
    auto half = Clock::now();
    far();
    auto took = near_counts ? half - begun : Clock::now() - half;
    state.SetIterationTime(std::chrono::duration<double>(took).count());
  }
  auto n = static_cast<double>(state.iterations()) * MUS_BENCH_RECORDS;
  state.SetItemsProcessed(static_cast<std::int64_t>(n));
  state.counters["each"] = benchmark::Counter(n, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

struct FreeRing {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

template <bool kPost>
void events(benchmark::State& state) {
  auto rings = std::move(*Rings::load());
  std::uint64_t seen = 0;
  auto count = [](void* sum, void* record, std::size_t) {
    *static_cast<std::uint64_t*>(sum) += static_cast<mus_event*>(record)->generation;
    return 0;
  };
  std::unique_ptr<ring_buffer, FreeRing> reader(ring_buffer__new(rings->map("events"), count, &seen, nullptr));
  int post = rings->program("bench_post");
  std::uint64_t posted = 0;
  measure(
      state, kPost,
      [&] {
        mus_bench_call call{.groups = 32};
        Rings::run(post, call);
        posted += call.count;
      },
      [&] { ring_buffer__consume(reader.get()); });
  if (!seen || seen != posted) state.SkipWithError("an event was lost");
}

template <bool kWrite>
void decisions(benchmark::State& state) {
  auto rings = std::move(*Rings::load());
  auto writer = std::move(*DecisionWriter::open(rings->map("decisions")));
  int take = rings->program("bench_take");
  mus_decision decision{.pid = 1, .flags = MUS_DECIDE_MOVE};
  std::uint64_t written = 0, seen = 0;
  measure(
      state, kWrite,
      [&] {
        for (std::uint32_t i = 0; i < MUS_BENCH_RECORDS; ++i) written += writer->write(decision);
      },
      [&] {
        mus_bench_call call{};
        Rings::run(take, call);
        seen += call.count;
      });
  if (!seen || seen != written) state.SkipWithError("a decision was lost");
}

// What a commit costs before it has done anything.
void call_in(benchmark::State& state) {
  auto rings = std::move(*Rings::load());
  int nothing = rings->program("bench_nothing");
  mus_bench_call call{};
  for (auto _ : state) Rings::run(nothing, call);
}

BENCHMARK(events<true>)->Name("transport/event_post")->UseManualTime();
BENCHMARK(events<false>)->Name("transport/event_read")->UseManualTime();
BENCHMARK(decisions<true>)->Name("transport/decision_write")->UseManualTime();
BENCHMARK(decisions<false>)->Name("transport/decision_take")->UseManualTime();
BENCHMARK(call_in)->Name("transport/call");
BENCHMARK(pump)->Name("transport/pump/spin")->ArgNames({"tasks", "groups"})->Args({1000, 32})->Args({100'000, 32})->UseManualTime();

}  // namespace
}  // namespace mus::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  mus::libbpf_log::install(false);
  if (auto rings = mus::bench::Rings::load(); !rings) {
    std::fprintf(stderr, "mus_transport_bench: skipped: %s\n", rings.error().message().c_str());
    return mus::bench::kSkipped;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

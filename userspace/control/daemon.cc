// SPDX-License-Identifier: GPL-2.0-only
#include "control/daemon.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <poll.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <span>

#include <nlohmann/json.hpp>

#include "control/statistics.h"
#include "exit_code.h"
#include "kernel/exit_report.h"
#include "kernel/fd.h"
#include "kernel/kernel_half.h"
#include "kernel/libbpf_log.h"
#include "loop.h"
#include "policies/registry.h"

namespace mus {
namespace {

using WallClock = std::chrono::steady_clock;

constexpr std::size_t kThreadStackBytes = 256 << 10;  // locked in memory, so no larger than needed
constexpr auto kWeightsEvery = 500ms;                 // the fallback order follows the policy's shares

int report(const Error& error) {
  std::fprintf(stderr, "mus-userland: %s\n", error.message().c_str());
  return error.exit_code;
}

/// The daemon must never wait for a page: the task that would bring it in may be waiting for the daemon.
Result<void> lock_memory() {
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  ::setrlimit(RLIMIT_MEMLOCK, &unlimited);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kThreadStackBytes);
  ::pthread_setattr_default_np(&attributes);
  ::pthread_attr_destroy(&attributes);
  if (::mlockall(MCL_CURRENT | MCL_FUTURE))
    return fail("the daemon's memory cannot be locked (mlockall)", "raise ulimit -l, or the container's memory limit");
  return {};
}

/// SIGINT and SIGTERM arrive here, and nowhere else: blocked before any thread begins.
Fd block_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return Fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

/// What the control thread does while the scheduler runs.
class Control {
 public:
  Control(const Options& options, KernelHalf& kernel, Loop& loop, const KernelBtf& btf)
      : options_(options), kernel_(kernel), loop_(loop), btf_(btf) {}

  /// Returns when a signal has come or the kernel has ended the scheduler.
  void run(const Fd& signals) {
    auto every = std::chrono::duration_cast<WallClock::duration>(std::chrono::duration<double>(options_.stats_sec));
    auto next = WallClock::now() + every;
    bool printing = options_.stats_sec > 0;
    before_ = read_totals(kernel_.shared());
    before_at_ = WallClock::now();
    while (!read_exit(kernel_, btf_).ended) {
      auto wait = std::chrono::milliseconds(kWeightsEvery);
      if (printing)
        wait = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(next - WallClock::now()),
                          std::chrono::milliseconds(0), wait);
      pollfd poll{.fd = signals.get(), .events = POLLIN, .revents = 0};
      if (::poll(&poll, 1, static_cast<int>(wait.count())) > 0) return;
      take_snapshots();
      if (printing && WallClock::now() >= next) {
        print_line();
        next += every;
      }
    }
  }

  void take_snapshots() {
    for (Reply reply; loop_.take(reply);) {}
    const Snapshot* newest = loop_.snapshot();
    if (!newest || newest == snapshot_) return;
    snapshot_ = newest;
    // 100 is what an ordinary cgroup has: scaled so that the average of those that run is 100.
    std::span groups(snapshot_->groups.data(), snapshot_->group_count);
    double scale = 100.0 * static_cast<double>(std::ranges::count_if(groups, [](const auto& g) { return g.promised_own != 0; }));
    for (const Snapshot::Group& group : groups) {
      if (group.promised_own == 0) continue;
      auto weight = group.promised_own < 0 ? 0u : std::max(1u, static_cast<std::uint32_t>(group.promised_own * scale));
      kernel_.set_effective_weight(group.id, weight);
    }
  }

  void write_json() const {
    if (options_.stats_json.empty()) return;
    std::ofstream file(options_.stats_json);
    file << stats_json(read_totals(kernel_.shared()), snapshot(), options_.policy).dump() << "\n";
    if (!file) std::fprintf(stderr, "mus-userland: %s cannot be written\n", options_.stats_json.c_str());
  }

 private:
  void print_line() {
    Totals after = read_totals(kernel_.shared());
    auto now = WallClock::now();
    if (lines_++ % 20 == 0) std::puts(stats_head().c_str());
    std::puts(stats_line(before_, after, std::chrono::duration<double>(now - before_at_).count(), snapshot()).c_str());
    std::fflush(stdout);
    before_ = after;
    before_at_ = now;
  }

  [[nodiscard]] const Snapshot& snapshot() const {
    static const Snapshot none;
    return snapshot_ ? *snapshot_ : none;
  }

  const Options& options_;
  KernelHalf& kernel_;
  Loop& loop_;
  const KernelBtf& btf_;
  const Snapshot* snapshot_ = nullptr;
  Totals before_{};
  WallClock::time_point before_at_;
  std::uint64_t lines_ = 0;
};

}  // namespace

int run_daemon(const Options& given) {
  Options options = given;
  libbpf_log::install(options.verbose);
  auto kernel_info = probe_kernel();
  if (!kernel_info) return report(kernel_info.error());
  if (auto found = find_weight_cgroups(options); !found) return report(found.error());

  Topology topology = read_topology();
  auto online = static_cast<std::uint32_t>(std::ranges::count(topology.online, true));
  PolicyConfig config{.slice = options.slice, .online = std::max(1u, online)};
  auto policy = (*find_policy(options.policy))->make(config);
  auto spare = (*find_policy("fifo"))->make(config);
  PolicyDriver driver(*policy, config, {}, {.tasks = options.max_tasks});
  for (const WeightOption& weight : options.weights) (void)driver.set_weight_override(weight.id, weight.weight);

  KernelSettings settings{.slice = options.slice, .hold = options.hold, .stall = options.stall};
  settings.event_mask = policy->wanted_events();
  settings.exit_dump_bytes = options.exit_dump_bytes;
  settings.partial = options.partial;
  auto kernel = KernelHalf::load(*kernel_info, settings);
  if (!kernel) return report(kernel.error());

  if (options.verbose) {
    for (const auto& program : (*kernel)->program_sizes())
      std::fprintf(stderr, "program %-24s %6u instructions, %8u verified\n", program.name.c_str(), program.instructions,
                   program.verified);
  }

  Fd signals = block_signals();
  Loop loop(**kernel, driver, *spare);
  if (auto locked = lock_memory(); !locked) return report(locked.error());
  if (auto started = loop.start(); !started) return report(started.error());
  if (auto attached = (*kernel)->attach(); !attached) return report(attached.error());
  std::fprintf(stderr, "mus-userland: policy %s schedules this machine (kernel %s, %u CPUs); Ctrl-C ends it\n",
               options.policy.c_str(), kernel_info->release.c_str(), online);

  Control control(options, **kernel, loop, kernel_info->btf);
  control.run(signals);
  (*kernel)->detach();
  loop.stop();
  control.take_snapshots();
  control.write_json();
  ExitReport exit = read_exit(**kernel, kernel_info->btf);
  std::fprintf(stderr, "mus-userland: ended; the kernel says %s\n", exit.ended ? exit.text.c_str() : "nothing");
  if (auto left = counts_left((*kernel)->shared()); !left.empty())
    std::fprintf(stderr, "mus-userland: the kernel half has lost count: %s; please report this\n", left.c_str());
  return exit.error ? kExitEvicted : kExitOk;
}

}  // namespace mus

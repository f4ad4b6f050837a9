// SPDX-License-Identifier: GPL-2.0-only
#include "control/daemon.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <utility>

#include "control/cgroupfs.h"
#include "control/compaction.h"
#include "control/control.h"
#include "control/statistics.h"
#include "exit_code.h"
#include "kernel/exit_report.h"
#include "kernel/fd.h"
#include "kernel/kernel_half.h"
#include "kernel/libbpf_log.h"
#include "kernel/succession.h"
#include "loop.h"
#include "policies/registry.h"
#include "version.h"

namespace mus {
namespace {

constexpr std::size_t kThreadStackBytes = 256 << 10;  // locked in memory, so no larger than needed

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

/// These arrive here, and nowhere else: blocked before any thread begins.
Fd block_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, Succession::kLookSoon);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return Fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

/// What `status` shows about this machine and this daemon.
DaemonFacts facts_of(const Options& options, const KernelInfo& kernel, const PolicyConfig& config,
                     const std::vector<std::string>& notes) {
  DaemonFacts facts{.version = MUS_VERSION_STRING,
                    .kernel = kernel.release,
                    .pid = ::getpid(),
                    .cpus = config.online,
                    .config = config,
                    .policy = options.policy,
                    .settings = options.settings,
                    .notes = notes,
                    .started = std::chrono::steady_clock::now()};
  if (!kernel.cgroup_callbacks)
    facts.notes.push_back("cgroups come from cgroupfs, not from the kernel's callbacks: cpu.weight is read once a second");
  if (options.chaos.any()) facts.notes.push_back("--chaos: harm is done on purpose");
  if (options.partial) facts.notes.push_back("--partial: only tasks of the class SCHED_EXT are scheduled by mus");
  return facts;
}

KernelSettings settings_of(const Options& options, const Policy& policy) {
  KernelSettings settings{.slice = options.slice, .hold = options.hold, .stall = options.stall, .orphan = options.orphan};
  settings.event_mask = policy.wanted_events();
  settings.exit_dump_bytes = options.exit_dump_bytes;
  settings.partial = options.partial;
  return settings;
}

void print_sizes(const KernelHalf& kernel) {
  for (const auto& program : kernel.program_sizes())
    std::fprintf(stderr, "program %-24s %6u instructions, %8u verified\n", program.name.c_str(), program.instructions,
                 program.verified);
}

/// From the end of the scheduler on. Returns the exit code.
int finish(KernelHalf& kernel, Loop& loop, Control& control, const KernelBtf& btf, const Options& options) {
  bool evicted = read_exit(kernel, btf).ended;
  kernel.detach();
  loop.stop();
  control.finish();
  control.write_json();
  ExitReport exit = read_exit(kernel, btf);
  std::fprintf(stderr, "mus-userland: ended; the kernel says %s\n", exit.ended ? exit.text.c_str() : "nothing");
  if (evicted && exit.abandoned)
    std::fprintf(stderr,
                 "mus-userland: this daemon had been stopped for longer than --orphan-sec %lld, so that the kernel half has "
                 "ended itself; start it again\n",
                 static_cast<long long>(std::chrono::duration_cast<std::chrono::seconds>(options.orphan).count()));
  if (auto left = counts_left(kernel.shared()); !left.empty())
    std::fprintf(stderr, "mus-userland: the kernel half has lost count: %s; please report this\n", left.c_str());
  return exit.error || (evicted && exit.abandoned) ? kExitEvicted : kExitOk;
}

/// Leaves the kernel half to the daemon that asks for it. False: that one did not come, and we go on.
bool hand_over(Succession& succession, Loop& loop, Control& control) {
  std::int32_t next = succession.kernel().shared().daemon.replaced_by;
  control.finish();  // the next one reads the weights
  loop.stop();       // from here on until it begins, nobody decides
  if (succession.hand_over()) {
    std::fprintf(stderr, "mus-userland: replaced by pid %d, which goes on\n", next);
    return true;
  }
  std::fprintf(stderr, "mus-userland: pid %d asked to take over and did not come: this daemon goes on\n", next);
  return false;
}

}  // namespace

int run_daemon(const Options& given) {
  Options options = given;
  libbpf_log::install(options.verbose);
  if (auto good = check_machine(); !good) return report(good.error());
  auto begun = Succession::begin({.pin = options.pin, .replace = options.replace});
  if (!begun) return report(begun.error());
  Succession& succession = **begun;
  auto kernel_info = probe_kernel();
  if (!kernel_info) return report(kernel_info.error());
  if (auto found = find_weight_cgroups(options); !found) return report(found.error());
  // Of a cpu controller on cgroup v1 the callbacks would tell, but weights and tasks are looked up on v2.
  if (options.cgroup_files || !cpu_controller_on_v2()) kernel_info->cgroup_callbacks = false;

  Topology topology = read_topology();
  auto online = static_cast<std::uint32_t>(std::ranges::count(topology.online, true));
  PolicyConfig config{.slice = options.slice, .online = std::max(1u, online), .tasks = options.max_tasks};
  PolicyShelf shelf;
  auto made = make_policy(**find_policy(options.policy), config, options.settings);
  if (!made) return report(made.error());
  Policy& policy = shelf.add(std::move(*made));
  Policy& spare = shelf.add((*find_policy("fifo"))->make(config));
  PolicyDriver driver(policy, config, {.horizon = config.slice * 2}, {.tasks = options.max_tasks});

  if (auto prepared = succession.prepare(*kernel_info, settings_of(options, policy)); !prepared)
    return report(prepared.error());
  KernelHalf& kernel = succession.kernel();
  for (const std::string& note : succession.notes()) std::fprintf(stderr, "mus-userland: %s\n", note.c_str());
  if (options.verbose) print_sizes(kernel);
  auto doors = open_doors(options, succession.kind() == Succession::Kind::kReplacing);
  if (!doors) return report(doors.error());

  Fd signals = block_signals();
  Loop loop(kernel, driver, spare, options.chaos);
  Control control(options, kernel, loop, kernel_info->btf, facts_of(options, *kernel_info, config, succession.notes()), shelf,
                  std::move(*doors));
  if (auto locked = lock_memory(); !locked) return report(locked.error());
  if (auto good = control.check(); !good) return report(good.error());
  if (auto prepared = loop.prepare(); !prepared) return report(prepared.error());
  auto taken = succession.take_over([&](const mus_event& event) { driver.on_event(event); });
  if (!taken) return report(taken.error());
  if (succession.kind() != Succession::Kind::kLoaded) driver.begin_after_another(kernel.commit());
  loop.start();
  Compaction compaction;
  if (!compaction.note().empty()) std::fprintf(stderr, "mus-userland: %s\n", compaction.note().c_str());
  if (auto started = control.start(); !started) return report(started.error());
  ServiceManager manager;
  bool replaces = succession.kind() == Succession::Kind::kReplacing;
  const std::string status = "policy " + options.policy + " schedules this machine";
  if (replaces) manager.ready(status);  // the other leaves when this one has settled: its successor should be known by then
  if (auto settled = succession.settle(); !settled) return report(settled.error());
  if (!taken->empty()) std::fprintf(stderr, "mus-userland: %s\n", taken->c_str());
  std::fprintf(stderr, "mus-userland: policy %s schedules this machine (kernel %s, %u CPUs); Ctrl-C ends it\n",
               options.policy.c_str(), kernel_info->release.c_str(), online);

  if (!replaces) manager.ready(status);
  for (;;) {
    if (control.run(signals.get(), manager) != Control::End::kReplaced) {
      manager.stopping("the kernel's own scheduler takes over");
      return finish(kernel, loop, control, kernel_info->btf, options);
    }
    if (hand_over(succession, loop, control)) {
      compaction.leave();
      break;
    }
    loop.start();
  }
  control.write_json();
  return kExitOk;
}

}  // namespace mus

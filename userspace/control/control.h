// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "control/cgroup_watch.h"
#include "control/cgroupfs.h"
#include "control/commands.h"
#include "control/live_port.h"
#include "control/scx_stats.h"
#include "control/server.h"
#include "control/weights.h"
#include "options.h"

namespace mus {

/// The sockets of the daemon, before anything is attached.
struct Doors {
  std::optional<Listener> control;    ///< none: --socket ''
  std::optional<Listener> scx_stats;  ///< none: somebody else has it
  std::optional<gid_t> group;
  std::vector<std::string> notes;  ///< for `status`
};

/// Errors: kExitUsage, kExitBusy: the control socket cannot be made. That of scx_stats is a convenience: a note.
[[nodiscard]] Result<Doors> open_doors(const Options& options);

/// What the control thread does while the scheduler runs: serves the sockets, keeps the weights that were
/// set, prints figures, and hands the policy's shares to the kernel half.
/// Threads: the control thread, which never waits for the scheduler thread.
class Control {
 public:
  Control(const Options& options, KernelHalf& kernel, Loop& loop, const KernelBtf& btf, DaemonFacts facts,
          PolicyShelf& shelf, Doors doors);

  /// Gives the scheduler thread the weights of the command line and of the last run. After Loop::start().
  /// Errors: kExitUsage: the state file cannot be written.
  [[nodiscard]] Result<void> start();
  /// Returns when a signal has come or the kernel has ended the scheduler.
  void run(int signals);
  /// After the scheduler thread has ended.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  void wait(int signals, Clock::time_point now);
  void share_promises();
  void print_line(Clock::time_point now);
  void write_json();

  const Options& options_;
  KernelHalf& kernel_;
  Loop& loop_;
  LivePort port_;
  std::optional<CgroupFs> fs_;
  std::optional<CgroupWatch> watch_;
  WeightStore store_;
  Server server_;
  Commands commands_;
  ScxStats scx_stats_;
  std::vector<pollfd> polled_;
  Time shared_at_{};  // the snapshot whose promises the kernel half has
  Totals printed_{};
  Clock::time_point printed_at_{}, print_at_{};
  std::uint64_t lines_ = 0;
};

}  // namespace mus

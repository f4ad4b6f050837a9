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
#include "control/service_manager.h"
#include "control/weights.h"
#include "options.h"

namespace mus {

/// The sockets of the daemon, before anything is attached.
struct Doors {
  std::optional<Listener> control;    ///< none: --socket ''
  std::optional<Listener> scx_stats;  ///< none: somebody else has it
  std::optional<gid_t> group;
  bool replacing = false;
  std::vector<std::string> notes;  ///< for `status`
};

/// `replacing`: another daemon still has them; Control::start() takes their place.
/// Errors: kExitUsage, kExitBusy: the control socket cannot be made. That of scx_stats is a convenience: a note.
[[nodiscard]] Result<Doors> open_doors(const Options& options, bool replacing);

/// What the control thread does while the scheduler runs: serves the sockets, keeps the weights that were
/// set, prints figures, and hands the policy's shares to the kernel half.
/// Threads: the control thread, which never waits for the scheduler thread.
class Control {
 public:
  Control(const Options& options, KernelHalf& kernel, Loop& loop, const KernelBtf& btf, DaemonFacts facts,
          PolicyShelf& shelf, Doors doors);

  /// Whether the state file can be written: before anything is taken over. Errors: kExitUsage.
  [[nodiscard]] Result<void> check() const;
  /// Gives the scheduler thread the weights of the command line and of the last run, and opens the doors. After
  /// Loop::start().
  /// Errors: kExitUsage: the state file cannot be written.
  [[nodiscard]] Result<void> start();

  enum class End : std::uint8_t { kSignal, kEnded, kReplaced };
  /// Returns when a signal has come, the kernel has ended the scheduler, or another daemon wants to take over.
  /// May be called again.
  [[nodiscard]] End run(int signals, ServiceManager& manager);
  /// The weights are kept for the next daemon. Last, or before another takes over.
  void finish();
  /// After that, and after nothing is scheduled by this daemon any more.
  void write_json();

 private:
  using Clock = std::chrono::steady_clock;

  void choose_interval(Clock::time_point now);
  /// Takes one signal. False: it is one that ends the daemon.
  [[nodiscard]] static bool asked_to_look_soon(int signals);
  void wait(int signals, Clock::time_point now, std::chrono::milliseconds at_most);
  void share_promises();
  void print_line(Clock::time_point now);
  void open_late_door(Clock::time_point now);

  const Options& options_;
  KernelHalf& kernel_;
  Loop& loop_;
  LivePort port_;
  std::optional<CgroupFs> fs_;
  std::optional<CgroupWatch> watch_;
  WeightStore store_;
  std::optional<Listener> control_;   // until start()
  std::optional<gid_t> group_;
  Clock::time_point late_until_{};    // the socket of scx_stats is still another daemon's
  Server server_;
  Commands commands_;
  ScxStats scx_stats_;
  std::vector<pollfd> polled_;
  std::chrono::milliseconds look_every_{500};
  std::uint64_t contended_ = 0;  // runs, when the interval was chosen
  Clock::time_point contended_at_{};
  Time shared_at_{};  // the snapshot whose promises the kernel half has
  Totals printed_{};
  Clock::time_point printed_at_{}, print_at_{};
  std::uint64_t lines_ = 0;
};

}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <mus/abi.h>
#include <mus/result.h>

#include "kernel/adoption.h"
#include "kernel/kernel_half.h"
#include "kernel/pins.h"
#include "kernel/probe.h"

namespace mus {

/// How a daemon comes by its kernel half, and leaves it: loads one, adopts that of a daemon that has died, or is handed
/// that of one that runs; one daemon at a time.
/// Threads: the control thread.
/// Source:  docs/decisions/0009-adoption.md
class Succession {
 public:
  enum class Kind : std::uint8_t {
    kLoaded,    ///< a new one; nothing is scheduled by it until settle()
    kAdopted,   ///< one without a daemon; it is ours already
    kReplacing  ///< that of another daemon, who has it until take_over()
  };
  struct Wish {
    bool pin = true;      ///< it shall outlive this daemon
    bool replace = false; ///< take over from the daemon that runs, if one does
  };

  /// The signal that tells a daemon to look soon whether another one wants to take over; not at once, since that one has
  /// to wait for it by then. Ignored where it is not expected.
  static constexpr int kLookSoon = SIGURG;

  /// Looks who is there. Early, since on a busy machine that nobody decides for a daemon that has been found out to be
  /// the next one prepares itself much faster.
  /// Errors: kExitBusy: a daemon is there, and which.
  [[nodiscard]] static Result<std::unique_ptr<Succession>> begin(Wish wish);
  /// Has a kernel half that goes with these settings; loads one if there is none.
  /// Errors: kExitBusy: another scheduler is there, or the settings cannot be changed; kExitKernel as KernelHalf::load().
  [[nodiscard]] Result<void> prepare(const KernelInfo& kernel, const KernelSettings& settings);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] KernelHalf& kernel() { return *kernel_; }
  /// For the operator: what was found and does not apply.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  /// Makes a running kernel half ours, before the scheduler thread starts; nothing to do when it was loaded. `tell`
  /// takes events. Returns what to say of it.
  /// Errors: kExitBusy: the daemon that runs does not hand over, and goes on; or the kernel half has ended.
  [[nodiscard]] Result<std::string> take_over(const std::function<void(const mus_event&)>& tell);
  /// Attaches what was loaded, after the scheduler thread has started; lets the daemon that was replaced go.
  [[nodiscard]] Result<void> settle();

  /// Leaves the kernel half to the daemon that asked for it. The scheduler thread has stopped. False: that one did not
  /// come, and it is ours again.
  [[nodiscard]] bool hand_over();

 private:
  explicit Succession(Wish wish) : wish_(wish) {}
  [[nodiscard]] Result<void> find();
  [[nodiscard]] Result<void> find_running();
  void find_left();
  void end_left(const std::string& why);
  [[nodiscard]] Result<void> await_handover();

  Wish wish_;
  KernelSettings settings_;
  Kind kind_ = Kind::kLoaded;
  std::unique_ptr<Pins> pins_;  // null: there is no bpffs
  std::unique_ptr<KernelHalf> kernel_;
  std::unique_ptr<Adopter> adopter_;  // until settle(): to unmap the rings takes a while too
  std::string other_;  // the daemon before this one
  std::vector<std::string> notes_;
};

}  // namespace mus

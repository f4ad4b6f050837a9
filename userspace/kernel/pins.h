// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <chrono>
#include <string>

#include <mus/result.h>

#include "kernel/fd.h"

namespace mus {

/// What a kernel half is made of, open: maps, programs and, once it is attached, the link.
struct KernelFds {
  Fd events, decisions, cgroups, shared, exit_dump, abi;
  Fd cpu_timers, hold_timers, orphan_timer;  ///< only held: the kernel stops the timers of a map that nobody holds
  Fd commit, resync, hello, set_weight, find_task;
  Fd link;
};

/// A part of the kernel half: what it is called in the folder of pins and in the BPF object.
struct Part {
  const char* pin;
  const char* name;
  bool program;
  Fd KernelFds::*fd;
};

/// All but the link, which is pinned last: where that is, the others are too.
inline constexpr std::array kParts{
    Part{"events", "events", false, &KernelFds::events},
    Part{"decisions", "decisions", false, &KernelFds::decisions},
    Part{"cgroups", "cgroups", false, &KernelFds::cgroups},
    Part{"shared", ".data.shared", false, &KernelFds::shared},
    Part{"exit_dump", ".data.exit_dump", false, &KernelFds::exit_dump},
    Part{"abi", ".rodata", false, &KernelFds::abi},
    Part{"cpu_timers", "cpu_timers", false, &KernelFds::cpu_timers},
    Part{"hold_timers", "hold_timers", false, &KernelFds::hold_timers},
    Part{"orphan_timer", "orphan_timer", false, &KernelFds::orphan_timer},
    Part{"commit", "mus_commit", true, &KernelFds::commit},
    Part{"resync", "mus_resync", true, &KernelFds::resync},
    Part{"hello", "mus_hello", true, &KernelFds::hello},
    Part{"set_weight", "mus_set_effective_weight", true, &KernelFds::set_weight},
    Part{"find_task", "mus_find_task", true, &KernelFds::find_task},
};

/// The folder in bpffs through which the kernel half outlives its daemon. Who has it locked is the daemon; the kernel
/// unlocks it when that one dies, and everybody who shares the bpffs sees the same lock, also from another container.
/// Threads: the control thread.
/// Source:  docs/decisions/0009-adoption.md
class Pins {
 public:
  static constexpr const char* kFolder = "/sys/fs/bpf/mus";

  /// Opens the folder; `make`: makes it if need be.
  /// Errors:  kExitUsage: there is no bpffs, or no such folder in it.
  [[nodiscard]] static Result<Pins> open(bool make);
  /// The same with another folder, of whatever file system: for tests.
  [[nodiscard]] static Result<Pins> open_folder(const std::string& folder, bool make);

  /// False: another process has it.
  [[nodiscard]] bool lock();
  /// Waits for the one who has it. False: not in that time.
  [[nodiscard]] bool lock_within(std::chrono::milliseconds time);
  void unlock();

  [[nodiscard]] bool has(const char* pin) const;
  /// What is pinned under that name; empty with errno set: nothing.
  [[nodiscard]] Fd get(const char* pin) const;
  /// Errors: kExitInternal.
  [[nodiscard]] Result<void> put(const char* pin, const Fd& what) const;
  /// Removes all pins, the link first.
  void clear() const;

 private:
  Pins(std::string folder, Fd fd) : folder_(std::move(folder)), fd_(std::move(fd)) {}
  [[nodiscard]] std::string path(const char* pin) const { return folder_ + "/" + pin; }

  std::string folder_;
  Fd fd_;
};

}  // namespace mus

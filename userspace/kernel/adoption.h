// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include <mus/abi.h>
#include <mus/result.h>

#include "kernel/kernel_half.h"
#include "rings/ring_repair.h"

namespace mus {

/// What was mended, for -v.
struct Adoption {
  std::size_t decisions_discarded = 0;
  std::size_t events_skipped = 0;
  bool reset = false;  ///< a ring made no sense
};

/// Takes over a kernel half that goes on and has no daemon.
/// Threads: the control thread.
class Adopter {
 public:
  /// Maps its rings: before the lock is waited for, since it takes a while. Errors: kExitInternal: they cannot be mapped.
  [[nodiscard]] static Result<Adopter> open(KernelHalf& kernel);

  /// Tells of the cgroups that it knows, parents before children: before the lock is waited for too. Which of them have changed when
  /// we have it, the driver looks up (PolicyDriver::catch_up). Returns how many. The scheduler thread does not run yet.
  [[nodiscard]] std::size_t tell_cgroups(const std::function<void(const mus_event&)>& tell) const;

  /// Repairs the rings, gives it our settings, and has it tell again of every task that is held, as when events were lost. All
  /// others are heard of when they appear next. We have the lock.
  /// Errors:  kExitBusy: it has ended meanwhile; kExitInternal: a ring cannot be read even so.
  [[nodiscard]] Result<Adoption> adopt(const KernelSettings& settings);

 private:
  Adopter(KernelHalf& kernel, RingMapping events, RingMapping decisions)
      : kernel_(kernel), events_(std::move(events)), decisions_(std::move(decisions)) {}

  KernelHalf& kernel_;
  RingMapping events_, decisions_;
};

/// The cgroups as the events that once told of them, parents before children.
[[nodiscard]] std::vector<mus_event> cgroup_events(std::vector<KernelHalf::KnownCgroup> cgroups);

}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <functional>
#include <vector>

#include <mus/abi.h>
#include <mus/result.h>

#include "kernel/kernel_half.h"

namespace mus {

/// What was mended, for -v.
struct Adoption {
  std::size_t decisions_discarded = 0;
  std::size_t events_skipped = 0;
  std::size_t cgroups = 0;
  bool reset = false;  ///< a ring made no sense
};

/// Takes over a kernel half that goes on and has no daemon: repairs its rings, gives it our settings, tells of the cgroups
/// that it knows, and has it tell again of every task that is held. All others are heard of when they appear next.
/// `tell`:  takes events, parents before children; the scheduler thread does not run yet.
/// Threads: the control thread, which has the lock.
/// Errors:  kExitBusy: it has ended meanwhile; kExitInternal: its rings cannot be mapped.
[[nodiscard]] Result<Adoption> adopt(KernelHalf& kernel, const KernelSettings& settings,
                                     const std::function<void(const mus_event&)>& tell);

/// The cgroups as the events that once told of them, parents before children.
[[nodiscard]] std::vector<mus_event> cgroup_events(std::vector<KernelHalf::KnownCgroup> cgroups);

}  // namespace mus

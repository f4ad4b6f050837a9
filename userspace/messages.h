// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <mus/units.h>

#include "core/policy_driver.h"

namespace mus {

class Policy;

/// control thread -> scheduler thread. Applied between two decisions, and answered by a Reply with its ticket.
struct Command {
  enum class Kind : std::uint8_t { kSetWeight, kKernelWeight, kCgroupGone, kUsePolicy } kind{};
  std::uint64_t ticket = 0;  ///< not 0; kKernelWeight and kCgroupGone, which only repeat what cgroupfs says: any
  CgroupId cgroup{};         ///< kSetWeight, kKernelWeight, kCgroupGone
  std::uint32_t weight = 0;  ///< 1..10000; kSetWeight: 0 takes it back
  Policy* policy = nullptr;  ///< kUsePolicy: from here on the scheduler thread's, until a Reply retires it
};

/// scheduler thread -> control thread: a command has been applied, or could not be. Ticket 0: nobody's command; a
/// policy has failed and was replaced.
struct Reply {
  enum class Result : std::uint8_t { kDone, kFull } result{};
  std::uint64_t ticket = 0;
  std::uint32_t handed_over = 0;  ///< kUsePolicy: tasks that the new policy was handed
  Policy* retired = nullptr;      ///< nobody uses it any more: the control thread deletes it
};

/// scheduler thread -> control thread, four times a second: what only the scheduler thread may read.
struct Snapshot {
  static constexpr std::size_t kGroups = 1024;
  struct Group {
    CgroupId id{};
    CgroupId parent{};            ///< of the root: 0
    std::uint32_t depth = 0;
    std::uint32_t weight = 0;     ///< that counts
    std::uint32_t kernel_weight = 0;  ///< cpu.weight
    std::uint32_t set = 0;        ///< through mus; 0: not
    std::uint32_t runnable = 0;   ///< tasks directly in it that run or want to
    double promised = 0;          ///< fraction of the machine, 0..1, for it and all below; negative: the policy does not say
    double promised_own = 0;      ///< the part of that for the tasks directly in it
    Duration lag{};               ///< CPU time that it is owed within its parent
    Duration run_time{};          ///< CPU time that tasks directly in it have used, ever
  };
  Time at{};
  DriverCounters driver;
  std::string_view policy;      ///< name of the active one; static storage
  std::uint64_t policy_faults = 0;  ///< times that a policy was replaced by the last good one
  std::uint64_t tasks = 0;
  std::uint64_t cgroups = 0;    ///< known; `groups` may hold fewer
  std::uint64_t passes = 0;     ///< times around the loop
  std::uint32_t group_count = 0;
  std::array<Group, kGroups> groups;  ///< those that are known, in no order
};

}  // namespace mus

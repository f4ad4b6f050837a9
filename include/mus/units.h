// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <algorithm>
#include <chrono>
#include <compare>
#include <cstdint>

namespace mus {

using namespace std::chrono_literals;

/// Durations are nanoseconds everywhere; a bare integer carries its unit in its name.
using Duration = std::chrono::nanoseconds;

/// The kernel's scheduler clock, as events and mus_call carry it. It cannot be read in userspace, so
/// that a policy cannot help being given the time.
struct SchedClock {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<SchedClock>;
  static constexpr bool is_steady = true;
};
using Time = SchedClock::time_point;

constexpr Time time_from_ns(std::uint64_t ns) { return Time{Duration{static_cast<Duration::rep>(ns)}}; }
constexpr std::uint64_t to_ns(Duration d) { return static_cast<std::uint64_t>(d.count()); }
constexpr std::uint64_t to_ns(Time t) { return to_ns(t.time_since_epoch()); }

/// Ids that cannot be mixed up. Pids are those of the root PID namespace; a cgroup's id is the inode
/// number of its folder; CPUs are numbered as the kernel does.
enum class Pid : std::int32_t {};
enum class Cpu : std::int32_t {};
enum class CgroupId : std::uint64_t {};

constexpr std::int32_t raw(Pid p) { return static_cast<std::int32_t>(p); }
constexpr std::int32_t raw(Cpu c) { return static_cast<std::int32_t>(c); }
constexpr std::uint64_t raw(CgroupId c) { return static_cast<std::uint64_t>(c); }
constexpr std::size_t index(Cpu c) { return static_cast<std::size_t>(c); }

/// What cpu.weight and mus call a weight: 1..10000, default 100. Shares are in proportion to it.
struct Weight {
  static constexpr std::uint32_t kMin = 1, kDefault = 100, kMax = 10000;
  std::uint32_t value = kDefault;
  /// The nearest weight that there is.
  [[nodiscard]] static Weight nearest(std::uint32_t value) { return {std::clamp(value, kMin, kMax)}; }
  auto operator<=>(const Weight&) const = default;
};

}  // namespace mus

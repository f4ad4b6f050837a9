// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <mus/result.h>

#include "musctl/fields.h"

namespace mus::ctl {

inline constexpr std::uint32_t kWeightMin = 1, kWeightMax = 10000;

/// "500ms", "30s", "5m", "2h", "1h30m", "1.5h", "1d": each unit once, the large before the small.
/// Errors: kExitUsage: anything else, and what the protocol does not allow (under 1 ms, over 365 days).
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The other way, for people: "250ms", "21.4s", "1h30m". Two units at most.
[[nodiscard]] std::string duration_text(double seconds);

/// Which cgroup a command is about: a path, "id:NUMBER" or "pid:NUMBER".
/// The result is the field of the request: {"cgroup":"/redis"}, {"cgroup_id":71} or {"pid":812}.
/// A path below /sys/fs/cgroup is taken as seen from there, so that the shell can complete it.
/// Errors: kExitUsage.
[[nodiscard]] Result<Json> parse_cgroup(const std::string& text);

/// A weight as it is written: "400", or relative to the present one: "+50%", "-25%", "x2".
struct WeightChange {
  bool relative = false;
  double amount = 0;  ///< the weight itself, or the factor

  /// The weight that comes of it, and whether it had to be clamped to 1..10000. A change of a weight always
  /// changes it by at least 1, as far as the range allows.
  [[nodiscard]] std::pair<std::uint32_t, bool> apply(std::uint32_t present) const;
};
/// Errors: kExitUsage: not a weight; a plain number out of 1..10000.
[[nodiscard]] Result<WeightChange> parse_weight(std::string_view text);

/// "slice-us=2000": name and value; a number stays one.
/// Errors: kExitUsage.
[[nodiscard]] Result<std::pair<std::string, Json>> parse_setting(const std::string& text);

}  // namespace mus::ctl

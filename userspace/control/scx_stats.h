// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>
#include <string_view>

#include "control/server.h"
#include "control/stats_commands.h"

namespace mus {

/// The figures of `stats` in the protocol of scx_stats, which scxtop and scx's OpenMetrics bridge speak, at the path
/// where they look: {"req":"stats","args":{"target":"top"}} or {"req":"stats_meta"} a line;
/// {"errno":0,"args":{"resp":...}} comes back.
/// Threads: the control thread.
/// Source:  sched-ext/scx, rust/scx_stats/src/server.rs and stats.rs.
class ScxStats : public Service {
 public:
  static constexpr const char* kPath = "/var/run/scx/root/stats";

  ScxStats(StatsCommands& stats, Outlet& outlet) : stats_(stats), outlet_(outlet) {}

  Next on_line(RequestId request, std::string_view line) override;
  [[nodiscard]] std::string farewell(Reason reason) override;

  /// The "top" statistics out of what `stats` answers.
  [[nodiscard]] static Json top(const Json& stats);
  /// What the fields mean.
  [[nodiscard]] static Json meta();

 private:
  [[nodiscard]] std::string answer(std::string_view line);

  StatsCommands& stats_;
  Outlet& outlet_;
};

}  // namespace mus

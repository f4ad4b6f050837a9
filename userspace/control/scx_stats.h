// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <map>
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
  void on_closed(ClientId client) override { told_.erase(client); }
  [[nodiscard]] std::string farewell(Reason reason) override;

  /// The "top" statistics out of what `stats` answers.
  [[nodiscard]] static Json top(const Json& stats);
  /// What the fields mean.
  [[nodiscard]] static Json meta();

 private:
  [[nodiscard]] std::string answer(ClientId client, std::string_view line);
  /// Adds, once and with figures of zero, the cgroups that this client was told of in its last answer and that are
  /// not in this one. Readers that keep the last value of each series would show it for ever.
  void tell_who_is_quiet(ClientId client, Json& cgroups);

  StatsCommands& stats_;
  Outlet& outlet_;
  /// By path, what lasts of the cgroups in a client's last answer.
  std::map<ClientId, std::map<std::string, Json>> told_;
};

}  // namespace mus

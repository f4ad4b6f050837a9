// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "control/figures.h"
#include "control/server.h"
#include "control/weight_commands.h"

namespace mus {

/// stats, subscribe and unsubscribe: keeps earlier samples, and makes figures of the differences.
/// Subscribers with the same interval share one answer, so that many cost little more than one.
/// Threads: the control thread.
class StatsCommands {
 public:
  using Time = std::chrono::steady_clock::time_point;

  StatsCommands(Port& port, WeightCommands& weights, Outlet& outlet, std::uint32_t cpus, std::string policy)
      : port_(port), weights_(weights), outlet_(outlet), cpus_(cpus), first_policy_(std::move(policy)) {}

  /// The figures of about the last second, as `stats` answers them. Made at most twenty times a second.
  [[nodiscard]] const Json& current(Time now);
  /// Reads what is counted now; at most twenty times a second.
  [[nodiscard]] const Sample& sample(Time now);
  /// The daemon's CPU time over about the last second, percent of one CPU.
  [[nodiscard]] double daemon_cpu_percent(Time now);
  [[nodiscard]] std::string_view mode(const Totals& totals);

  [[nodiscard]] Outcome run(ClientId client, const ask::Subscribe& subscribe, Time now);
  [[nodiscard]] Outcome run(ClientId client, const ask::Unsubscribe& unsubscribe);
  void forget(ClientId client);

  /// Samples, and tells the subscribers whose time has come.
  void tick(Time now);
  [[nodiscard]] Time due() const;

 private:
  struct Channel {
    Time next{};
    Sample before;
    Json cgroups;  // of the last time that the scheduler thread had said something new; null: not yet
    std::map<ClientId, std::uint64_t> dropped;  // by subscriber
  };

  [[nodiscard]] Json to_json(const Figures& figures, const Sample& after);
  [[nodiscard]] Json cgroup_json(const GroupFigures& figures);
  [[nodiscard]] const Sample& second_ago(Time now) const;
  void tell(std::chrono::milliseconds interval, Channel& channel, Time now);

  Port& port_;
  WeightCommands& weights_;
  Outlet& outlet_;
  std::uint32_t cpus_;
  std::string first_policy_;    // until the scheduler thread says which
  std::deque<Sample> history_;  // kSampleEvery apart, the newest last
  std::optional<Sample> latest_;
  Json current_;
  Time current_at_{};
  std::map<std::chrono::milliseconds, Channel> channels_;
};

}  // namespace mus

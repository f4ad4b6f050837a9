// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "control/outcome.h"
#include "control/policy_commands.h"
#include "control/server.h"
#include "control/stats_commands.h"
#include "control/weight_commands.h"

namespace mus {

/// What the daemon is, for the commands.
struct DaemonFacts {
  std::string version;
  std::string kernel;  ///< uname -r
  std::int32_t pid = 0;
  std::uint32_t cpus = 1;  ///< on line
  PolicyConfig config;
  std::string policy;                 ///< that it began with
  std::vector<std::string> settings;  ///< and its options, "name=value"
  std::vector<std::string> notes;     ///< what does not apply on this machine
  std::chrono::steady_clock::time_point started{};
};

/// Executes the requests of docs/control_protocol.md.
/// Threads: the control thread; it never waits for the scheduler thread, whose replies replies() takes.
/// Errors:  answers; none leaves here.
class Commands : public Service {
 public:
  /// `fs`: null where there is no cgroup v2. All must outlive this.
  Commands(DaemonFacts facts, Port& port, CgroupFs* fs, WeightStore& store, PolicyShelf& shelf,
           Outlet& outlet);

  Next on_line(RequestId request, std::string_view line) override { return on_line(request, line, Moment::now()); }
  void on_closed(ClientId client) override;
  [[nodiscard]] std::string farewell(Reason reason) override;

  Next on_line(RequestId request, std::string_view line, Moment now);
  /// Gives the scheduler thread's replies to whom they belong. Call it when Loop::replies_fd() is readable.
  void replies(Moment now);
  /// What time brings: weights that end, figures for subscribers, commands that nobody answers.
  void tick(Moment now);
  /// When tick() has something to do next.
  [[nodiscard]] std::chrono::steady_clock::time_point due(Moment now) const;

  [[nodiscard]] WeightCommands& weights() { return weights_; }
  [[nodiscard]] StatsCommands& stats() { return stats_; }
  void add_note(std::string note) { facts_.notes.push_back(std::move(note)); }

 private:
  struct Pending {
    RequestId request{};
    Tag tag;
    Waiting waiting;
    std::chrono::steady_clock::time_point give_up{};
  };

  [[nodiscard]] Outcome run(ClientId client, const Ask& ask, Moment now);
  [[nodiscard]] Outcome status(Moment now);
  void answer(RequestId request, const Tag& tag, Outcome outcome, Moment now);

  DaemonFacts facts_;
  Port& port_;
  PolicyShelf& shelf_;
  Outlet& outlet_;
  Poster poster_;
  WeightCommands weights_;
  PolicyCommands policies_;
  StatsCommands stats_;
  std::map<std::uint64_t, Pending> pending_;  // by ticket
};

}  // namespace mus

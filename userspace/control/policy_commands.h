// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/outcome.h"
#include "policies/registry.h"

namespace mus {

/// Owns all policies that there are, from when they are made until the scheduler thread has retired them.
/// Threads: the control thread. What is on it may be used by the scheduler thread, so it outlives that.
class PolicyShelf {
 public:
  Policy& add(std::unique_ptr<Policy> policy) { return *policies_.emplace_back(std::move(policy)); }
  void remove(const Policy* policy) {
    std::erase_if(policies_, [policy](const auto& owned) { return owned.get() == policy; });
  }
  [[nodiscard]] std::size_t size() const { return policies_.size(); }

 private:
  std::vector<std::unique_ptr<Policy>> policies_;
};

/// policy.list, policy.show and policy.use.
/// Threads: the control thread. A policy is made and deleted here; between, the scheduler thread's.
class PolicyCommands {
 public:
  /// `active`, `settings`: what the daemon began with.
  PolicyCommands(Port& port, Poster& poster, PolicyShelf& shelf, PolicyConfig config, std::string active,
                 std::vector<std::string> settings);

  [[nodiscard]] Outcome run(const ask::PolicyList& list);
  [[nodiscard]] Outcome run(const ask::PolicyShow& show);
  [[nodiscard]] Outcome run(const ask::PolicyUse& use);

  [[nodiscard]] std::string_view active() { return look().name; }
  [[nodiscard]] std::uint64_t faults() const;

 private:
  struct InUse {
    std::string name;
    std::vector<std::string> settings;
  };
  [[nodiscard]] const InUse& look();
  [[nodiscard]] PolicyConfig config_now() const;

  Port& port_;
  Poster& poster_;
  PolicyShelf& shelf_;
  PolicyConfig config_;
  InUse now_, last_good_;
  std::uint64_t faults_seen_ = 0;
};

}  // namespace mus

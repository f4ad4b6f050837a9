// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstddef>
#include <vector>

#include <mus/abi.h>

#include "core/policy_driver.h"
#include "machine.h"

namespace mus::fakes {

/// A policy alone: some CPUs, each of which asks for one decision whenever it is free, and runs what it says for the slice that
/// it says. No queues, nothing decided ahead or interrupted, no time between question and answer: what can be seen here is
/// the order that the policy gives, and nothing else.
/// Shape:   tasks may run on every CPU.
/// Owner:   the test; the driver must outlive it, and must decide one task at a time (kOneAtATime).
class PolicyMachine final : public Machine {
 public:
  static constexpr PolicyDriver::Ahead kOneAtATime{.horizon = 0ns, .min_per_cpu = 1, .max_per_cpu = 1};

  PolicyMachine(PolicyDriver& driver, unsigned cpus);

  void add_cgroup(std::uint64_t id, std::uint64_t parent, std::uint32_t weight) override;
  void set_cgroup_weight(std::uint64_t id, std::uint32_t weight) override;
  int spawn(const TaskSpec& spec) override;
  void run_for(Duration time) override;
  [[nodiscard]] Time now() const override { return now_; }
  [[nodiscard]] Duration run_time(int pid) const override;
  [[nodiscard]] const std::vector<std::string>& violations() const override { return violations_; }

 private:
  static constexpr std::size_t kNobody = ~std::size_t{0};
  enum class Where { kWaiting, kRunning, kAsleep };
  struct MachineTask {
    TaskSpec spec;
    Where where = Where::kWaiting;
    std::uint64_t generation = 0;
    Duration total{}, work_left{};
    Time began{}, until{};  ///< of the present run, or of the sleep
    Time woke{}, slept{};
  };
  static int pid_of(std::size_t task) { return static_cast<int>(task) + 100; }
  static std::size_t task_of(int pid) { return static_cast<std::size_t>(pid - 100); }
  void post(mus_event_kind kind, std::size_t task, Duration ran, bool woke = false);
  void announce(std::size_t task, Duration ran, bool woke);
  void stop(std::size_t cpu);
  void fill_cpus();
  [[nodiscard]] Time next_moment() const;

  PolicyDriver& driver_;
  Time now_ = Time{1s};
  std::vector<MachineTask> tasks_;
  std::vector<std::size_t> running_;  ///< by CPU
  std::vector<CpuView> views_;
  std::vector<std::string> violations_;
};

}  // namespace mus::fakes

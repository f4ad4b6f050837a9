// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/policy_driver.h"
#include "fairness_oracle.h"
#include "fake_kernel.h"
#include "fluid_machine.h"

namespace mus::fakes {

/// What one task or cgroup got in a window, beside its ideal.
struct FairEntry {
  std::string name;
  bool is_group = false;
  unsigned level = 1;         ///< its distance from the root: 1 for a cgroup or task right below it
  double ideal = 0, real = 0; ///< CPUs' worth of time
  Duration ahead{}, behind{}; ///< largest lag either way, as FluidMachine has it, at any look
  double asked = 1;           ///< tasks: what they would use if nobody were in their way, in CPUs
};

struct FairReport {
  std::vector<FairEntry> entries;
  unsigned cpus = 1;
  Duration slice{};
  double busy = 0;  ///< CPUs' worth of time that was used

  [[nodiscard]] const FairEntry& worst() const;                     ///< by slices_per_level()
  [[nodiscard]] double slices_per_level(const FairEntry& e) const;  ///< largest lag in slices / (level x CPUs)
  /// The largest |real - ideal| of a cgroup (with tasks: of a task too), in percentage points of what was used.
  [[nodiscard]] double points(bool with_tasks = false) const;
  [[nodiscard]] const FairEntry& operator[](const std::string& name) const;
};

/// What a policy is tried on.
enum class On {
  kKernelHalf,   ///< FakeKernel: by the rules of the kernel half, decided ahead and interrupted
  kPolicyAlone,  ///< PolicyMachine: its order and nothing else
};

/// A policy on a fake machine, and the oracle beside it: the same tree in both.
/// Sleepers: who waits works less often than it would alone, so a closed loop's demand is not known beforehand. `ideal`
/// takes as demand what it did use, which shows who got more than its share, and all that others lost or won by it;
/// whether it got what it asked for is in `asked` and `real`. Lag asks for no demand: it follows who is runnable.
/// Owner:   the test; the policy must outlive it.
class FairMachine {
 public:
  FairMachine(Policy& policy, unsigned cpus, Duration slice = 4ms, std::uint64_t seed = 1, On on = On::kKernelHalf);

  [[nodiscard]] std::size_t group(const std::string& name, std::size_t parent, std::uint32_t weight);
  /// `spec.cgroup` is set here.
  void tasks(std::size_t group, int count, TaskSpec spec = {});
  void set_weight(std::size_t group, std::uint32_t weight);
  void run_for(Duration time);
  /// Runs for `window` and compares, with a look every `every`.
  [[nodiscard]] FairReport measure(Duration window, Duration every = 500us);

  [[nodiscard]] Machine& machine() { return *machine_; }
  /// On kKernelHalf alone.
  [[nodiscard]] FakeKernel& kernel() { return dynamic_cast<FakeKernel&>(*machine_); }
  [[nodiscard]] const std::vector<int>& pids() const { return pids_; }

 private:
  void catch_up();
  void on_change(int pid, bool runnable);
  [[nodiscard]] std::vector<double> lags() const;
  /// CPU time of all groups, then of all tasks.
  [[nodiscard]] std::vector<Duration> times() const;
  [[nodiscard]] static std::uint64_t id(std::size_t group) { return group ? 100 + group : 1; }

  unsigned cpus_;
  Duration slice_;
  PolicyDriver driver_;
  std::unique_ptr<Machine> machine_;
  FairnessOracle oracle_;
  Time fluid_at_;
  FluidMachine fluid_;
  std::vector<std::string> names_{"/"};
  std::vector<int> pids_;
  std::vector<TaskSpec> specs_;
};

}  // namespace mus::fakes

// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "core/policy_driver.h"
#include "fairness_oracle.h"
#include "fake_kernel.h"

namespace mus::fakes {

/// What one task or cgroup got in a window, beside its ideal.
struct FairEntry {
  std::string name;
  bool is_group = false;
  unsigned level = 1;         ///< its distance from the root: 1 for a cgroup or task right below it
  double ideal = 0, real = 0; ///< CPUs' worth of time
  Duration lag{};             ///< bound on |real - ideal|: half of its range over the window, as it did not begin at 0
  double asked = 1;           ///< tasks: what they would use if nobody were in their way, in CPUs
};

struct FairReport {
  std::vector<FairEntry> entries;
  unsigned cpus = 1;
  Duration slice{};
  double busy = 0;  ///< CPUs' worth of time that was used

  [[nodiscard]] const FairEntry& worst() const;                     ///< by slices_per_level()
  [[nodiscard]] double slices_per_level(const FairEntry& e) const;  ///< lag in slices / (level x CPUs)
  /// The largest |real - ideal| of a cgroup (with tasks: of a task too), in percentage points of what was used.
  [[nodiscard]] double points(bool with_tasks = false) const;
  [[nodiscard]] const FairEntry& operator[](const std::string& name) const;
};

/// A policy behind the fake kernel half, and the oracle beside it: the same tree in both.
/// Sleepers: who waits works less often than it would alone, so a closed loop's demand is not known beforehand. The ideal
/// takes as demand what it did use, which shows who got more than its share, and all that others lost or won by it;
/// whether it got what it asked for is in `asked` and `real`.
/// Owner:   the test; the policy must outlive it.
class FairMachine {
 public:
  FairMachine(Policy& policy, unsigned cpus, Duration slice = 4ms, std::uint64_t seed = 1);

  [[nodiscard]] std::size_t group(const std::string& name, std::size_t parent, std::uint32_t weight);
  /// `spec.cgroup` is set here.
  void tasks(std::size_t group, int count, TaskSpec spec = {});
  void set_weight(std::size_t group, std::uint32_t weight);
  void run_for(Duration time) { kernel_.run_for(time); }
  /// Runs for `window` and compares, with a look every `every`.
  [[nodiscard]] FairReport measure(Duration window, Duration every = 100ms);

  [[nodiscard]] FakeKernel& kernel() { return kernel_; }
  [[nodiscard]] const std::vector<int>& pids() const { return pids_; }

 private:
  /// CPU time of all groups, then of all tasks.
  [[nodiscard]] std::vector<Duration> times() const;
  [[nodiscard]] static std::uint64_t id(std::size_t group) { return group ? 100 + group : 1; }

  unsigned cpus_;
  Duration slice_;
  PolicyDriver driver_;
  FakeKernel kernel_;
  FairnessOracle oracle_;
  std::vector<std::string> names_{"/"};
  std::vector<int> pids_;
  std::vector<TaskSpec> specs_;
};

}  // namespace mus::fakes

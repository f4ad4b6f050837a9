// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include <mus/units.h>

#include "fairness_oracle.h"

namespace mus::fakes {

/// The lag of each task: the service that an ideal, fluid machine owes it since it began to compete, less what it had. The
/// ideal serves all tasks that are runnable in reality at once, at the rates that the oracle gives to exactly these. Who
/// comes and goes is treated as by EEVDF:
///   - whoever goes to sleep takes its lag out: it passes to those that go on competing with it, in its cgroup if there are
///     any, by their rates. (EEVDF moves its virtual time for that.)
///   - who slept while it was behind comes back with none: it had all that it had asked for. Who was ahead comes back with
///     what is left of that, as if it had gone on competing meanwhile; those that compete with it are owed as much.
///   - when no more tasks are runnable than there are CPUs nobody competes, and all lags are zero: a busy period ends.
/// Units:   seconds of CPU time; positive: behind the ideal.
/// Shape:   as many tasks as the oracle has.
/// Owner:   the test; the oracle must outlive it.
/// Source:  Stoica and Abdel-Wahab 1995, "Earliest Eligible Virtual Deadline First", 2 (lag) and 4 (clients that join and
///          leave); the kernel's EEVDF lets lag decay in sleep likewise (DELAY_DEQUEUE); docs/decisions/0010.
class FluidMachine {
 public:
  FluidMachine(const FairnessOracle& oracle, unsigned cpus) : oracle_(oracle), cpus_(cpus) {}

  /// `task` becomes runnable, or sleeps, at the present moment.
  void set_runnable(std::size_t task, bool runnable);
  /// Time passes. `used`: the CPU time that each task has had since the beginning, in seconds.
  void run_for(Duration time, const std::vector<double>& used);
  /// A weight in the oracle has changed.
  void weights_changed() { rates_.clear(), stale_ = true; }
  /// Of one that sleeps: 0.
  [[nodiscard]] double lag(std::size_t task) const { return task < flows_.size() && flows_[task].runnable ? flows_[task].lag : 0; }

 private:
  struct Flow {
    bool runnable = false;
    double lag = 0, rate = 0, used = 0;
  };
  [[nodiscard]] const std::vector<double>& shares(const std::vector<bool>& active);
  void share_out();
  void forgive();
  void pass_on(std::size_t task, double lag);
  [[nodiscard]] bool below(std::size_t task, std::size_t group) const;

  const FairnessOracle& oracle_;
  unsigned cpus_;
  std::vector<Flow> flows_;
  std::size_t runnable_ = 0;
  bool stale_ = true;
  std::map<std::vector<bool>, std::vector<double>> rates_;
};

}  // namespace mus::fakes

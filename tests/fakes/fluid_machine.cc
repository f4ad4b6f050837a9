// SPDX-License-Identifier: GPL-2.0-only
#include "fluid_machine.h"

#include <algorithm>
#include <utility>

namespace mus::fakes {
namespace {

constexpr double kNothing = 1e-10;  // seconds: less than a nanosecond
constexpr double kWhole = 1 - 1e-6; // CPUs: more cannot be given to a task
constexpr std::size_t kMostSets = 4096;

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

// What the oracle gives to each of these, if they alone are there.
const std::vector<double>& FluidMachine::shares(const std::vector<bool>& active) {
  if (rates_.size() > kMostSets) rates_.clear();
  auto [it, made] = rates_.try_emplace(active);
  if (made) {
    FairnessOracle oracle = oracle_;
    for (std::size_t t = 0; t < active.size(); ++t) oracle.set_demand(t, active[t] ? 1 : 0);
    it->second = oracle.solve(cpus_).tasks;
  }
  return it->second;
}

void FluidMachine::share_out() {
  stale_ = false;
  std::vector<bool> runnable(flows_.size()), owing(flows_.size());
  for (std::size_t t = 0; t < flows_.size(); ++t) {
    runnable[t] = flows_[t].runnable;
    owing[t] = flows_[t].runnable || flows_[t].lag < 0;
  }
  for (std::size_t t = 0; t < flows_.size(); ++t) flows_[t].rate = shares(runnable[t] ? runnable : owing)[t];
}

void FluidMachine::set_runnable(std::size_t task, bool runnable) {
  if (task >= flows_.size()) flows_.resize(task + 1);
  Flow& f = flows_[task];
  if (f.runnable == runnable) return;
  f.runnable = true;
  share_out();
  pass_on(task, runnable ? -f.lag : f.lag);
  f.runnable = runnable;
  if (!runnable) f.lag = std::min(f.lag, 0.0);  // it has had all that it asked for
  runnable_ += runnable ? 1 : -1;
  stale_ = true;
  forgive();
}

// While nobody competes all lags are zero.
void FluidMachine::forgive() {
  if (runnable_ > cpus_) return;
  for (Flow& f : flows_) f.lag = 0;
  stale_ = true;
}

bool FluidMachine::below(std::size_t task, std::size_t group) const {
  for (std::size_t g = oracle_.group_of(task);; g = oracle_.parent(g)) {
    if (g == group) return true;
    if (g == FairnessOracle::kRoot) return false;
  }
}

// Gives `lag` to those that compete with `task`. Whoever is owed a whole CPU competes with nobody.
void FluidMachine::pass_on(std::size_t task, double lag) {
  for (std::size_t group = oracle_.group_of(task);; group = oracle_.parent(group)) {
    double sum = 0;
    auto heir = [&](std::size_t t) { return t != task && flows_[t].runnable && flows_[t].rate < kWhole && below(t, group); };
    for (std::size_t t = 0; t < flows_.size(); ++t) sum += heir(t) ? flows_[t].rate : 0;
    for (std::size_t t = 0; sum > 0 && t < flows_.size(); ++t)
      if (heir(t)) flows_[t].lag += lag * flows_[t].rate / sum;
    if (sum > 0 || group == FairnessOracle::kRoot) return;
  }
}

void FluidMachine::run_for(Duration time, const std::vector<double>& used) {
  double left = seconds(time);
  if (left <= 0) return;
  std::vector<double> speed(flows_.size());
  for (std::size_t t = 0; t < flows_.size(); ++t) speed[t] = (used[t] - std::exchange(flows_[t].used, used[t])) / left;
  while (left > kNothing) {
    if (stale_) share_out();
    double step = left;
    for (const Flow& f : flows_)
      if (!f.runnable && f.lag < 0) step = std::min(step, std::max(kNothing, -f.lag / f.rate));
    for (std::size_t t = 0; t < flows_.size(); ++t) {
      Flow& f = flows_[t];
      if (!f.runnable && f.lag >= 0) continue;
      f.lag += (f.rate - speed[t]) * step;
      if (f.runnable || f.lag < -kNothing) continue;
      f.lag = 0;
      stale_ = true;
    }
    left -= step;
    forgive();
  }
}

}  // namespace mus::fakes

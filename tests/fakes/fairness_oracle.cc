// SPDX-License-Identifier: GPL-2.0-only
#include "fairness_oracle.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <stdexcept>

namespace mus::fakes {
namespace {

constexpr double kTiny = 1e-9;  // CPUs: a billionth of what there is to give is nothing

}  // namespace

std::size_t FairnessOracle::add_group(std::size_t parent, double weight) {
  if (parent >= groups_.size() || weight <= 0) throw std::invalid_argument("fairness oracle: bad group");
  groups_.push_back({parent, weight});
  return groups_.size() - 1;
}

std::size_t FairnessOracle::add_task(std::size_t group, double weight, double demand, std::uint64_t allowed) {
  if (group >= groups_.size() || weight <= 0) throw std::invalid_argument("fairness oracle: bad task");
  tasks_.push_back({group, weight, demand, allowed});
  return tasks_.size() - 1;
}

unsigned FairnessOracle::depth(std::size_t group) const {
  unsigned levels = 0;
  for (; group != kRoot; group = groups_.at(group).parent) ++levels;
  return levels;
}

// How fast each task grows: its fraction of the root, by the weights of what grows at each level.
std::vector<double> FairnessOracle::growth(const std::vector<bool>& grows) const {
  std::vector<double> below(groups_.size()), rate(groups_.size());  // weight of what grows directly in each group
  std::vector<bool> active(groups_.size());
  for (std::size_t t = 0; t < tasks_.size(); ++t) {
    if (!grows[t]) continue;
    below[tasks_[t].group] += tasks_[t].weight;
    active[tasks_[t].group] = true;
  }
  for (std::size_t g = groups_.size() - 1; g > kRoot; --g) {
    if (!active[g]) continue;
    below[groups_[g].parent] += groups_[g].weight;
    active[groups_[g].parent] = true;
  }
  rate[kRoot] = 1;
  for (std::size_t g = 1; g < groups_.size(); ++g)
    if (active[g]) rate[g] = rate[groups_[g].parent] * groups_[g].weight / below[groups_[g].parent];
  std::vector<double> of_task(tasks_.size());
  for (std::size_t t = 0; t < tasks_.size(); ++t)
    if (grows[t]) of_task[t] = rate[tasks_[t].group] * tasks_[t].weight / below[tasks_[t].group];
  return of_task;
}

FairnessOracle::Shares FairnessOracle::solve(unsigned cpus, double capacity) const {
  if (cpus < 1 || cpus > kMaxCpus) throw std::invalid_argument("fairness oracle: 1 to 8 CPUs");
  const std::uint64_t all = (1ull << cpus) - 1;
  Shares shares{std::vector<double>(groups_.size()), std::vector<double>(tasks_.size())};
  std::vector<bool> grows(tasks_.size());
  std::vector<double> most(tasks_.size());
  for (std::size_t t = 0; t < tasks_.size(); ++t) {
    most[t] = std::min(tasks_[t].demand, capacity);
    grows[t] = most[t] > 0 && tasks_[t].allowed & all;
  }
  auto within = [&](std::size_t t, std::uint64_t set) { return (tasks_[t].allowed & all & ~set) == 0; };

  while (std::ranges::find(grows, true) != grows.end()) {
    std::vector<double> rate = growth(grows);
    double step = std::numeric_limits<double>::max();
    for (std::size_t t = 0; t < tasks_.size(); ++t)
      if (grows[t]) step = std::min(step, (most[t] - shares.tasks[t]) / rate[t]);
    std::vector<double> room(all + 1), speed(all + 1);  // by set of CPUs
    for (std::uint64_t set = 1; set <= all; ++set) {
      room[set] = capacity * std::popcount(set);
      for (std::size_t t = 0; t < tasks_.size(); ++t) {
        if (!within(t, set)) continue;
        room[set] -= shares.tasks[t];
        speed[set] += rate[t];
      }
      if (speed[set] > 0) step = std::min(step, std::max(room[set], 0.0) / speed[set]);
    }
    for (std::size_t t = 0; t < tasks_.size(); ++t) shares.tasks[t] += rate[t] * step;
    for (std::size_t t = 0; t < tasks_.size(); ++t)
      if (shares.tasks[t] >= most[t] - kTiny) grows[t] = false;
    for (std::uint64_t set = 1; set <= all; ++set) {
      if (speed[set] <= 0 || room[set] - speed[set] * step > kTiny) continue;
      for (std::size_t t = 0; t < tasks_.size(); ++t)
        if (within(t, set)) grows[t] = false;
    }
  }
  for (std::size_t t = 0; t < tasks_.size(); ++t) shares.groups[tasks_[t].group] += shares.tasks[t];
  for (std::size_t g = groups_.size() - 1; g > kRoot; --g) shares.groups[groups_[g].parent] += shares.groups[g];
  return shares;
}

}  // namespace mus::fakes

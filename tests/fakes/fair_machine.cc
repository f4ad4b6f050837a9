// SPDX-License-Identifier: GPL-2.0-only
#include "fair_machine.h"

#include <cmath>
#include <stdexcept>

namespace mus::fakes {
namespace {

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

// ---- the report ---------------------------------------------------------------------------------------

double FairReport::slices_per_level(const FairEntry& e) const {
  return seconds(e.lag) / seconds(slice) / (e.level * cpus);
}

const FairEntry& FairReport::worst() const {
  return *std::ranges::max_element(entries, {}, [&](const FairEntry& e) { return slices_per_level(e); });
}

double FairReport::points(bool with_tasks) const {
  double most = 0;
  for (const FairEntry& e : entries)
    if (e.is_group || with_tasks) most = std::max(most, 100 * std::abs(e.real - e.ideal) / busy);
  return most;
}

const FairEntry& FairReport::operator[](const std::string& name) const {
  auto it = std::ranges::find(entries, name, &FairEntry::name);
  if (it == entries.end()) throw std::out_of_range("no " + name);
  return *it;
}

// ---- the machine --------------------------------------------------------------------------------------

FairMachine::FairMachine(Policy& policy, unsigned cpus, Duration slice, std::uint64_t seed)
    : cpus_(cpus),
      slice_(slice),
      driver_(policy, {.slice = slice, .online = cpus}, {}, {.tasks = 256, .cgroups = 64, .cpus = 8}),
      kernel_(driver_, {.cpus = cpus, .slice = slice, .seed = seed}) {}

std::size_t FairMachine::group(const std::string& name, std::size_t parent, std::uint32_t weight) {
  std::size_t made = oracle_.add_group(parent, weight);
  names_.push_back(name);
  kernel_.add_cgroup(id(made), id(parent), weight);
  return made;
}

void FairMachine::tasks(std::size_t group, int count, TaskSpec spec) {
  spec.cgroup = id(group);
  for (int i = 0; i < count; ++i) {
    (void)oracle_.add_task(group, spec.weight, 1, spec.allowed);
    pids_.push_back(kernel_.spawn(spec));
    specs_.push_back(spec);
  }
}

void FairMachine::set_weight(std::size_t group, std::uint32_t weight) {
  oracle_.set_weight(group, weight);
  kernel_.set_cgroup_weight(id(group), weight);
}

std::vector<Duration> FairMachine::times() const {
  std::size_t groups = oracle_.group_count();
  std::vector<Duration> used(groups + pids_.size());
  for (std::size_t t = 0; t < pids_.size(); ++t) {
    used[groups + t] = kernel_.run_time(pids_[t]);
    used[oracle_.group_of(t)] += used[groups + t];
  }
  for (std::size_t g = groups - 1; g > 0; --g) used[oracle_.parent(g)] += used[g];
  return used;
}

FairReport FairMachine::measure(Duration window, Duration every) {
  std::vector<std::vector<Duration>> samples{times()};
  std::vector<Time> at{kernel_.now()};
  for (Duration left = window; left > Duration::zero(); left -= every) {
    kernel_.run_for(std::min(left, every));
    samples.push_back(times());
    at.push_back(kernel_.now());
  }
  std::size_t groups = oracle_.group_count();
  auto real = [&](std::size_t i) { return seconds(samples.back()[i] - samples.front()[i]) / seconds(window); };
  FairReport report{.entries = {}, .cpus = cpus_, .slice = slice_, .busy = real(FairnessOracle::kRoot)};
  std::vector<double> asked(pids_.size(), 1.0);
  for (std::size_t t = 0; t < pids_.size(); ++t) {
    if (specs_[t].work == Duration::max()) continue;
    asked[t] = seconds(specs_[t].work) / seconds(specs_[t].work + specs_[t].sleep);
    oracle_.set_demand(t, real(groups + t));
  }
  FairnessOracle::Shares ideal = oracle_.solve(cpus_);
  std::vector<double> ideals = ideal.groups;
  ideals.insert(ideals.end(), ideal.tasks.begin(), ideal.tasks.end());
  for (std::size_t i = 0; i < ideals.size(); ++i) {
    bool is_group = i < groups;
    std::size_t group = is_group ? i : oracle_.group_of(i - groups);
    FairEntry e{.name = is_group ? names_[i] : names_[group] + " task " + std::to_string(i - groups),
                .is_group = is_group,
                .level = std::max(1u, oracle_.depth(group) + !is_group),
                .ideal = ideals[i],
                .real = real(i)};
    if (!is_group) e.asked = asked[i - groups];
    double most = 0, least = 0;
    for (std::size_t s = 1; s < samples.size(); ++s) {
      double off = seconds(samples[s][i] - samples[0][i]) - ideals[i] * seconds(at[s] - at[0]);
      most = std::max(most, off);
      least = std::min(least, off);
    }
    e.lag = std::chrono::duration_cast<Duration>(std::chrono::duration<double>((most - least) / 2));
    report.entries.push_back(e);
  }
  return report;
}

}  // namespace mus::fakes

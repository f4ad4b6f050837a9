// SPDX-License-Identifier: GPL-2.0-only
#include "fair_machine.h"

#include <cmath>
#include <stdexcept>

#include "policy_machine.h"

namespace mus::fakes {
namespace {

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

// ---- the report ---------------------------------------------------------------------------------------

double FairReport::slices_per_level(const FairEntry& e) const {
  return seconds(std::max(e.ahead, e.behind)) / seconds(slice) / (e.level * cpus);
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

FairMachine::FairMachine(Policy& policy, unsigned cpus, Duration slice, std::uint64_t seed, On on)
    : cpus_(cpus),
      slice_(slice),
      driver_(policy, {.slice = slice, .online = cpus}, on == On::kPolicyAlone ? PolicyMachine::kOneAtATime : PolicyDriver::Ahead{},
              {.tasks = 256, .cgroups = 64, .cpus = 8}),
      fluid_(oracle_, cpus) {
  if (on == On::kPolicyAlone)
    machine_ = std::make_unique<PolicyMachine>(driver_, cpus);
  else
    machine_ = std::make_unique<FakeKernel>(driver_, KernelSpec{.cpus = cpus, .slice = slice, .seed = seed});
  fluid_at_ = machine_->now();
  machine_->on_change([this](int pid, bool runnable) { on_change(pid, runnable); });
}

std::size_t FairMachine::group(const std::string& name, std::size_t parent, std::uint32_t weight) {
  std::size_t made = oracle_.add_group(parent, weight);
  names_.push_back(name);
  machine_->add_cgroup(id(made), id(parent), weight);
  return made;
}

void FairMachine::tasks(std::size_t group, int count, TaskSpec spec) {
  spec.cgroup = id(group);
  for (int i = 0; i < count; ++i) {
    catch_up();
    std::size_t task = oracle_.add_task(group, spec.weight, 1, spec.allowed);
    pids_.push_back(machine_->spawn(spec));
    fluid_.set_runnable(task, true);
    specs_.push_back(spec);
  }
}

void FairMachine::set_weight(std::size_t group, std::uint32_t weight) {
  catch_up();
  oracle_.set_weight(group, weight);
  fluid_.weights_changed();
  machine_->set_cgroup_weight(id(group), weight);
}

std::vector<Duration> FairMachine::times() const {
  std::size_t groups = oracle_.group_count();
  std::vector<Duration> used(groups + pids_.size());
  for (std::size_t t = 0; t < pids_.size(); ++t) {
    used[groups + t] = machine_->run_time(pids_[t]);
    used[oracle_.group_of(t)] += used[groups + t];
  }
  for (std::size_t g = groups - 1; g > 0; --g) used[oracle_.parent(g)] += used[g];
  return used;
}

void FairMachine::run_for(Duration time) {
  machine_->run_for(time);
  catch_up();
}

// Brings the fluid machine to where the real one is.
void FairMachine::catch_up() {
  std::vector<double> used;
  for (int pid : pids_) used.push_back(seconds(machine_->run_time(pid)));
  fluid_.run_for(machine_->now() - fluid_at_, used);
  fluid_at_ = machine_->now();
}

void FairMachine::on_change(int pid, bool runnable) {
  auto it = std::ranges::find(pids_, pid);
  if (it == pids_.end()) return;  // being spawned
  catch_up();
  fluid_.set_runnable(static_cast<std::size_t>(it - pids_.begin()), runnable);
}

// Seconds that each group, then each task, is behind the fluid machine (positive) or ahead of it.
std::vector<double> FairMachine::lags() const {
  std::size_t groups = oracle_.group_count();
  std::vector<double> lags(groups + pids_.size());
  for (std::size_t t = 0; t < pids_.size(); ++t) {
    lags[groups + t] = fluid_.lag(t);
    lags[oracle_.group_of(t)] += lags[groups + t];
  }
  for (std::size_t g = groups - 1; g > 0; --g) lags[oracle_.parent(g)] += lags[g];
  return lags;
}

FairReport FairMachine::measure(Duration window, Duration every) {
  std::vector<Duration> before = times();
  std::vector<double> ahead(before.size()), behind(before.size());
  for (Duration left = window; left > Duration::zero(); left -= every) {
    run_for(std::min(left, every));
    std::vector<double> now = lags();
    for (std::size_t i = 0; i < now.size(); ++i) {
      behind[i] = std::max(behind[i], now[i]);
      ahead[i] = std::max(ahead[i], -now[i]);
    }
  }
  std::vector<Duration> after = times();
  std::size_t groups = oracle_.group_count();
  auto real = [&](std::size_t i) { return seconds(after[i] - before[i]) / seconds(window); };
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
    auto duration = [](double s) { return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s)); };
    e.ahead = duration(ahead[i]);
    e.behind = duration(behind[i]);
    report.entries.push_back(e);
  }
  return report;
}

}  // namespace mus::fakes

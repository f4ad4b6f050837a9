// SPDX-License-Identifier: GPL-2.0-only
// What every policy has to keep, whatever it is after. Each runs behind the driver on a fake kernel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "fake_kernel.h"
#include "policies/registry.h"
#include "seed.h"

namespace mus {

static void PrintTo(const PolicyEntry& entry, std::ostream* out) { *out << entry.name; }

namespace {

using fakes::FakeKernel;
using fakes::KernelSpec;
using fakes::TaskSpec;
using testing::IsEmpty;

/// Passes everything on and counts.
class Watched final : public Policy {
 public:
  explicit Watched(std::unique_ptr<Policy> inner) : inner_(std::move(inner)) {}
  std::uint64_t decide_calls = 0, runnable_calls = 0;

  [[nodiscard]] std::string_view name() const override { return inner_->name(); }
  [[nodiscard]] std::uint32_t wanted_events() const override { return inner_->wanted_events(); }
  void task_runnable(Task& t, bool woke, Time now) override { ++runnable_calls, inner_->task_runnable(t, woke, now); }
  void task_stopped(Task& t, Time now) override { inner_->task_stopped(t, now); }
  [[nodiscard]] bool decide(const Room& room, Decision& d, Time now) override {
    return ++decide_calls, inner_->decide(room, d, now);
  }
  void task_ran(Task& t, Duration ran, Time now) override { inner_->task_ran(t, ran, now); }
  [[nodiscard]] StandingOrder standing_order(Task& t, Time now) override { return inner_->standing_order(t, now); }
  void task_changed(Task& t, Change c, Cgroup* from, Time now) override { inner_->task_changed(t, c, from, now); }
  void cgroup_changed(Cgroup& c, CgroupChange change, Time now) override { inner_->cgroup_changed(c, change, now); }
  [[nodiscard]] Promise promise(const Cgroup& c) override { return inner_->promise(c); }

 private:
  std::unique_ptr<Policy> inner_;
};

struct Machine {
  Machine(const PolicyEntry& entry, const KernelSpec& spec)
      : policy(entry.make({.slice = spec.slice, .online = spec.cpus})),
        driver(policy, {.slice = spec.slice, .online = spec.cpus}, {}, {.tasks = 256, .cgroups = 32, .cpus = 64}),
        kernel(driver, spec) {}
  Watched policy;
  PolicyDriver driver;
  FakeKernel kernel;
};

/// Things that happen at random, as many as the test asks for.
class Chance {
 public:
  Chance(Machine& machine, unsigned cpus, std::uint64_t seed) : m_(machine), cpus_(cpus), random_(seed) {
    for (std::uint64_t id = 10; id < 14; ++id) m_.kernel.add_cgroup(id, id < 12 ? 1 : id - 2, weight());
  }
  void anything() {
    switch (below(12)) {
      case 0: case 1: case 2: m_.kernel.spawn(any_task()); return;
      case 3: if (int pid = any_pid()) m_.kernel.kill(pid); return;
      case 4: if (int pid = any_pid()) m_.kernel.set_weight(pid, weight()); return;
      case 5: if (int pid = any_pid()) m_.kernel.set_allowed(pid, some_cpus()); return;
      case 6: if (int pid = any_pid()) m_.kernel.move(pid, any_cgroup()); return;
      case 7: m_.kernel.set_cgroup_weight(10 + below(4), weight()); return;
      case 8: if (cpus_ > 1) m_.kernel.set_online(1 + static_cast<unsigned>(below(cpus_ - 1)), below(3) != 0); return;
      case 9: m_.kernel.lose_events(below(3)); return;
      case 10: m_.kernel.want_resync(); return;
      default: return;
    }
  }
  TaskSpec any_task() {
    TaskSpec t{.cgroup = any_cgroup(), .weight = weight()};
    if (below(2)) t.work = 10us * (1 + below(1000)), t.sleep = 10us * (1 + below(1000));
    if (below(3) == 0) t.exit_after = 100us * (1 + below(300));
    if (below(3) == 0) t.allowed = some_cpus();
    return t;
  }
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

 private:
  std::uint32_t weight() { return 1 + static_cast<std::uint32_t>(below(below(2) ? 10000 : 200)); }
  std::uint64_t any_cgroup() { return below(5) ? 10 + below(4) : 1; }
  std::uint64_t some_cpus() { return below(2) ? 1ull << below(cpus_) : 1 | random_(); }
  int any_pid() {
    auto pids = m_.kernel.alive_pids();
    return pids.empty() ? 0 : pids[below(pids.size())];
  }
  Machine& m_;
  unsigned cpus_;
  std::mt19937_64 random_;
};

class PolicyContract : public testing::TestWithParam<PolicyEntry> {
 protected:
  void expect_empty_after_all_left(Machine& m) {
    for (int pid : m.kernel.alive_pids()) m.kernel.kill(pid);
    m.kernel.want_resync();
    m.kernel.run_for(50ms);
    EXPECT_EQ(m.driver.counters().bad_events, 0u);
    EXPECT_EQ(m.driver.waiting(), 0u);
    EXPECT_EQ(m.driver.tasks().size(), 0u);
  }
};

TEST_P(PolicyContract, LosesAndDoublesNobodyWhateverHappens) {
  for (std::uint64_t seed : fakes::seeds(12)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    KernelSpec spec{.cpus = 1 + static_cast<unsigned>(seed >> 7 & 7), .seed = seed};
    spec.not_yet_chance = seed >> 13 & 1 ? 0.2 : 0;
    spec.idle_direct = (seed >> 17 & 3) != 0;
    spec.decision_room = seed >> 20 & 1 ? 3 : 512;
    spec.event_room = seed >> 21 & 1 ? 24 : 4096;
    Machine m(GetParam(), spec);
    Chance chance(m, spec.cpus, seed);
    for (int i = 0; i < 600; ++i) {
      if (m.kernel.alive_pids().size() < 60) chance.anything();
      if (i % 150 == 75) m.kernel.set_userspace(false);
      if (i % 150 == 90) m.kernel.set_userspace(true);
      m.kernel.run_for(50us * chance.below(100));
    }
    EXPECT_THAT(m.kernel.violations(), IsEmpty());
    EXPECT_EQ(m.driver.counters().bad_decisions, 0u);
    EXPECT_EQ(m.kernel.counters().refused[MUS_REFUSED_BAD_SLICE] + m.kernel.counters().refused[MUS_REFUSED_BAD_FIELD], 0u);
    expect_empty_after_all_left(m);
  }
}

TEST_P(PolicyContract, NamesOnlyAllowedCpus) {
  for (std::uint64_t seed : fakes::seeds(6)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    Machine m(GetParam(), {.cpus = 4, .seed = seed});
    Chance chance(m, 4, seed);
    for (int i = 0; i < 30; ++i) m.kernel.spawn(chance.any_task());
    m.kernel.run_for(500ms);
    EXPECT_EQ(m.kernel.counters().refused[MUS_REFUSED_BAD_CPU], 0u);
    EXPECT_THAT(m.kernel.violations(), IsEmpty());
  }
}

// Bound: everybody else has had four slices on the one CPU that it may use.
TEST_P(PolicyContract, StarvesNobodyAtEqualWeights) {
  for (std::uint64_t seed : fakes::seeds(6)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    KernelSpec spec{.cpus = 1 + static_cast<unsigned>(seed >> 9 & 3), .seed = seed};
    Machine m(GetParam(), spec);
    Chance chance(m, spec.cpus, seed);
    std::vector<int> pids;
    for (int i = 0; i < 24; ++i) {
      TaskSpec t = chance.any_task();
      t.weight = Weight::kDefault;
      t.cgroup = 1;
      t.exit_after = Duration::max();
      pids.push_back(m.kernel.spawn(t));
    }
    m.kernel.run_for(5s);
    for (int pid : pids) EXPECT_LT(m.kernel.longest_wait(pid), 24 * 4 * spec.slice) << pid;
    EXPECT_THAT(m.kernel.violations(), IsEmpty());
  }
}

// Whoever is decided for any CPU must get one, though each CPU always has somebody of its own to run.
TEST_P(PolicyContract, PinnedTasksDoNotStarveOthers) {
  Machine m(GetParam(), {.cpus = 2});
  for (int i = 0; i < 4; ++i) m.kernel.spawn({.allowed = 1ull << (i & 1)});
  int free = m.kernel.spawn({});
  m.kernel.run_for(4s);
  EXPECT_GT(m.kernel.run_time(free), 800ms) << "its fair share is 1.6 s";
  EXPECT_LT(m.kernel.longest_wait(free), 500ms);
}

TEST_P(PolicyContract, KeepsEveryCpuBusy) {
  for (unsigned cpus : {1u, 2u, 8u}) {
    SCOPED_TRACE(cpus);
    Machine m(GetParam(), {.cpus = cpus});
    for (unsigned i = 0; i < 2 * cpus + 1; ++i) m.kernel.spawn({});
    m.kernel.run_for(1s);
    EXPECT_GT(m.kernel.busy_time(), cpus * 990ms);
  }
}

TEST_P(PolicyContract, WorkIsBoundedByWhatThereIsToDecide) {
  Machine m(GetParam(), {.cpus = 4});
  Chance chance(m, 4, 1);
  for (int i = 0; i < 60; ++i) m.kernel.spawn(chance.any_task());
  m.kernel.run_for(2s);
  EXPECT_LE(m.policy.decide_calls, m.driver.counters().decisions + m.kernel.pumps());
  EXPECT_LE(m.driver.counters().decisions, m.policy.runnable_calls);
}

TEST_P(PolicyContract, ExitWhileQueuedLeavesNothingBehind) {
  Machine m(GetParam(), {.cpus = 2});
  std::vector<int> pids;
  for (int i = 0; i < 40; ++i) pids.push_back(m.kernel.spawn({.allowed = i % 3 ? ~0ull : 1ull}));
  m.kernel.run_for(20ms);
  for (int pid : pids) m.kernel.kill(pid);
  m.kernel.run_for(20ms);
  EXPECT_EQ(m.driver.tasks().size(), 0u);
  EXPECT_EQ(m.driver.waiting(), 0u);
  int next = m.kernel.spawn({});
  m.kernel.run_for(20ms);
  EXPECT_EQ(m.kernel.run_time(next), 20ms);
  EXPECT_THAT(m.kernel.violations(), IsEmpty());
}

/// One of many who are not alike, so that each of their slices has to be decided on.
fakes::TaskSpec unlike(int i) { return {.weight = 100u + static_cast<std::uint32_t>(i % 2)}; }

TEST_P(PolicyContract, GoesOnAfterAStall) {
  Machine m(GetParam(), {.cpus = 2});
  std::vector<int> pids;
  for (int i = 0; i < 20; ++i) pids.push_back(m.kernel.spawn(unlike(i)));
  m.kernel.run_for(200ms);
  m.kernel.set_userspace(false);
  m.kernel.run_for(1s);
  auto before = m.kernel.counters().decisions;
  m.kernel.set_userspace(true);
  m.kernel.run_for(1s);
  EXPECT_GT(m.kernel.counters().decisions, before + 100);
  for (int pid : pids) EXPECT_GT(m.kernel.run_time(pid), 50ms) << pid;
  EXPECT_GT(m.kernel.busy_time(), 2 * 2150ms) << "work went on through the stall";
  EXPECT_THAT(m.kernel.violations(), IsEmpty());
}

TEST_P(PolicyContract, RefusedDecisionsAreMadeAgain) {
  Machine m(GetParam(), {.cpus = 2, .not_yet_chance = 0.5});
  std::vector<int> pids;
  for (int i = 0; i < 10; ++i) pids.push_back(m.kernel.spawn(unlike(i)));
  m.kernel.run_for(2s);
  EXPECT_GT(m.kernel.counters().refused[MUS_REFUSED_NOT_YET], 100u);
  for (int pid : pids) EXPECT_NEAR(static_cast<double>(m.kernel.run_time(pid).count()), 4e8, 2e8) << pid;
  EXPECT_THAT(m.kernel.violations(), IsEmpty());
}

TEST_P(PolicyContract, LostEventsAreMadeUpFor) {
  Machine m(GetParam(), {.cpus = 2});
  std::vector<int> pids;
  for (int i = 0; i < 10; ++i) {
    m.kernel.lose_events(1);
    pids.push_back(m.kernel.spawn({}));
  }
  for (int i = 0; i < 20; ++i) {
    m.kernel.lose_events(2);
    m.kernel.run_for(50ms);
  }
  for (int pid : pids) EXPECT_GT(m.kernel.run_time(pid), 100ms) << pid;
  EXPECT_THAT(m.kernel.violations(), IsEmpty());
}

TEST_P(PolicyContract, ALostExitLeavesNoGhost) {
  Machine m(GetParam(), {.cpus = 1});
  std::vector<int> pids;
  for (int i = 0; i < 20; ++i) pids.push_back(m.kernel.spawn({}));
  m.kernel.run_for(100ms);
  for (int i = 0; i < 10; ++i) {
    m.kernel.lose_events(2);
    m.kernel.kill(pids[static_cast<std::size_t>(i)]);
    m.kernel.run_for(10ms);
  }
  EXPECT_EQ(m.driver.tasks().size(), 10u);
}

TEST_P(PolicyContract, LostCgroupEventsAreMadeUpFor) {
  Machine m(GetParam(), {.cpus = 1});
  m.kernel.lose_events(2);
  m.kernel.add_cgroup(10, 1, 300);
  m.kernel.add_cgroup(11, 10, 50);
  m.kernel.add_cgroup(12, 10, 60);
  for (int i = 0; i < 3; ++i) m.kernel.spawn({.cgroup = 11});
  m.kernel.run_for(10ms);
  Cgroup* inner = m.driver.cgroups().find(CgroupId{11});
  ASSERT_TRUE(inner && inner->parent);
  EXPECT_EQ(inner->parent->id, CgroupId{10});
  EXPECT_EQ(inner->weight(), Weight{50});
  EXPECT_EQ(inner->parent->weight(), Weight{300});
  EXPECT_EQ(m.driver.cgroups().find(CgroupId{12})->parent, inner->parent) << "whose own event was not lost";

  m.kernel.lose_events(1);
  m.kernel.set_cgroup_weight(11, 70);
  m.kernel.run_for(10ms);
  EXPECT_EQ(inner->weight(), Weight{70});

  for (int pid : m.kernel.alive_pids()) m.kernel.kill(pid);
  m.kernel.run_for(10ms);
  m.kernel.lose_events(1);
  m.kernel.remove_cgroup(11);
  m.kernel.run_for(10ms);
  EXPECT_FALSE(m.driver.cgroups().find(CgroupId{11}));
}

INSTANTIATE_TEST_SUITE_P(Policies, PolicyContract, testing::ValuesIn(policies().begin(), policies().end()),
                         [](const auto& entry) { return std::string(entry.param.name); });

}  // namespace
}  // namespace mus

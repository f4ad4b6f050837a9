// SPDX-License-Identifier: GPL-2.0-only
// vtime against the ideal: generalised processor sharing over the tree of cgroups.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "driver_bench.h"
#include "fake_kernel.h"
#include "policies/vtime.h"
#include "seed.h"

namespace mus {
namespace {

/// A random tree of cgroups (depth at most 3) with spinners in it, and what each of them is due.
struct Tree {
  struct Node {
    std::uint64_t id, parent;
    std::uint32_t weight;
    int depth;
  };
  std::vector<Node> groups{{1, 0, 100, 0}};
  struct Leaf {
    std::uint64_t group;
    std::uint32_t weight;
  };
  std::vector<Leaf> leaves;

  explicit Tree(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    auto weight = [&] { return 10 + static_cast<std::uint32_t>(random() % 991); };
    for (std::uint64_t id = 10, n = 10 + 3 + random() % 6; id < n; ++id) {
      const Node parent = groups[random() % groups.size()];
      if (parent.depth < 3) groups.push_back({id, parent.id, weight(), parent.depth + 1});
    }
    for (std::size_t i = 0, n = 3 + random() % 14; i < n; ++i)
      leaves.push_back({groups[random() % groups.size()].id, weight()});
  }
  [[nodiscard]] int level(std::size_t leaf) const {  // 1: right below the root
    return 1 + std::ranges::find(groups, leaves[leaf].group, &Node::id)->depth;
  }
  [[nodiscard]] double ideal(std::size_t leaf) const {
    double share = static_cast<double>(leaves[leaf].weight) / active_weight(leaves[leaf].group);
    for (std::uint64_t id = leaves[leaf].group; id != 1;) {
      const Node& node = *std::ranges::find(groups, id, &Node::id);
      share *= node.weight / active_weight(node.parent);
      id = node.parent;
    }
    return share;
  }

 private:
  [[nodiscard]] bool active(std::uint64_t group) const {
    return std::ranges::any_of(leaves, [&](const Leaf& l) { return l.group == group; }) ||
           std::ranges::any_of(groups, [&](const Node& n) { return n.parent == group && active(n.id); });
  }
  [[nodiscard]] double active_weight(std::uint64_t group) const {
    double sum = 0;
    for (const Leaf& leaf : leaves) sum += leaf.group == group ? leaf.weight : 0;
    for (const Node& node : groups) sum += node.parent == group && active(node.id) ? node.weight : 0;
    return sum;
  }
};

// The order alone, nothing decided ahead. Bound, at any moment: one slice for each level of the tree (EEVDF's, at each),
// and a quarter for what is charged before it is measured.
TEST(VtimeFairness, OrderFollowsTheIdealOnRandomTrees) {
  double most = 0;
  for (std::uint64_t seed : fakes::seeds(40)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    Tree tree(seed);
    fakes::DriverBench<VtimePolicy> bench;
    for (const auto& g : tree.groups)
      if (g.id != 1) bench.group(g.id, g.parent, g.weight);
    std::vector<int> pids;
    for (const auto& leaf : tree.leaves) pids.push_back(bench.spawn(leaf.group, leaf.weight));
    Time start = bench.now;
    double worst = 0;
    for (int i = 0; i < 4000; ++i) {
      bench.turn();
      for (std::size_t leaf = 0; leaf < pids.size(); ++leaf) {
        double due = tree.ideal(leaf) * static_cast<double>((bench.now - start).count());
        double off = std::abs(due - static_cast<double>(bench.time[pids[leaf]].count()));
        worst = std::max(worst, off / tree.level(leaf));
      }
    }
    EXPECT_LE(worst / static_cast<double>(bench.slice.count()), 1.25) << "slices a level";
    most = std::max(most, worst / static_cast<double>(bench.slice.count()));
  }
  std::printf("lag: %.2f slices a level at worst\n", most);
}

// The whole machine: decided ahead, by the rules of the kernel half. Bound: 2 points of share after 60 s.
void expect_fair_machine(const Tree& tree, unsigned cpus, Duration time, double bound) {
  VtimePolicy policy({.slice = 4ms, .online = cpus});
  PolicyDriver driver(policy, {.slice = 4ms, .online = cpus}, {}, {.tasks = 64, .cgroups = 32, .cpus = 8});
  fakes::FakeKernel kernel(driver, {.cpus = cpus});
  for (const auto& g : tree.groups)
    if (g.id != 1) kernel.add_cgroup(g.id, g.parent, g.weight);
  std::vector<int> pids;
  for (const auto& leaf : tree.leaves) pids.push_back(kernel.spawn({.cgroup = leaf.group, .weight = leaf.weight}));
  kernel.run_for(time);
  double worst = 0;
  for (std::size_t leaf = 0; leaf < pids.size(); ++leaf) {
    double got = static_cast<double>(kernel.run_time(pids[leaf]).count()) / static_cast<double>(time.count());
    worst = std::max(worst, std::abs(got - tree.ideal(leaf)));
  }
  EXPECT_LT(worst, bound) << "of " << pids.size() << " tasks";
  EXPECT_THAT(kernel.violations(), testing::IsEmpty());
}

TEST(VtimeFairness, MachineFollowsTheIdealOnRandomTrees) {
  for (std::uint64_t seed : fakes::seeds(20)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    expect_fair_machine(Tree(seed), 1, 60s, 0.02);
  }
}

// The case that every operator tries first: two busy groups, as many tasks each as there are CPUs.
TEST(VtimeFairness, MachineFollowsWeightsWithFewTasks) {
  for (unsigned cpus : {1u, 2u, 4u}) {
    SCOPED_TRACE(cpus);
    VtimePolicy policy({.slice = 4ms, .online = cpus});
    PolicyDriver driver(policy, {.slice = 4ms, .online = cpus}, {}, {.tasks = 64, .cgroups = 32, .cpus = 8});
    fakes::FakeKernel kernel(driver, {.cpus = cpus});
    kernel.add_cgroup(10, 1, 400);
    kernel.add_cgroup(11, 1, 100);
    for (unsigned i = 0; i < cpus; ++i) {
      kernel.spawn({.cgroup = 10});
      kernel.spawn({.cgroup = 11});
    }
    kernel.run_for(20s);
    EXPECT_NEAR(static_cast<double>(kernel.group_time(10).count()) / static_cast<double>(kernel.busy_time().count()), 0.8,
                0.05);
  }
}

TEST(VtimeFairness, MachineFollowsWeightsWithManyTasks) {
  VtimePolicy policy({.slice = 4ms, .online = 2});
  PolicyDriver driver(policy, {.slice = 4ms, .online = 2}, {}, {.tasks = 64, .cgroups = 32, .cpus = 8});
  fakes::FakeKernel kernel(driver, {.cpus = 2});
  kernel.add_cgroup(10, 1, 400);
  kernel.add_cgroup(11, 1, 100);
  for (int i = 0; i < 8; ++i) {
    kernel.spawn({.cgroup = 10});
    kernel.spawn({.cgroup = 11});
  }
  kernel.run_for(20s);
  EXPECT_NEAR(static_cast<double>(kernel.group_time(10).count()) / static_cast<double>(kernel.busy_time().count()), 0.8,
              0.02);
}

// Waking up often may buy a better latency, never more than the fair share.
TEST(VtimeFairness, MachineGivesSleepersNoMoreThanTheirShare) {
  VtimePolicy policy({.slice = 4ms, .online = 1});
  PolicyDriver driver(policy, {.slice = 4ms, .online = 1}, {}, {.tasks = 64, .cgroups = 32, .cpus = 8});
  fakes::FakeKernel kernel(driver, {.cpus = 1});
  kernel.add_cgroup(10, 1, 1000);
  kernel.add_cgroup(11, 1, 50);
  kernel.spawn({.cgroup = 10});
  for (int i = 0; i < 4; ++i) kernel.spawn({.cgroup = 11, .work = 900us, .sleep = 100us});
  kernel.run_for(20s);
  EXPECT_LT(static_cast<double>(kernel.group_time(11).count()) / static_cast<double>(kernel.busy_time().count()), 0.06)
      << "its fair share is 0.048";
}

/// A cgroup of tasks that work and sleep beside one of spinners, as many as there are CPUs.
struct Sleepers {
  const char* name;
  int tasks;
  Duration work, sleep;
  std::uint32_t weight;  ///< of both
};
class VtimeSleepers : public testing::TestWithParam<Sleepers> {};

INSTANTIATE_TEST_SUITE_P(Of, VtimeSleepers,
                         testing::Values(Sleepers{"LittleEach", 16, 1ms, 9ms, 100},           // of what it is owed: all have standing orders
                                         Sleepers{"LittleEachAtTheGreatestWeight", 16, 1ms, 9ms, 10000},
                                         Sleepers{"LittleEachAtTenTimesTheWeight", 16, 1ms, 9ms, 1000},
                                         Sleepers{"MuchEach", 8, 300us, 100us, 100},          // in some moments all are asleep, or run
                                         Sleepers{"MuchEachAtTheGreatestWeight", 8, 300us, 100us, 10000},
                                         Sleepers{"HalfEach", 8, 1ms, 1ms, 100}),
                         [](const auto& test) { return test.param.name; });

TEST_P(VtimeSleepers, AndSpinnersShareByWeight) {
  VtimePolicy policy({.slice = 4ms, .online = 2});
  PolicyDriver driver(policy, {.slice = 4ms, .online = 2}, {}, {.tasks = 64, .cgroups = 32, .cpus = 8});
  fakes::FakeKernel kernel(driver, {.cpus = 2});
  kernel.add_cgroup(10, 1, GetParam().weight);
  kernel.add_cgroup(11, 1, GetParam().weight);
  for (int i = 0; i < 2; ++i) kernel.spawn({.cgroup = 10});
  for (int i = 0; i < GetParam().tasks; ++i) kernel.spawn({.cgroup = 11, .work = GetParam().work, .sleep = GetParam().sleep});
  kernel.run_for(2s);
  Duration busy = kernel.busy_time(), sleepers = kernel.group_time(11);
  kernel.run_for(20s);
  busy = kernel.busy_time() - busy;
  sleepers = kernel.group_time(11) - sleepers;
  EXPECT_NEAR(static_cast<double>(sleepers.count()) / static_cast<double>(busy.count()), 0.5, 0.005);
}

// Owed a whole CPU, it works for more than a slice at a time: others are decided ahead by then, and it goes before them.
TEST(VtimeFairness, MachineDecidesOnWhoIsOwedACpuThoughEnoughIsDecided) {
  VtimePolicy policy({.slice = 4ms, .online = 2});
  PolicyDriver driver(policy, {.slice = 4ms, .online = 2}, {}, {.tasks = 64, .cgroups = 32, .cpus = 8});
  fakes::FakeKernel kernel(driver, {.cpus = 2});
  kernel.add_cgroup(10, 1, 100);
  kernel.add_cgroup(11, 1, 400);
  for (int i = 0; i < 4; ++i) kernel.spawn({.cgroup = 10});
  kernel.spawn({.cgroup = 11, .work = 5ms, .sleep = 500us});
  kernel.run_for(10s);
  EXPECT_GT(kernel.group_time(11), 7s) << "it would use 9.1 s if it never waited; 4.8 s when those that were decided came first";
}

// Two tasks ran alone, each on its CPU, and were never announced meanwhile; then others come.
TEST(VtimeFairness, MachineForgivesTimeThatNobodyElseWanted) {
  VtimePolicy policy({.slice = 4ms, .online = 2});
  PolicyDriver driver(policy, {.slice = 4ms, .online = 2}, {}, {.tasks = 64, .cgroups = 32, .cpus = 8});
  fakes::FakeKernel kernel(driver, {.cpus = 2});
  std::vector<int> old, young;
  for (int i = 0; i < 2; ++i) old.push_back(kernel.spawn({}));
  int visitor = kernel.spawn({.exit_after = 100ms});  // makes userspace know them
  kernel.run_for(5s);
  ASSERT_FALSE(kernel.alive(visitor));
  for (int i = 0; i < 4; ++i) young.push_back(kernel.spawn({}));
  Duration before = kernel.run_time(old[0]);
  kernel.run_for(3s);
  EXPECT_GT(kernel.run_time(old[0]) - before, 500ms) << "its fair share is 1 s";
}

}  // namespace
}  // namespace mus

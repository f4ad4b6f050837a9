// SPDX-License-Identifier: GPL-2.0-only
// Shares in the long run, what a cgroup is entitled to, and standing orders.
#include <gtest/gtest.h>

#include "driver_bench.h"
#include "policies/vtime.h"

namespace mus {
namespace {

using Bench = fakes::DriverBench<VtimePolicy>;

double share(Bench& bench, const std::vector<int>& pids) {
  Duration total{};
  for (auto& [pid, time] : bench.time) total += time;
  return static_cast<double>(bench.time_of(pids).count()) / static_cast<double>(total.count());
}

TEST(VtimeShares, FollowTheWeightsOfGroups) {
  Bench bench;
  bench.group(10, 1, 400);
  bench.group(11, 1, 100);
  int a = bench.spawn(10);
  bench.spawn(11);
  bench.turns(1000);
  EXPECT_NEAR(share(bench, {a}), 0.8, 0.01);
}

TEST(VtimeShares, OfAGroupDoNotDependOnTheNumberOfItsTasks) {
  Bench bench;
  bench.group(10, 1);
  bench.group(11, 1);
  int lone = bench.spawn(10);
  for (int i = 0; i < 16; ++i) bench.spawn(11);
  bench.turns(3200);
  EXPECT_NEAR(share(bench, {lone}), 0.5, 0.01);
  for (int pid = lone + 1; pid <= lone + 16; ++pid) EXPECT_NEAR(share(bench, {pid}), 0.5 / 16, 0.005) << pid;
}

TEST(VtimeShares, AreDividedLevelByLevel) {
  Bench bench;
  bench.group(10, 1, 300);  // 3/4
  bench.group(11, 1, 100);  // 1/4
  bench.group(20, 10, 100);
  bench.group(21, 10, 200);
  int a = bench.spawn(20), b = bench.spawn(21), c = bench.spawn(21), d = bench.spawn(11);
  bench.turns(4000);
  EXPECT_NEAR(share(bench, {a}), 0.25, 0.01);
  EXPECT_NEAR(share(bench, {b}), 0.25, 0.01);
  EXPECT_NEAR(share(bench, {c}), 0.25, 0.01);
  EXPECT_NEAR(share(bench, {d}), 0.25, 0.01);
}

TEST(VtimeShares, TasksAndGroupsSideBySide) {
  Bench bench;
  bench.group(10, 1, 200);
  int in_group = bench.spawn(10), at_root = bench.spawn(1);
  bench.turns(3000);
  EXPECT_NEAR(share(bench, {in_group}), 2.0 / 3, 0.01);
  EXPECT_NEAR(share(bench, {at_root}), 1.0 / 3, 0.01);
}

TEST(VtimeShares, NiceWeighsWithinTheGroup) {
  Bench bench;
  bench.group(10, 1);
  bench.group(11, 1);
  int heavy = bench.spawn(10, 9000), light = bench.spawn(10, 1000), other = bench.spawn(11, 100);
  bench.turns(4000);
  EXPECT_NEAR(share(bench, {heavy}), 0.45, 0.01);
  EXPECT_NEAR(share(bench, {light}), 0.05, 0.01);
  EXPECT_NEAR(share(bench, {other}), 0.5, 0.01);
}

TEST(VtimeShares, FollowAWeightThatChanges) {
  Bench bench;
  bench.group(10, 1, 100);
  bench.group(11, 1, 100);
  int a = bench.spawn(10);
  bench.spawn(11);
  bench.turns(100);
  bench.time.clear();
  bench.group_weight(10, 900);
  bench.turns(1000);
  EXPECT_NEAR(share(bench, {a}), 0.9, 0.01);
  bench.time.clear();
  bench.driver.set_weight_override(CgroupId{10}, 100);
  bench.turns(1000);
  EXPECT_NEAR(share(bench, {a}), 0.5, 0.01);
}

TEST(VtimeShares, ExtremeWeights) {
  Bench bench;
  bench.group(10, 1, 10000);
  bench.group(11, 1, 1);
  int a = bench.spawn(10), b = bench.spawn(11);
  bench.turns(30000);
  EXPECT_NEAR(share(bench, {a}), 10000.0 / 10001, 0.001);
  EXPECT_GT(bench.time[b], 0ns) << "the lightest is not starved";
}

TEST(VtimeShares, PinnedTasksAreWeighedTooOnTheirCpu) {
  Bench bench({.online = 2});
  int heavy = bench.spawn_on(1, 1, 900);
  for (int i = 0; i < 9; ++i) bench.spawn_on(1, 1, 100);
  bench.turns(4000);
  EXPECT_NEAR(share(bench, {heavy}), 0.5, 0.02);
}

// ---- entitlement ----------------------------------------------------------------------------------------

TEST(VtimeEntitlement, SumsToOne) {
  Bench bench({.online = 4});
  bench.group(10, 1, 300);
  bench.group(11, 1, 50);
  bench.group(20, 10, 7);
  bench.group(21, 10, 10000);
  bench.group(30, 20, 1);
  for (std::uint64_t id : {1u, 10u, 11u, 20u, 30u, 30u}) bench.spawn(id, 10 + static_cast<std::uint32_t>(id));
  auto sum = [&] {
    double total = 0;
    bench.driver.cgroups().for_each([&](Cgroup& cgroup) { total += bench.policy.promise(cgroup).own_share; });
    return total;
  };
  EXPECT_NEAR(sum(), 1.0, 1e-9);
  bench.turns(7);
  EXPECT_NEAR(sum(), 1.0, 1e-9);
  bench.sleep(101);
  bench.sleep(103);
  EXPECT_NEAR(sum(), 1.0, 1e-9);
  bench.send(105, MUS_EVENT_EXIT);
  bench.send(104, MUS_EVENT_EXIT);
  EXPECT_NEAR(sum(), 0.5, 1e-9) << "two tasks cannot use four CPUs";
}

TEST(VtimeEntitlement, FollowsWeightsUpAndDown) {
  Bench bench;
  bench.group(10, 1, 300);
  bench.group(11, 1, 100);
  int a = bench.spawn(10), b = bench.spawn(11);
  auto entitled = [&](std::uint64_t id) { return bench.policy.promise(*bench.driver.cgroups().find(CgroupId{id})).own_share; };
  for (std::uint32_t weight : {9000u, 1u, 300u, 100u}) {
    bench.group_weight(10, weight);
    bench.known(a).weight = weight;
    bench.send(a, MUS_EVENT_WEIGHT);
    EXPECT_NEAR(entitled(10), weight / (weight + 100.0), 1e-9) << weight;
    EXPECT_NEAR(entitled(10) + entitled(11), 1.0, 1e-9) << weight;
  }
  (void)b;
}

TEST(VtimeEntitlement, IsNothingWithoutRunnableTasks) {
  Bench bench;
  bench.group(10, 1);
  EXPECT_EQ(bench.policy.promise(*bench.driver.cgroups().find(CgroupId{10})).own_share, 0);
  int a = bench.spawn(10);
  EXPECT_EQ(bench.policy.promise(*bench.driver.cgroups().find(CgroupId{10})).own_share, 1);
  bench.sleep(a);
  EXPECT_EQ(bench.policy.promise(*bench.driver.cgroups().find(CgroupId{10})).own_share, 0);
}

// One thread, however heavy, uses one CPU: the others share the rest.
TEST(VtimeEntitlement, WhatOneCannotUseTheOthersShare) {
  Bench bench({.online = 2});
  bench.group(10, 1, 10000);
  for (std::uint64_t id : {11u, 12u, 13u}) bench.group(id, 1, 100);
  for (std::uint64_t id : {10u, 11u, 12u, 13u}) bench.spawn(id);
  auto share = [&](std::uint64_t id) { return bench.policy.promise(*bench.driver.cgroups().find(CgroupId{id})).share; };
  EXPECT_NEAR(share(10), 0.5, 1e-9);
  for (std::uint64_t id : {11u, 12u, 13u}) EXPECT_NEAR(share(id), 1.0 / 6, 1e-9);
}

TEST(VtimeEntitlement, WhatAGroupCannotUseItsSiblingsShareLevelByLevel) {
  Bench bench({.online = 4});
  bench.group(10, 1, 300);  // below it one task: one CPU at most
  bench.group(11, 10, 100);
  bench.group(20, 1, 100);
  bench.group(21, 20, 300);
  bench.group(22, 20, 100);
  bench.spawn(11);
  bench.spawn(21);
  for (int i = 0; i < 8; ++i) bench.spawn(22);
  auto share = [&](std::uint64_t id) { return bench.policy.promise(*bench.driver.cgroups().find(CgroupId{id})).share; };
  EXPECT_NEAR(share(10), 0.25, 1e-9);
  EXPECT_NEAR(share(20), 0.75, 1e-9);
  EXPECT_NEAR(share(21), 0.25, 1e-9);
  EXPECT_NEAR(share(22), 0.50, 1e-9);
}

TEST(VtimeEntitlement, IsAsTheWeightsSay) {
  Bench bench;
  bench.group(10, 1, 300);
  bench.group(11, 1, 100);
  bench.spawn(10);
  bench.spawn(11);
  auto entitled = [&](std::uint64_t id) { return bench.policy.promise(*bench.driver.cgroups().find(CgroupId{id})).own_share; };
  EXPECT_NEAR(entitled(10), 0.75, 1e-9);
  EXPECT_NEAR(entitled(11), 0.25, 1e-9);
}

// ---- standing orders ------------------------------------------------------------------------------------

TEST(VtimeStanding, RefillsAtTheRateOfTheFairShare) {
  Bench bench({.online = 1});
  bench.group(10, 1, 300);
  bench.group(11, 1, 100);
  int a = bench.spawn(10), b = bench.spawn(11);
  auto order = [&](int pid) { return bench.policy.standing_order(*bench.driver.tasks().find(Pid{pid}), bench.now); };
  (void)bench.next();
  EXPECT_NEAR(order(a).rate, 0.75, 1e-9);
  EXPECT_NEAR(order(b).rate, 0.25, 1e-9);
  EXPECT_LE(order(a).budget, bench.slice) << "at most one slice is saved up";
}

}  // namespace
}  // namespace mus

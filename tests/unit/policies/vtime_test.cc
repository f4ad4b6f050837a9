// SPDX-License-Identifier: GPL-2.0-only
// Who is picked, when and how it is charged. Shares in the long run: vtime_shares_test.cc.
#include "policies/vtime.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <memory>

#include "driver_bench.h"

namespace mus {
namespace {

using Bench = fakes::DriverBench<VtimePolicy>;
constexpr Duration kSlice = 4ms;

TEST(VtimePolicy, WantsTheEventsThatItNeeds) {
  VtimePolicy policy({});
  for (auto kind : {MUS_EVENT_SLEEP, MUS_EVENT_REPORT, MUS_EVENT_WEIGHT, MUS_EVENT_AFFINITY, MUS_EVENT_CGROUP})
    EXPECT_TRUE(policy.wanted_events() & MUS_EVENT_BIT(kind)) << kind;
}

TEST(VtimePolicy, DecidesOnAnEmptyTreeWithNothing) {
  Bench bench;
  EXPECT_EQ(bench.next(), 0);
}

TEST(VtimePolicy, TheOneFurthestBehindRunsNext) {
  Bench bench;
  int a = bench.spawn(1), b = bench.spawn(1);
  int first = bench.turn();
  EXPECT_EQ(bench.turn(), first == a ? b : a);
  bench.sleep(first);
  EXPECT_EQ(bench.turn(), first == a ? b : a);
}

TEST(VtimePolicy, SleeperKeepsAtMostOneSliceOfCredit) {
  Bench bench;
  int sleeper = bench.spawn(1), spinner = bench.spawn(1);
  bench.turns(2);
  bench.sleep(sleeper);
  while (bench.time[spinner] < 500 * kSlice) ASSERT_EQ(bench.turn(), spinner);
  bench.wake(sleeper);
  Duration before = bench.time[sleeper];
  while (bench.turn() == sleeper) ASSERT_LT(bench.time[sleeper] - before, 10 * kSlice);
  EXPECT_GE(bench.time[sleeper] - before, kSlice) << "it goes first";
  EXPECT_LE(bench.time[sleeper] - before, 3 * kSlice) << "one slice of credit, and the one that begins before it is used up";
}

TEST(VtimePolicy, SleepingGroupKeepsAtMostOneSliceOfCredit) {
  Bench bench;
  bench.group(10, 1);
  bench.group(11, 1);
  int sleeper = bench.spawn(10), spinner = bench.spawn(11);
  bench.turns(2);
  bench.sleep(sleeper);
  while (bench.time[spinner] < 500 * kSlice) ASSERT_EQ(bench.turn(), spinner);
  bench.wake(sleeper);
  Duration before = bench.time[sleeper];
  while (bench.turn() == sleeper) ASSERT_LT(bench.time[sleeper] - before, 10 * kSlice);
  EXPECT_LE(bench.time[sleeper] - before, 3 * kSlice);
}

TEST(VtimePolicy, ForkStartsAtTheClock) {
  Bench bench;
  int old = bench.spawn(1);
  while (bench.time[old] < 100 * kSlice) bench.turn();
  int young = bench.spawn(1);
  Duration before = bench.time[old];
  bench.turns(10);
  EXPECT_NEAR(static_cast<double>((bench.time[old] - before).count()),
              static_cast<double>(bench.time[young].count()), static_cast<double>(2 * kSlice.count()));
}

TEST(VtimePolicy, ForkingGainsNothing) {
  Bench bench;
  bench.group(10, 1);
  bench.group(11, 1);
  int honest = bench.spawn(10);
  Duration forkers{};
  for (int i = 0; i < 400; ++i) {
    int child = bench.spawn(11);
    while (bench.turn() != child) {
    }
    forkers += bench.time[child];
    bench.send(child, MUS_EVENT_EXIT);
  }
  EXPECT_NEAR(static_cast<double>(bench.time[honest].count()), static_cast<double>(forkers.count()),
              static_cast<double>(3 * kSlice.count()));
}

TEST(VtimePolicy, ATaskThatSleepsEarlyIsChargedWhatItRan) {
  Bench bench;
  bench.group(10, 1);
  bench.group(11, 1);
  int brief = bench.spawn(10), spinner = bench.spawn(11);
  for (int i = 0; i < 4000; ++i) {
    int pid = bench.next();
    if (pid == spinner) {
      bench.run(spinner, kSlice);
    } else {
      bench.sleep(brief, 100us);
      bench.wake(brief);
    }
  }
  double ratio = static_cast<double>(bench.time[brief].count()) / static_cast<double>(bench.time[spinner].count());
  EXPECT_NEAR(ratio, 1.0, 0.1) << "a group that runs in bits has the same share as one that runs in slices";
}

TEST(VtimePolicy, ADecisionThatWasRefusedIsNotCharged) {
  Bench bench;
  int a = bench.spawn(1), b = bench.spawn(1);
  bench.turns(2);
  for (int i = 0; i < 101; ++i) {
    int pid = bench.next();
    ASSERT_NE(pid, 0);
    bench.send(pid, MUS_EVENT_REFUSED);
  }
  bench.turns(9);
  EXPECT_LE(std::chrono::abs(bench.time[a] - bench.time[b]), 2 * kSlice);
}

TEST(VtimePolicy, TimeRunWithoutADecisionIsCharged) {
  Bench bench;
  int direct = bench.spawn(1), other = bench.spawn(1);
  bench.turns(2);
  bench.sleep(direct);
  bench.send(direct, MUS_EVENT_REPORT, 10 * kSlice);  // ran on idle CPUs, by standing order
  bench.wake(direct);
  Duration before = bench.time[other];
  while (bench.turn() == other) ASSERT_LT(bench.time[other] - before, 50 * kSlice);
  EXPECT_GE(bench.time[other] - before, 7 * kSlice);
}

// It ran alone, nobody was kept waiting: whoever comes then may not be given all that time back.
TEST(VtimePolicy, RunningAloneIsNotHeldAgainstATask) {
  Bench bench;
  int old = bench.spawn(1);
  ASSERT_EQ(bench.next(), old);
  int young = bench.spawn(1);
  bench.run(old, 8s);  // kept its CPU while nothing else was due, and is heard of when its slice ends
  while (bench.turn() == young && bench.time[young] < 8s) {
  }
  EXPECT_LE(bench.time[young], 60 * kSlice) << "a task waited for another to catch up with time that nobody had wanted";
}

TEST(VtimePolicy, WeightChangeKeepsLag) {
  for (std::uint32_t weight : {10u, 1000u}) {
    Bench bench;
    int a = bench.spawn(1), b = bench.spawn(1), c = bench.spawn(1);
    bench.turns(30);
    bench.sleep(b);
    bench.turns(30);
    bench.wake(b);  // b is owed a slice
    bench.known(b).weight = weight;
    bench.send(b, MUS_EVENT_WEIGHT);
    int turns = 1;  // it has a slice of another length, in virtual time, but not of less
    while (bench.turn() != b) ASSERT_LE(++turns, 3) << weight;
    (void)a, (void)c;
  }
}

TEST(VtimePolicy, WeightChangeThereAndBackChangesNothing) {
  Bench bench;
  int a = bench.spawn(1), b = bench.spawn(1);
  bench.turns(10);
  for (int i = 0; i < 1000; ++i)
    for (std::uint32_t weight : {10000u, 1u, 100u}) {
      bench.known(a).weight = weight;
      bench.send(a, MUS_EVENT_WEIGHT);
    }
  Duration before_a = bench.time[a], before_b = bench.time[b];
  bench.turns(100);
  EXPECT_NEAR(static_cast<double>((bench.time[a] - before_a).count()),
              static_cast<double>((bench.time[b] - before_b).count()), static_cast<double>(2 * kSlice.count()));
}

TEST(VtimePolicy, CgroupMoveTakesTheTaskAlong) {
  Bench bench;
  bench.group(10, 1);
  bench.group(11, 1);
  int stays = bench.spawn(10), moves = bench.spawn(10), other = bench.spawn(11);
  bench.turns(40);
  bench.known(moves).cgroup_id = 11;
  bench.send(moves, MUS_EVENT_CGROUP);
  bench.time.clear();
  bench.turns(400);
  double total = static_cast<double>(bench.time_of({stays, moves, other}).count());
  EXPECT_NEAR(static_cast<double>(bench.time[stays].count()) / total, 0.5, 0.02);
  EXPECT_NEAR(static_cast<double>(bench.time[moves].count()) / total, 0.25, 0.02);
}

TEST(VtimePolicy, CgroupMoveInEveryStateLosesNobody) {
  Bench bench;
  bench.group(10, 1);
  bench.group(11, 10);
  int a = bench.spawn(10);
  auto move = [&](std::uint64_t to) {
    bench.known(a).cgroup_id = to;
    bench.send(a, MUS_EVENT_CGROUP);
  };
  bench.group(11, 1);
  move(11);  // waiting
  ASSERT_EQ(bench.next(), a);
  move(10);  // decided
  bench.run(a, kSlice);
  EXPECT_EQ(bench.turn(), a);
  bench.sleep(a);
  move(11);  // away
  EXPECT_EQ(bench.next(), 0);
  bench.wake(a);
  EXPECT_EQ(bench.turn(), a);
  bench.send(a, MUS_EVENT_EXIT);
  EXPECT_EQ(bench.next(), 0);
}

TEST(VtimePolicy, RemovalOfAGroupWaitsForItsTasks) {
  Bench bench;
  bench.group(10, 1);
  bench.group(11, 10);
  int a = bench.spawn(11), b = bench.spawn(1);
  bench.driver.on_event(fakes::cgroup_event(MUS_EVENT_CGROUP_GONE, 11));
  bench.driver.on_event(fakes::cgroup_event(MUS_EVENT_CGROUP_GONE, 10));
  bench.turns(10);
  EXPECT_GT(bench.time[a], 0ns);
  bench.send(a, MUS_EVENT_EXIT);
  EXPECT_EQ(bench.driver.cgroups().size(), 1u);
  EXPECT_EQ(bench.turn(), b);
  bench.group(11, 1);
  int again = bench.spawn(11);
  bench.turns(10);
  EXPECT_GT(bench.time[again], 0ns);
}

TEST(VtimePolicy, VirtualTimeMayWrapAround) {
  Bench bench;
  int a = bench.spawn(1, 1), b = bench.spawn(1, 1);
  // 10 s at weight 1 are 6.4e13 units; 2^64 units are 288 231 such runs. Two tasks take turns.
  for (int i = 0; i < 600000; ++i) {
    int pid = bench.next();
    ASSERT_NE(pid, 0);
    bench.run(pid, 10s);
  }
  EXPECT_LE(std::chrono::abs(bench.time[a] - bench.time[b]), 20s);
}

// As deep as the driver keeps cgroups, on a stack as small as that of the daemon's threads.
TEST(VtimePolicy, GroupsMayBeNestedAsDeeplyAsTheyLike) {
  static constexpr std::uint64_t kDeep = 4096;
  VtimePolicy policy({});
  PolicyDriver driver(policy, {}, {}, {.tasks = 8, .cgroups = kDeep, .cpus = 1});
  auto nest = [](void* bench) -> void* {
    auto& deep = *static_cast<PolicyDriver*>(bench);
    std::array<CpuView, 1> cpus{CpuView{.online = true}};
    for (std::uint64_t id = 1; id <= kDeep; ++id) deep.on_event(fakes::cgroup_event(MUS_EVENT_CGROUP_NEW, id, id - 1));
    std::size_t sent = 0;
    for (int pid = 1; pid <= 4; ++pid) deep.on_event(fakes::runnable(pid, 1, pid % 2 ? kDeep : 1, Time{1s}));
    deep.decide({.shared = 0, .cpus = cpus}, [&](const mus_decision&) { return ++sent; });
    EXPECT_GT(sent, 0u);
    for (int pid = 1; pid <= 4; ++pid) deep.on_event(fakes::task_event(MUS_EVENT_EXIT, pid, 1, 1, Time{2s}));
    // The last one that holds them: all of them go at once.
    deep.on_event(fakes::runnable(5, 1, kDeep, Time{3s}));
    for (std::uint64_t id = kDeep; id > 1; --id) deep.on_event(fakes::cgroup_event(MUS_EVENT_CGROUP_GONE, id));
    EXPECT_EQ(deep.cgroups().size(), kDeep);
    deep.on_event(fakes::task_event(MUS_EVENT_EXIT, 5, 1, kDeep, Time{4s}));
    EXPECT_EQ(deep.cgroups().size(), 1u);
    return nullptr;
  };
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 256 << 10);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &small, nest, &driver), 0);
  pthread_attr_destroy(&small);
  pthread_join(thread, nullptr);
}

TEST(VtimePolicy, CanGoWhileTasksWaitInNestedGroups) {
  auto bench = std::make_unique<Bench>();
  bench->group(10, 1);
  bench->group(11, 10);
  bench->spawn(1);
  bench->spawn(10);
  bench->spawn(11);
  EXPECT_EXIT((bench.reset(), std::exit(0)), testing::ExitedWithCode(0), "") << "the driver could not be destroyed";
  // Here in this process, after everyone has left.
  for (int pid : {100, 101, 102}) bench->send(pid, MUS_EVENT_EXIT);
}

}  // namespace
}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
// From the policy's decisions to records. For events see policy_driver_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/policy_driver.h"
#include "events.h"
#include "fake_policy.h"

namespace mus {
namespace {

using fakes::cgroup_event;
using fakes::runnable;
using fakes::task_event;
using testing::ElementsAre;
using testing::IsEmpty;

class Deciding : public testing::Test {
 protected:
  static constexpr PolicyDriver::Ahead kAhead{.horizon = 3ms, .min_per_cpu = 2, .max_per_cpu = 6};

  void wait(int first, int last) {
    for (int pid = first; pid <= last; ++pid) driver.on_event(runnable(pid, 1, 1));
  }
  /// Tasks that have slept before, and run for `run` then.
  void wait_briefly(int first, int last, Duration run) {
    wait(first, last);
    for (int pid = first; pid <= last; ++pid) {
      Task* task = driver.tasks().find(Pid{pid});
      task->slept_at = time_from_ns(1);
      task->expected_run = run;
    }
  }
  std::vector<int> decide(std::uint32_t queued = 0, std::size_t ring_room = 1000) {
    std::vector<int> pids;
    driver.decide({.shared = queued, .cpus = cpus}, [&](const mus_decision& d) {
      if (ring.size() >= ring_room) return false;
      ring.push_back(d);
      pids.push_back(d.pid);
      return true;
    });
    return pids;
  }
  mus_decision only_one() {
    decide();
    EXPECT_EQ(ring.size(), 1u);
    return ring.empty() ? mus_decision{} : ring.back();
  }

  fakes::FakePolicy policy;
  std::vector<CpuView> cpus{{.online = true}};
  PolicyDriver driver{policy, {}, kAhead, {.tasks = 64, .cgroups = 4, .cpus = 4}};
  std::vector<mus_decision> ring;
};

TEST_F(Deciding, ARecordSaysWhatThePolicyDecided) {
  driver.on_event(runnable(7, 42, 1));
  mus_decision d = only_one();
  EXPECT_EQ(d.pid, 7);
  EXPECT_EQ(d.generation, 42u);
  EXPECT_EQ(d.target, MUS_TARGET_ANY);
  EXPECT_EQ(d.slice_ns, 1000000u);
  EXPECT_EQ(d.flags, static_cast<unsigned>(MUS_DECIDE_MOVE | MUS_DECIDE_STANDING));
  EXPECT_EQ(d.reserved, 0u);
  EXPECT_EQ(driver.counters().decisions, 1u);
}

TEST_F(Deciding, OrdersRiseAndLeaveRoomForResumedTasks) {
  wait(1, 4);
  decide();
  decide();
  ASSERT_EQ(ring.size(), 4u);
  EXPECT_GT(ring[0].order, 0u);
  for (std::size_t i = 1; i < ring.size(); ++i) EXPECT_GT(ring[i].order, ring[i - 1].order);
}

TEST_F(Deciding, AnUrgentDecisionNeedsAStandingOrderAndGoesFirst) {
  policy.spoil = [](Decision& d) { d.urgent = true; };
  driver.on_event(runnable(1, 1, 1, Time{1s}));
  mus_decision d = only_one();
  EXPECT_FALSE(d.flags & MUS_DECIDE_URGENT) << "nothing says whom it may interrupt";
  std::uint64_t ordinary = d.order;
  ring.clear();
  policy.standing = {.slice = 1ms, .min_run = 500us, .budget = 4ms, .valid_for = 1s, .rate = 1};
  wait(2, 2);
  d = only_one();
  EXPECT_TRUE(d.flags & MUS_DECIDE_URGENT);
  EXPECT_LT(d.order, ordinary);
  EXPECT_GT(d.order, 0u) << "tasks that resume an interrupted slice come before";
}

// Horizon 3 ms: three tasks for one CPU.
TEST_F(Deciding, DecidesAheadUpToTheHorizon) {
  policy.spoil = [](Decision& d) { d.slice = 4ms; };
  wait_briefly(1, 10, 1ms);
  EXPECT_THAT(decide(), ElementsAre(1, 2, 3));
  EXPECT_THAT(decide(3), IsEmpty()) << "none has begun";
  EXPECT_THAT(decide(2), ElementsAre(4));
}

TEST_F(Deciding, WhoUsesMostOfItsSliceFillsTheHorizonAlone) {
  policy.spoil = [](Decision& d) { d.slice = 4ms; };
  wait_briefly(1, 10, 2500us);
  EXPECT_THAT(decide(), ElementsAre(1, 2)) << "the minimum, not one by one until 3 ms are filled";
  driver.on_event(runnable(11, 1, 1));
  EXPECT_THAT(decide(2), IsEmpty());
}

TEST_F(Deciding, OneThatHasNeverSleptMayUseItsSlice) {
  policy.spoil = [](Decision& d) { d.slice = 4ms; };
  wait(1, 10);
  EXPECT_THAT(decide(), ElementsAre(1, 2));
}

TEST_F(Deciding, DecidesAtLeastTheMinimumForEachCpu) {
  policy.spoil = [](Decision& d) { d.slice = 100ms; };
  for (int pid = 1; pid <= 10; ++pid) {
    driver.on_event(runnable(pid, 1, 1));
    driver.tasks().find(Pid{pid})->expected_run = 50ms;
  }
  EXPECT_EQ(decide().size(), 2u);
  cpus.resize(3, {.online = true});
  EXPECT_EQ(decide().size(), 6u);
}

TEST_F(Deciding, DecidesNoMoreThanTheMaximumHoweverShortTheTasksAre) {
  wait_briefly(1, 20, 1us);
  EXPECT_EQ(decide().size(), 6u);
}

// Else one that may run on one CPU alone would miss its turn there while others wait for any CPU.
TEST_F(Deciding, AsksForPinnedTasksWhenEnoughIsDecidedForAnyCpu) {
  wait_briefly(1, 20, 1us);
  policy.pinned = Cpu{0};
  decide();
  ASSERT_EQ(ring.size(), 20u);
  for (std::size_t i = 0; i < ring.size(); ++i) EXPECT_EQ(ring[i].target, i < 6 ? MUS_TARGET_ANY : 0) << i;
  policy.pinned.reset();
  ring.clear();
  wait(21, 40);
  EXPECT_THAT(decide(6), IsEmpty());
}

// It would wait for all that is decided already, and may be owed nearly all of a CPU.
TEST_F(Deciding, WhoGoesFirstIsDecidedOnThoughThereIsEnoughButNotWithoutEnd) {
  class First : public fakes::FakePolicy {
    bool decide_pinned(const Room& room, Decision& decision, Time now) override {
      if (room.full || !decide(room, decision, now)) return false;
      decision.early = 1ms;
      return true;
    }
  } first;
  driver.use(first);
  wait_briefly(1, 10, 2500us);
  EXPECT_THAT(decide(), ElementsAre(1, 2, 3, 4, 5, 6)) << "two are enough, six the most";
  EXPECT_LT(static_cast<std::int64_t>(ring[2].order - ring[1].order), 0);
  EXPECT_THAT(decide(6), IsEmpty());
  EXPECT_EQ(driver.counters().bad_decisions, 0u);
}

TEST_F(Deciding, APinnedDecisionWithoutACpuIsNonsense) {
  policy.pinned = Cpu{0};
  wait_briefly(1, 7, 1us);
  decide();
  ring.clear();
  class AnyCpu : public fakes::FakePolicy {
    bool decide_pinned(const Room& room, Decision& decision, Time now) override { return decide(room, decision, now); }
  } any;
  driver.use(any);
  wait(8, 8);
  EXPECT_THAT(decide(6), IsEmpty());
  EXPECT_EQ(driver.counters().bad_decisions, 1u);
}

TEST_F(Deciding, ACpuWhoseTaskGoesOnFirstNeedsNoFeeding) {
  cpus.resize(3, {.online = true});
  policy.spoil = [](Decision& d) {
    d.cpu = Cpu{1};
    d.slice = 100ms;
    d.early = 8ms;
  };
  mus_event running = task_event(MUS_EVENT_RUNNING, 1, 1, 1);
  wait(1, 1);
  driver.on_event(running);
  EXPECT_THAT(decide(), ElementsAre(1));
  policy.spoil = [](Decision& d) { d.slice = 100ms; };
  wait(2, 20);
  EXPECT_EQ(decide().size(), 4u) << "two for each of the others";
}

TEST_F(Deciding, WhatIsEarlyGoesBeforeWhatWasDecidedSoMuchEarlierAtMost) {
  auto order = [&](int pid, Duration at, Duration early) {
    policy.spoil = [early](Decision& d) { d.early = early; };
    driver.on_event(runnable(pid, 1, 1, Time{10s + at}));
    ring.clear();
    return only_one().order;
  };
  std::uint64_t first = order(1, 0ms, 0ms), second = order(2, 4ms, 5ms), third = order(3, 8ms, 5ms);
  EXPECT_LT(second, first);
  EXPECT_LT(first, third);
  EXPECT_LT(order(4, 9ms, Duration::max()) + MUS_ORDER_SPAN_NS, to_ns(Time{10s + 9ms}) + 1000);
  EXPECT_GT(order(5, 9ms, Duration::min() + 1ns), to_ns(Time{10s + 9ms}) + MUS_ORDER_SPAN_NS - 1000);
}

TEST_F(Deciding, OfflineCpusNeedNoFeeding) {
  policy.spoil = [](Decision& d) { d.slice = 100ms; };
  cpus = {{.online = true}, {.online = false}, {.online = false}};
  wait(1, 10);
  for (int pid = 1; pid <= 10; ++pid) driver.tasks().find(Pid{pid})->expected_run = 50ms;
  EXPECT_EQ(decide().size(), 2u);
}

// Else those who may run nowhere else would fill the queue of those who may.
TEST_F(Deciding, ATakenCpuNeedsNoFeedingButKeepsItsOwn) {
  policy.spoil = [](Decision& d) {
    d.slice = 100ms;
    if (raw(d.task->pid) == 1) d.cpu = Cpu{1};
  };
  cpus = {{.online = true}, {.online = true, .taken = true}};
  wait(1, 10);
  EXPECT_THAT(decide(), ElementsAre(1, 2, 3));
  EXPECT_EQ(ring[0].target, 1);
}

TEST_F(Deciding, AFullRingKeepsTheDecisionAndSendsItFirst) {
  wait(1, 3);
  EXPECT_THAT(decide(0, 1), ElementsAre(1));
  EXPECT_EQ(driver.counters().decisions, 2u) << "the second is kept";
  EXPECT_EQ(driver.tasks().find(Pid{2})->state, Task::State::kDecided);
  EXPECT_THAT(decide(0, 1), IsEmpty()) << "still full";
  ring.clear();
  EXPECT_THAT(decide(), ElementsAre(2, 3));
  EXPECT_EQ(driver.waiting(), 0u);
}

TEST_F(Deciding, AKeptDecisionOfATaskThatExitedHurtsNobody) {
  wait(1, 1);
  EXPECT_THAT(decide(0, 0), IsEmpty());
  driver.on_event(task_event(MUS_EVENT_EXIT, 1, 1, 1));
  decide();
  ASSERT_LE(ring.size(), 1u);
  EXPECT_EQ(driver.tasks().size(), 0u);
}

TEST_F(Deciding, StopsWhenThePolicyHasNothing) {
  EXPECT_THAT(decide(), IsEmpty());
  EXPECT_EQ(policy.decide_calls, 0u) << "it is not even asked";
  wait(1, 1);
  decide();
  EXPECT_LE(policy.decide_calls, 2u);
}

TEST_F(Deciding, NonsenseIsRefusedAndCounted) {
  Task stranger;
  const std::vector<std::function<void(Decision&)>> nonsense{
      [](Decision& d) { d.task = nullptr; },
      [&](Decision& d) { d.task = &stranger; },
      [](Decision& d) { d.slice = 0ns; },
      [](Decision& d) { d.slice = -1ns; },
      [](Decision& d) { d.slice = Duration{MUS_SLICE_MIN_NS - 1}; },
      [](Decision& d) { d.slice = Duration{MUS_SLICE_MAX_NS + 1}; },
      [](Decision& d) { d.cpu = Cpu{4}; },
      [](Decision& d) { d.cpu = Cpu{-1}; },
  };
  for (std::size_t i = 0; i < nonsense.size(); ++i) {
    SCOPED_TRACE(i);
    policy.spoil = nonsense[i];
    int pid = static_cast<int>(i) + 1;
    driver.on_event(runnable(pid, 1, 1));
    EXPECT_THAT(decide(), IsEmpty());
    EXPECT_EQ(driver.counters().bad_decisions, i + 1);
    policy.spoil = nullptr;
    driver.on_event(runnable(pid, 2, 1));  // the kernel half ran it meanwhile
    EXPECT_THAT(decide(), ElementsAre(pid)) << "and the task can be decided on again";
  }
  EXPECT_EQ(driver.waiting(), 0u);
}

TEST_F(Deciding, ATaskThatDoesNotWaitCannotBeDecidedOn) {
  wait(1, 1);
  decide();
  Task* away = driver.tasks().find(Pid{1});
  wait(2, 2);
  policy.spoil = [&](Decision& d) { d.task = away; };
  EXPECT_THAT(decide(), IsEmpty());
  EXPECT_EQ(driver.counters().bad_decisions, 1u);
}

TEST_F(Deciding, TheLargestSliceAndCpuAreFine) {
  policy.spoil = [](Decision& d) { d.slice = Duration{MUS_SLICE_MAX_NS}, d.cpu = Cpu{3}; };
  wait(1, 1);
  EXPECT_EQ(only_one().target, 3);
}

TEST_F(Deciding, AStandingOrderGoesWithTheDecision) {
  policy.standing = {.slice = 1ms, .min_run = 500us, .budget = 4ms, .valid_for = 1s, .rate = 0.5};
  wait(1, 1);
  mus_decision d = only_one();
  EXPECT_EQ(d.standing_slice_ns, 1000000u);
  EXPECT_EQ(d.standing_min_run_ns, 500000u);
  EXPECT_EQ(d.standing_budget_ns, 4000000u);
  EXPECT_EQ(d.standing_valid_ns, 1000000000u);
  EXPECT_EQ(d.standing_rate, MUS_STANDING_RATE_ONE / 2);
}

TEST_F(Deciding, AStandingOrderSaysHowItIsObeyed) {
  policy.standing = {.slice = 1ms, .in_turn = true};
  wait(1, 1);
  EXPECT_EQ(only_one().standing_flags, static_cast<unsigned>(MUS_STANDING_IN_TURN));
  ring.clear();
  policy.standing = {.slice = 1ms, .again = true};
  wait(2, 2);
  EXPECT_EQ(only_one().standing_flags, static_cast<unsigned>(MUS_STANDING_AGAIN));
  ring.clear();
  policy.standing = {.slice = 1ms, .returns = true};
  wait(3, 3);
  EXPECT_EQ(only_one().standing_flags, static_cast<unsigned>(MUS_STANDING_RETURNS));
  ring.clear();
  policy.standing = {.slice = 0ns, .in_turn = true, .again = true, .returns = true};
  wait(4, 4);
  EXPECT_EQ(only_one().standing_flags, 0u) << "no order";
}

// What is decided while it runs counts as decided ahead until it begins; that a task goes on by standing order then, a REPORT says.
TEST_F(Deciding, WhatWasDecidedAheadHasBegunWhenItIsReported) {
  driver.on_event(task_event(MUS_EVENT_RUNNING, 1, 1, 1));
  driver.on_event(task_event(MUS_EVENT_RUNNING, 2, 1, 1));
  EXPECT_THAT(decide(), ElementsAre(1, 2));
  wait(3, 3);
  EXPECT_THAT(decide(), IsEmpty()) << "two go on, and the CPU has enough";
  driver.on_event(task_event(MUS_EVENT_REPORT, 1, 1, 1));
  EXPECT_THAT(decide(), ElementsAre(1, 3)) << "its order is renewed, and there is room";
}

TEST_F(Deciding, NoStandingOrderRevokesAnEarlierOne) {
  policy.standing = {.slice = 0ns, .min_run = 500us, .budget = 4ms, .valid_for = 1s, .rate = 1};
  wait(1, 1);
  mus_decision d = only_one();
  EXPECT_TRUE(d.flags & MUS_DECIDE_STANDING);
  EXPECT_EQ(d.standing_slice_ns + d.standing_min_run_ns + d.standing_budget_ns + d.standing_valid_ns, 0u);
  EXPECT_EQ(d.standing_rate + d.standing_flags, 0u);
}

TEST_F(Deciding, StandingOrdersAreClampedToWhatTheKernelHalfTakes) {
  policy.standing = {.slice = 1ns, .min_run = -1s, .budget = 1h, .valid_for = 24h, .rate = 17};
  wait(1, 1);
  mus_decision d = only_one();
  EXPECT_EQ(d.standing_slice_ns, MUS_SLICE_MIN_NS);
  EXPECT_EQ(d.standing_min_run_ns, 0u);
  EXPECT_EQ(d.standing_budget_ns, MUS_SLICE_MAX_NS);
  EXPECT_EQ(d.standing_valid_ns, 60 * MUS_SLICE_MAX_NS);
  EXPECT_EQ(d.standing_rate, MUS_STANDING_RATE_MAX);
  ring.clear();
  policy.standing = {.slice = 1h, .rate = -1};
  wait(2, 2);
  d = only_one();
  EXPECT_EQ(d.standing_slice_ns, MUS_SLICE_MAX_NS);
  EXPECT_EQ(d.standing_rate, 0u);
  ring.clear();
  policy.standing = {.slice = 1ms, .rate = std::numeric_limits<double>::quiet_NaN()};
  wait(3, 3);
  EXPECT_EQ(only_one().standing_rate, 0u);
}

TEST_F(Deciding, AReportRenewsTheStandingOrder) {
  policy.standing = {.slice = 1ms, .budget = 4ms, .valid_for = 1s, .rate = 1};
  wait(1, 1);
  decide();
  ring.clear();
  mus_event report = task_event(MUS_EVENT_REPORT, 1, 1, 1);
  report.run_ns = 100;
  driver.on_event(report);
  EXPECT_THAT(decide(), ElementsAre(1));
  EXPECT_EQ(ring[0].flags, static_cast<unsigned>(MUS_DECIDE_STANDING)) << "it moves nothing";
  EXPECT_THAT(decide(), IsEmpty()) << "once";
}

TEST_F(Deciding, AReportOfATaskThatExitedRenewsNothing) {
  wait(1, 1);
  decide();
  driver.on_event(task_event(MUS_EVENT_REPORT, 1, 1, 1));
  driver.on_event(task_event(MUS_EVENT_EXIT, 1, 1, 1));
  ring.clear();
  EXPECT_THAT(decide(), IsEmpty());
}

TEST_F(Deciding, MoreReportsThanFitAreDroppedWithoutHarm) {
  wait(1, 1);
  decide();
  for (int i = 0; i < 1000; ++i) driver.on_event(task_event(MUS_EVENT_REPORT, 1, 1, 1));
  ring.clear();
  EXPECT_LE(decide().size(), 1000u);
  wait(2, 2);
  EXPECT_THAT(decide(), ElementsAre(2));
}

TEST_F(Deciding, TheDriverCanGoWhileTasksWait) {
  auto another = std::make_unique<PolicyDriver>(policy, PolicyConfig{}, kAhead,
                                                PolicyDriver::Sizes{.tasks = 4, .cgroups = 4, .cpus = 1});
  another->on_event(runnable(1, 1, 5));
  another.reset();
}

}  // namespace
}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
// What events do to tasks, cgroups and the policy. For decisions see policy_driver_decide_test.cc.
#include "core/policy_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "events.h"
#include "fake_policy.h"

namespace mus {
namespace {

using fakes::cgroup_event;
using fakes::runnable;
using fakes::task_event;
using testing::ElementsAre;
using testing::IsEmpty;

class Driver : public testing::Test {
 protected:
  Driver() {
    driver.on_event(cgroup_event(MUS_EVENT_CGROUP_NEW, 1));
    driver.on_event(cgroup_event(MUS_EVENT_CGROUP_NEW, 10, 1, 200));
    driver.on_event(cgroup_event(MUS_EVENT_CGROUP_NEW, 11, 1, 300));
    policy.log.clear();
  }
  Task& task(int pid) { return *driver.tasks().find(Pid{pid}); }
  Cgroup* cgroup(std::uint64_t id) { return driver.cgroups().find(CgroupId{id}); }
  std::vector<mus_decision> decide() {
    std::vector<mus_decision> sent;
    CpuView cpu{.online = true};
    driver.decide({.shared = 0, .cpus = {&cpu, 1}}, [&](const mus_decision& d) { return sent.push_back(d), true; });
    return sent;
  }
  std::vector<std::string> log() { return std::exchange(policy.log, {}); }

  fakes::FakePolicy policy;
  PolicyDriver driver{policy, {}, {}, {.tasks = 4, .cgroups = 4, .cpus = 2}};
};

TEST_F(Driver, TellsThePolicyOfTheRootBeforeAnythingElse) {
  fakes::FakePolicy fresh;
  PolicyDriver another{fresh, {}, {}, {.tasks = 1, .cgroups = 1, .cpus = 1}};
  ASSERT_EQ(fresh.log.size(), 1u);
  EXPECT_EQ(fresh.log[0].substr(0, 5), "added");
}

TEST_F(Driver, RunnableGivesTheTaskToThePolicy) {
  mus_event e = runnable(7, 3, 10, time_from_ns(500), true);
  e.weight = 250;
  e.cpu = 1;
  e.flags |= MUS_EVENT_KTHREAD;
  driver.on_event(e);
  EXPECT_THAT(log(), ElementsAre("runnable 7 woke"));
  EXPECT_EQ(task(7).state, Task::State::kWaiting);
  EXPECT_EQ(task(7).generation, 3u);
  EXPECT_EQ(task(7).weight, Weight{250});
  EXPECT_EQ(task(7).cgroup, cgroup(10));
  EXPECT_EQ(task(7).last_cpu, Cpu{1});
  EXPECT_TRUE(task(7).kernel_thread);
  EXPECT_EQ(cgroup(10)->users, 1u);
  EXPECT_EQ(driver.waiting(), 1u);
  EXPECT_EQ(driver.now(), time_from_ns(500));
}

TEST_F(Driver, TheFirstEventOfATaskEndsTheFormerOneOfThatPid) {
  driver.on_event(runnable(7, 1, 10));
  mus_event e = runnable(7, 5, 11);
  e.flags |= MUS_EVENT_NEW_TASK;
  driver.on_event(e);
  EXPECT_THAT(log(), ElementsAre("runnable 7", "stopped 7", "runnable 7"));
  EXPECT_EQ(task(7).cgroup, cgroup(11));
  EXPECT_EQ(cgroup(10)->users, 0u);
  EXPECT_EQ(driver.waiting(), 1u);
}

TEST_F(Driver, ATaskDecidedOnCanBeAnnouncedAgain) {
  driver.on_event(runnable(7, 1, 10));
  ASSERT_EQ(decide().size(), 1u);
  EXPECT_EQ(task(7).state, Task::State::kDecided);
  driver.on_event(runnable(7, 2, 10));
  EXPECT_EQ(task(7).state, Task::State::kWaiting);
  EXPECT_THAT(log(), ElementsAre("runnable 7", "runnable 7"));
}

TEST_F(Driver, AWaitingTaskAnnouncedAgainIsTakenBackFirst) {
  driver.on_event(runnable(7, 1, 10));
  driver.on_event(runnable(7, 2, 10));
  EXPECT_THAT(log(), ElementsAre("runnable 7", "stopped 7", "runnable 7"));
  EXPECT_EQ(driver.waiting(), 1u);
  ASSERT_EQ(decide().size(), 1u);
  EXPECT_EQ(driver.waiting(), 0u);
}

TEST_F(Driver, SleepTakesTheTaskFromThePolicy) {
  driver.on_event(runnable(7, 1, 10));
  driver.on_event(task_event(MUS_EVENT_SLEEP, 7, 1, 10));
  EXPECT_THAT(log(), ElementsAre("runnable 7", "stopped 7"));
  EXPECT_EQ(task(7).state, Task::State::kAway);
  EXPECT_EQ(driver.waiting(), 0u);
  EXPECT_THAT(decide(), IsEmpty());
}

TEST_F(Driver, SleepOfATaskThatIsAwayTellsThePolicyNothing) {
  driver.on_event(runnable(7, 1, 10));
  driver.on_event(task_event(MUS_EVENT_SLEEP, 7, 1, 10));
  log();
  driver.on_event(task_event(MUS_EVENT_SLEEP, 7, 1, 10));
  EXPECT_THAT(log(), IsEmpty());
}

TEST_F(Driver, LearnsHowLongATaskRunsBeforeItSleeps) {
  for (std::uint64_t generation = 1; generation < 40; ++generation) {
    driver.on_event(runnable(7, generation, 10, {}, true));
    mus_event e = task_event(MUS_EVENT_SLEEP, 7, generation, 10);
    e.run_ns = 200000;
    driver.on_event(e);
  }
  EXPECT_NEAR(static_cast<double>(task(7).expected_run.count()), 200000, 2000);
  EXPECT_EQ(task(7).burst, 0ns);
}

// The kernel half may have gone on alone for a minute, and reports all of that at once.
TEST_F(Driver, AfterAdoptionATaskIsChargedOnlyForWhatItRanSince) {
  driver.begin_after_another(time_from_ns(1'000'000));
  mus_event e = runnable(7, 1, 10, time_from_ns(1'000'000));
  e.run_ns = 60'000'000'000;
  driver.on_event(e);
  EXPECT_THAT(log(), ElementsAre("ran 7 0", "runnable 7"));
  e = runnable(8, 1, 10, time_from_ns(1'400'000));
  e.run_ns = 60'000'000'000;
  driver.on_event(e);
  EXPECT_THAT(log(), ElementsAre("ran 8 400000", "runnable 8"));
  e = runnable(8, 2, 10, time_from_ns(9'000'000));
  e.run_ns = 3000;
  driver.on_event(e);
  EXPECT_EQ(log().front(), "ran 8 3000");
}

// Else what the dead daemon had queued would wait until the new one had decided as often as that.
TEST_F(Driver, AfterAdoptionWhatAnotherHadDecidedComesFirst) {
  for (std::uint64_t generation = 1; generation < 100; ++generation) {
    driver.on_event(runnable(7, generation, 10));
    (void)decide();
  }
  driver.on_event(runnable(7, 100, 10));
  auto before = decide();
  fakes::FakePolicy fresh;
  PolicyDriver next{fresh, {}, {}, {.tasks = 4, .cgroups = 4, .cpus = 2}};
  next.begin_after_another(time_from_ns(5'000'000'000));
  next.on_event(runnable(8, 1, 10, time_from_ns(5'000'000'000)));
  CpuView cpu{.online = true};
  std::vector<mus_decision> after;
  next.decide({.shared = 0, .cpus = {&cpu, 1}}, [&](const mus_decision& d) { return after.push_back(d), true; });
  ASSERT_TRUE(before.size() == 1 && after.size() == 1);
  EXPECT_LT(before[0].order, after[0].order);
}

TEST_F(Driver, ChargesRunTimeBeforeItTellsOfTheChange) {
  driver.on_event(runnable(7, 1, 10));
  (void)decide();
  log();
  mus_event e = task_event(MUS_EVENT_SLEEP, 7, 1, 10);
  e.run_ns = 3000;
  driver.on_event(e);
  EXPECT_THAT(log(), ElementsAre("ran 7 3000", "stopped 7"));
  EXPECT_EQ(cgroup(10)->run_time, 3us);
}

TEST_F(Driver, RunTimeIsBoundedAgainstNonsense) {
  driver.on_event(runnable(7, 1, 10));
  mus_event e = runnable(7, 2, 10);
  e.run_ns = ~0ull;
  driver.on_event(e);
  EXPECT_EQ(cgroup(10)->run_time, 10s);
}

// A task may have run for long before it is first held: on an idle CPU, say.
TEST_F(Driver, RunTimeInTheFirstEventCountsForTheCgroup) {
  mus_event e = runnable(7, 1, 10);
  e.run_ns = 5000;
  driver.on_event(e);
  EXPECT_EQ(cgroup(10)->run_time, 5us);
}

TEST_F(Driver, ExitForgetsTheTaskWhereverItIs) {
  driver.on_event(runnable(7, 1, 10));
  driver.on_event(runnable(8, 1, 10));
  (void)decide();
  driver.on_event(runnable(8, 2, 10));
  log();
  driver.on_event(task_event(MUS_EVENT_EXIT, 7, 1, 10));
  driver.on_event(task_event(MUS_EVENT_EXIT, 8, 2, 10));
  EXPECT_THAT(log(), ElementsAre("stopped 7", "stopped 8"));
  EXPECT_EQ(driver.tasks().size(), 0u);
  EXPECT_EQ(cgroup(10)->users, 0u);
  EXPECT_EQ(driver.waiting(), 0u);
  EXPECT_THAT(decide(), IsEmpty());
}

TEST_F(Driver, EventsOnUnknownTasksAreIgnored) {
  for (auto kind : {MUS_EVENT_SLEEP, MUS_EVENT_EXIT, MUS_EVENT_REPORT, MUS_EVENT_WEIGHT, MUS_EVENT_AFFINITY,
                    MUS_EVENT_CGROUP, MUS_EVENT_REFUSED})
    driver.on_event(task_event(kind, 7, 1, 10));
  EXPECT_THAT(log(), IsEmpty());
  EXPECT_EQ(driver.tasks().size(), 0u);
  EXPECT_EQ(driver.counters().bad_events, 0u);
}

TEST_F(Driver, RefusedDecisionGivesTheTaskBack) {
  driver.on_event(runnable(7, 1, 10));
  (void)decide();
  driver.on_event(task_event(MUS_EVENT_REFUSED, 7, 1, 10));
  EXPECT_EQ(task(7).state, Task::State::kWaiting);
  EXPECT_EQ(driver.counters().refused, 1u);
  auto again = decide();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].generation, 1u);
}

TEST_F(Driver, RefusalOfAnOlderDecisionChangesNothing) {
  driver.on_event(runnable(7, 1, 10));
  (void)decide();
  driver.on_event(runnable(7, 2, 10));
  (void)decide();
  log();
  driver.on_event(task_event(MUS_EVENT_REFUSED, 7, 1, 10));
  EXPECT_EQ(task(7).state, Task::State::kDecided);
  EXPECT_THAT(log(), IsEmpty());
}

TEST_F(Driver, ResyncRepeatsNothingThatIsKnown) {
  driver.on_event(runnable(7, 1, 10));
  log();
  mus_event e = runnable(7, 1, 10);
  e.flags |= MUS_EVENT_RESYNC;
  driver.on_event(e);
  EXPECT_THAT(log(), IsEmpty());
  EXPECT_EQ(driver.waiting(), 1u);
}

TEST_F(Driver, ResyncBringsBackWhatWasLost) {
  mus_event e = runnable(7, 1, 10);
  e.flags |= MUS_EVENT_RESYNC;
  driver.on_event(e);
  EXPECT_EQ(driver.waiting(), 1u) << "its first event was lost";
  (void)decide();
  driver.on_event(e);
  EXPECT_EQ(task(7).state, Task::State::kWaiting) << "held still: the decision was lost";
  EXPECT_EQ(driver.waiting(), 1u);
}

TEST_F(Driver, PassesOnANewWeight) {
  driver.on_event(runnable(7, 1, 10));
  log();
  mus_event e = task_event(MUS_EVENT_WEIGHT, 7, 1, 10);
  e.weight = 20000;
  driver.on_event(e);
  EXPECT_THAT(log(), ElementsAre("changed 7 weight"));
  EXPECT_EQ(task(7).weight, Weight{Weight::kMax});
  EXPECT_EQ(task(7).state, Task::State::kWaiting);
}

TEST_F(Driver, PassesOnANewAffinity) {
  driver.on_event(runnable(7, 1, 10));
  log();
  mus_event e = task_event(MUS_EVENT_AFFINITY, 7, 1, 10);
  e.affinity = MUS_AFFINITY_ONE;
  e.allowed_cpu = 1;
  driver.on_event(e);
  EXPECT_THAT(log(), ElementsAre("changed 7 affinity"));
  EXPECT_EQ(task(7).affinity, Affinity::kOne);
  EXPECT_EQ(task(7).allowed_cpu, Cpu{1});
}

TEST_F(Driver, AFirstEventIsNoChange) {
  mus_event e = runnable(7, 1, 10);
  e.weight = 900;
  e.affinity = MUS_AFFINITY_ONE;
  driver.on_event(e);
  EXPECT_THAT(log(), ElementsAre("runnable 7"));
}

TEST_F(Driver, MovesATaskBetweenCgroups) {
  driver.on_event(runnable(7, 1, 10));
  log();
  mus_event e = task_event(MUS_EVENT_CGROUP, 7, 1, 11);
  e.run_ns = 500;
  driver.on_event(e);
  EXPECT_THAT(log(), ElementsAre("ran 7 500", "changed 7 cgroup from 10"));
  EXPECT_EQ(task(7).cgroup, cgroup(11));
  EXPECT_EQ(cgroup(10)->users, 0u);
  EXPECT_EQ(cgroup(11)->users, 1u);
  EXPECT_EQ(cgroup(10)->run_time, 500ns) << "it ran before it moved";
}

TEST_F(Driver, MovingOutOfARemovedCgroupFreesIt) {
  driver.on_event(runnable(7, 1, 10));
  driver.on_event(cgroup_event(MUS_EVENT_CGROUP_GONE, 10));
  EXPECT_NE(cgroup(10), nullptr);
  driver.on_event(task_event(MUS_EVENT_CGROUP, 7, 1, 11));
  EXPECT_EQ(cgroup(10), nullptr);
}

TEST_F(Driver, AnUnknownCgroupIsAChildOfTheRoot) {
  driver.on_event(runnable(7, 1, 99));
  ASSERT_NE(cgroup(99), nullptr);
  EXPECT_EQ(cgroup(99)->parent, &driver.cgroups().root());
  EXPECT_THAT(log(), ElementsAre("added cgroup 99", "runnable 7"));
}

TEST_F(Driver, AnUnknownCgroupHasItsWeightWhenTheKernelTells) {
  driver.on_event(runnable(7, 1, 99));
  driver.on_event(cgroup_event(MUS_EVENT_CGROUP_NEW, 99, 1, 700));
  EXPECT_EQ(cgroup(99)->weight(), Weight{700});
}

TEST_F(Driver, TasksShareTheRootWhenThereAreTooManyCgroups) {
  for (int pid = 1; pid <= 4; ++pid) driver.on_event(runnable(pid, 1, 100 + static_cast<std::uint64_t>(pid)));
  EXPECT_EQ(task(4).cgroup, &driver.cgroups().root());
  driver.on_event(task_event(MUS_EVENT_EXIT, 3, 1, 103));
  driver.on_event(task_event(MUS_EVENT_EXIT, 4, 1, 104));
  EXPECT_EQ(driver.cgroups().root().users, 1u + 4u) << "itself and its children";
}

TEST_F(Driver, CgroupWeightAndRemovalReachThePolicy) {
  driver.on_event(cgroup_event(MUS_EVENT_CGROUP_WEIGHT, 10, 0, 777));
  driver.on_event(cgroup_event(MUS_EVENT_CGROUP_GONE, 10));
  EXPECT_THAT(log(), ElementsAre("weight cgroup 10", "removed cgroup 10"));
  EXPECT_EQ(cgroup(10), nullptr);
}

TEST_F(Driver, AnOverrideOutlivesTheKernelsWeight) {
  driver.set_weight_override(CgroupId{10}, 900);
  driver.on_event(cgroup_event(MUS_EVENT_CGROUP_WEIGHT, 10, 0, 777));
  EXPECT_EQ(cgroup(10)->weight(), Weight{900});
  driver.set_weight_override(CgroupId{10}, 0);
  EXPECT_EQ(cgroup(10)->weight(), Weight{777});
  EXPECT_THAT(log(), ElementsAre("weight cgroup 10", "weight cgroup 10", "weight cgroup 10"));
}

TEST_F(Driver, AnOverrideWaitsForItsCgroup) {
  driver.set_weight_override(CgroupId{50}, 900);
  driver.on_event(cgroup_event(MUS_EVENT_CGROUP_NEW, 50, 1, 100));
  EXPECT_EQ(cgroup(50)->weight(), Weight{900});
}

TEST_F(Driver, BadEventsAreCountedAndIgnored) {
  std::vector<mus_event> bad(11, runnable(7, 1, 10));
  bad[0].kind = MUS_EVENT_NONE;
  bad[1].kind = MUS_EVENT_KINDS;
  bad[2].cpu = -1;
  bad[3].cpu = MUS_MAX_CPUS;
  bad[4].affinity = MUS_AFFINITY_ONE + 1;
  bad[5].pid = 0;  // RUNNABLE is about a task
  bad[6].affinity = bad[7].affinity = MUS_AFFINITY_ONE;  // on a CPU that cannot be
  bad[6].allowed_cpu = -1;
  bad[7].allowed_cpu = MUS_MAX_CPUS;
  bad[8].now_ns = bad[9].wake_ns = bad[10].sleep_ns = ~0ull;  // differences of such times would overflow
  for (const mus_event& e : bad) driver.on_event(e);
  EXPECT_EQ(driver.counters().bad_events, bad.size());
  EXPECT_EQ(driver.tasks().size(), 0u);
  EXPECT_THAT(log(), IsEmpty());
}

TEST_F(Driver, ARecordOfAnotherSizeIsABadEvent) {
  std::array<mus_event, 2> records{runnable(7, 1, 10), runnable(8, 1, 10)};
  for (std::size_t bytes : {std::size_t{0}, sizeof(mus_event) - 1, sizeof(mus_event) + 1, sizeof(records)})
    driver.on_record(records.data(), bytes);
  EXPECT_EQ(driver.counters().bad_events, 4u);
  EXPECT_EQ(driver.tasks().size(), 0u);
  driver.on_record(records.data(), sizeof(mus_event));
  EXPECT_EQ(task(7).state, Task::State::kWaiting);
}

TEST_F(Driver, TasksBeyondTheTableAreLeftToTheKernel) {
  for (int pid = 1; pid <= 6; ++pid) driver.on_event(runnable(pid, 1, 10));
  EXPECT_EQ(driver.tasks().size(), 4u);
  EXPECT_EQ(driver.counters().shed, 2u);
  driver.on_event(task_event(MUS_EVENT_EXIT, 1, 1, 10));
  driver.on_event(runnable(5, 2, 10));
  EXPECT_NE(driver.tasks().find(Pid{5}), nullptr) << "room comes back";
}

TEST_F(Driver, TimeNeverGoesBack) {
  driver.set_now(time_from_ns(1000));
  driver.on_event(runnable(7, 1, 10, time_from_ns(400)));
  EXPECT_EQ(driver.now(), time_from_ns(1000));
}

}  // namespace
}  // namespace mus

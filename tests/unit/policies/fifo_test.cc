// SPDX-License-Identifier: GPL-2.0-only
#include "policies/fifo.h"

#include <gtest/gtest.h>

#include <array>

namespace mus {
namespace {

class Fifo : public testing::Test {
 protected:
  Fifo() {
    int pid = 1;
    for (Task& task : tasks) task.pid = Pid{pid++};
  }
  Task* next() {
    Decision decision;
    last = {};
    if (!policy.decide({}, decision, {})) return nullptr;
    last = decision;
    return decision.task;
  }
  FifoPolicy policy{PolicyConfig{.slice = 3ms}};
  std::array<Task, 3> tasks;
  Decision last;
};

TEST_F(Fifo, DecidesInTheOrderOfArrival) {
  for (Task& task : tasks) policy.task_runnable(task, false, {});
  for (Task& task : tasks) EXPECT_EQ(next(), &task);
  EXPECT_EQ(next(), nullptr);
}

TEST_F(Fifo, GivesTheConfiguredSliceAndAnyCpu) {
  policy.task_runnable(tasks[0], true, {});
  ASSERT_EQ(next(), &tasks[0]);
  EXPECT_EQ(last.slice, 3ms);
  EXPECT_FALSE(last.cpu);
  EXPECT_FALSE(last.urgent);
}

TEST_F(Fifo, ForgetsATaskThatStopped) {
  for (Task& task : tasks) policy.task_runnable(task, false, {});
  policy.task_stopped(tasks[1], {});
  EXPECT_EQ(next(), &tasks[0]);
  EXPECT_EQ(next(), &tasks[2]);
  EXPECT_EQ(next(), nullptr);
}

TEST_F(Fifo, StoppingATaskThatItDoesNotHaveIsHarmless) {
  policy.task_stopped(tasks[0], {});
  policy.task_runnable(tasks[0], false, {});
  ASSERT_EQ(next(), &tasks[0]);
  policy.task_stopped(tasks[0], {});
  EXPECT_EQ(next(), nullptr);
}

TEST_F(Fifo, ATaskComesBackAtTheEnd) {
  policy.task_runnable(tasks[0], false, {});
  policy.task_runnable(tasks[1], false, {});
  ASSERT_EQ(next(), &tasks[0]);
  policy.task_runnable(tasks[0], false, {});
  EXPECT_EQ(next(), &tasks[1]);
  EXPECT_EQ(next(), &tasks[0]);
}

TEST_F(Fifo, SendsPinnedTasksWhereTheyMayRun) {
  tasks[0].affinity = Affinity::kOne;
  tasks[0].allowed_cpu = Cpu{5};
  tasks[1].affinity = Affinity::kSome;
  tasks[1].last_cpu = Cpu{3};
  policy.task_runnable(tasks[0], false, {});
  policy.task_runnable(tasks[1], false, {});
  ASSERT_EQ(next(), &tasks[0]);
  EXPECT_EQ(last.cpu, Cpu{5});
  ASSERT_EQ(next(), &tasks[1]);
  EXPECT_EQ(last.cpu, Cpu{3});
}

TEST_F(Fifo, ATaskThatEndsWhileQueuedLeavesTheQueue) {
  policy.task_runnable(tasks[0], false, {});
  policy.task_runnable(tasks[1], false, {});
  tasks[0].policy.reset();
  EXPECT_EQ(next(), &tasks[1]);
  EXPECT_EQ(next(), nullptr);
}

}  // namespace
}  // namespace mus

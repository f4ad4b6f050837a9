// SPDX-License-Identifier: GPL-2.0-only
#include "core/task_table.h"

#include <gtest/gtest.h>

#include <set>

namespace mus {
namespace {

TEST(TaskTable, FindsNothingWhenEmpty) {
  TaskTable table(4);
  EXPECT_EQ(table.find(Pid{1}), nullptr);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.capacity(), 4u);
}

TEST(TaskTable, MakesATaskOnceAndFindsItAgain) {
  TaskTable table(4);
  Task* made = table.find_or_create(Pid{7});
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(made->pid, Pid{7});
  EXPECT_EQ(made->state, Task::State::kAway);
  EXPECT_EQ(table.find_or_create(Pid{7}), made);
  EXPECT_EQ(table.find(Pid{7}), made);
  EXPECT_EQ(table.size(), 1u);
}

TEST(TaskTable, GivesNothingWhenFull) {
  TaskTable table(2);
  ASSERT_NE(table.find_or_create(Pid{1}), nullptr);
  ASSERT_NE(table.find_or_create(Pid{2}), nullptr);
  EXPECT_EQ(table.find_or_create(Pid{3}), nullptr);
  EXPECT_NE(table.find_or_create(Pid{1}), nullptr) << "known tasks are found even so";
  EXPECT_EQ(table.size(), 2u);
}

TEST(TaskTable, ForgetsAnErasedTaskAndReusesItsRoom) {
  TaskTable table(1);
  Task* first = table.find_or_create(Pid{1});
  ASSERT_NE(first, nullptr);
  first->generation = 9;
  first->weight = Weight{5};
  first->policy.emplace<int>(42);
  table.erase(*first);
  EXPECT_EQ(table.find(Pid{1}), nullptr);

  Task* second = table.find_or_create(Pid{2});
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->generation, 0u);
  EXPECT_EQ(second->weight, Weight{});
  EXPECT_EQ(second->cgroup, nullptr);
  EXPECT_TRUE(second->policy.empty());
}

TEST(TaskTable, EndsThePolicysDataWhenErased) {
  struct Counted {
    explicit Counted(int& n) : ended(n) {}
    ~Counted() { ++ended; }
    int& ended;
  };
  int ended = 0;
  TaskTable table(1);
  Task* task = table.find_or_create(Pid{1});
  ASSERT_NE(task, nullptr);
  task->policy.emplace<Counted>(ended);
  table.erase(*task);
  EXPECT_EQ(ended, 1);
}

TEST(TaskTable, VisitsEachTaskOnce) {
  TaskTable table(100);
  for (int pid = 1; pid <= 100; ++pid) ASSERT_NE(table.find_or_create(Pid{pid}), nullptr);
  for (int pid = 1; pid <= 100; pid += 2) table.erase(*table.find(Pid{pid}));
  std::multiset<int> seen;
  table.for_each([&](Task& task) { seen.insert(raw(task.pid)); });
  EXPECT_EQ(seen.size(), 50u);
  for (int pid = 2; pid <= 100; pid += 2) EXPECT_EQ(seen.count(pid), 1u) << pid;
}

TEST(TaskTable, TakesTheLargestPid) {
  TaskTable table(2);
  ASSERT_NE(table.find_or_create(Pid{INT32_MAX}), nullptr);
  EXPECT_NE(table.find(Pid{INT32_MAX}), nullptr);
}

}  // namespace
}  // namespace mus

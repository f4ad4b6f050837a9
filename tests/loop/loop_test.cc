// SPDX-License-Identifier: GPL-2.0-only
// The scheduler thread as the daemon runs it, the control thread, and a machine on a third: what crosses between them, and what
// the scheduler thread takes from the heap. ThreadSanitizer has the most to say about it.
#include "loop.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <random>

#include "allocations.h"
#include "fake_machine.h"
#include "policies/registry.h"

namespace mus {

static void PrintTo(const PolicyEntry& entry, std::ostream* out) { *out << entry.name; }

namespace {

using fakes::FakeMachine;

constexpr int kPatienceSec = 60;  // seconds until somebody who waits is lost; a thousandth is enough

/// What the control thread does, without its socket.
class Controller {
 public:
  Controller(Loop& loop, std::unique_ptr<Policy> first, std::unique_ptr<Policy> spare) : loop_(loop) {
    keep(std::move(first));
    keep(std::move(spare));
  }
  /// False: too many are under way.
  bool post(Command command) {
    command.ticket = tickets_ + 1;
    bool posted = loop_.post(command);
    tickets_ += posted;
    return posted;
  }
  void post_weight() {
    auto kind = random_() % 2 ? Command::Kind::kSetWeight : Command::Kind::kKernelWeight;
    auto weight = static_cast<std::uint32_t>(1 + random_() % Weight::kMax);
    if (kind == Command::Kind::kSetWeight && random_() % 4 == 0) weight = 0;
    (void)post({.kind = kind, .cgroup = CgroupId{100 + random_() % 500}, .weight = weight});
  }
  void use(std::unique_ptr<Policy> policy) {
    if (post({.kind = Command::Kind::kUsePolicy, .policy = policy.get()})) keep(std::move(policy));
  }
  /// Kicks, and reads what has come.
  void look() {
    loop_.kick();
    for (Reply reply; loop_.take(reply);) {
      EXPECT_EQ(reply.ticket, ++answered_) << "in the order in which they were posted, each once";
      if (reply.retired) {
        EXPECT_EQ(policies_.erase(reply.retired), 1u);
      }
    }
    if (const Snapshot* s = loop_.snapshot(); s && s->passes != passes_) {
      EXPECT_GT(s->passes, passes_);
      EXPECT_GE(s->driver.decisions, decisions_);
      EXPECT_LE(s->group_count, Snapshot::kGroups);
      EXPECT_FALSE(s->policy.empty());
      passes_ = s->passes;
      decisions_ = s->driver.decisions;
      tasks_ = s->tasks;
      ++snapshots_;
    }
  }
  void look_for(std::chrono::milliseconds time, const std::function<void()>& between) {
    for (auto end = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < end;) {
      between();
      look();
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
  void await_answers() {
    for (int tries = 0; tries < kPatienceSec * 1000 && answered_ < tickets_; ++tries) {
      look();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(answered_, tickets_);
  }
  /// False: userspace knows of more or less than `count` for long.
  [[nodiscard]] bool await_tasks(std::size_t count) {
    for (int tries = 0; tries < kPatienceSec * 1000; ++tries) {
      look();
      if (tasks_ == count) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }
  [[nodiscard]] std::uint64_t snapshots() const { return snapshots_; }
  [[nodiscard]] std::size_t policies() const { return policies_.size(); }

 private:
  void keep(std::unique_ptr<Policy> policy) {
    Policy* key = policy.get();
    policies_[key] = std::move(policy);
  }
  Loop& loop_;
  std::map<Policy*, std::unique_ptr<Policy>> policies_;
  std::mt19937_64 random_{2};
  std::size_t tasks_ = 0;
  std::uint64_t tickets_ = 0, answered_ = 0, passes_ = 0, decisions_ = 0, snapshots_ = 0;
};

class LoopThreads : public testing::TestWithParam<PolicyEntry> {
 protected:
  explicit LoopThreads(std::unique_ptr<Policy> given = nullptr)
      : first(given ? std::move(given) : GetParam().make(config)), spare(policies().back().make(config)),
        driver(*first, config, {}, {.tasks = 8192, .cgroups = 1024}), loop(machine.kernel(), driver, *spare),
        control(loop, std::move(first), std::move(spare)) {
    EXPECT_TRUE(loop.prepare());
  }
  ~LoopThreads() override { loop.stop(); }

  PolicyConfig config{.online = FakeMachine::kCpus};
  std::unique_ptr<Policy> first, spare;
  FakeMachine machine;
  PolicyDriver driver;
  Loop loop;
  Controller control;
};

TEST_P(LoopThreads, CommandsRepliesAndSnapshotsCross) {
  loop.start();
  machine.start();
  int turn = 0;
  control.look_for(std::chrono::milliseconds(1200), [&] {
    control.post_weight();
    if (++turn % 40 == 0) control.use(policies()[static_cast<std::size_t>(turn / 40) % policies().size()].make(config));
  });
  loop.stop();  // as when it is handed over, and the other one does not come
  loop.start();
  for (int tries = 0; tries == 0 || (machine.exits_lost() <= 10 && tries < 30); ++tries)
    control.look_for(std::chrono::milliseconds(300), [&] { control.post_weight(); });
  control.await_answers();
  EXPECT_TRUE(machine.settle(kPatienceSec)) << "somebody who waits is never decided on";
  EXPECT_TRUE(control.await_tasks(FakeMachine::kTasks)) << "those who are gone are forgotten, whoever told of it";
  loop.stop();
  EXPECT_GT(control.answered(), 50u);
  EXPECT_GT(control.snapshots(), 1u);
  EXPECT_EQ(control.policies(), 2u) << "the one that decides, and the one before it";
  EXPECT_GT(machine.decided(), std::uint64_t{FakeMachine::kTasks});
  EXPECT_EQ(machine.refused(), 0u);
  EXPECT_GT(machine.exits_lost(), 10u);
  EXPECT_EQ(driver.waiting(), 0u);
  EXPECT_EQ(driver.counters().bad_events + driver.counters().bad_decisions + driver.counters().thrown + driver.counters().shed, 0u);
}

TEST_P(LoopThreads, TheSchedulerThreadTakesNothingFromTheHeap) {
  if (!allocations::counted()) GTEST_SKIP() << "a sanitizer has the heap";
  std::uint64_t before = allocations::count();
  loop.start();
  machine.start();
  control.look_for(std::chrono::milliseconds(1500), [&] { control.post_weight(); });
  control.await_answers();
  EXPECT_TRUE(machine.settle(kPatienceSec));
  loop.stop();
  EXPECT_EQ(allocations::count() - before, 0u);
  RecordProperty("decided", std::to_string(machine.decided()));
  RecordProperty("tasks", std::to_string(machine.exits() + FakeMachine::kTasks));
  RecordProperty("groups", std::to_string(machine.groups_made() + FakeMachine::kGroups));
  EXPECT_GT(machine.decided(), std::uint64_t{FakeMachine::kTasks});
  EXPECT_GT(machine.exits(), 100u);
  EXPECT_GT(machine.groups_made(), 100u);
}

INSTANTIATE_TEST_SUITE_P(Policies, LoopThreads, testing::ValuesIn(policies().begin(), policies().end()),
                         [](const auto& entry) { return std::string(entry.param.name); });

/// Allocates once in a while, as a policy must not.
class Wasteful final : public Policy {
 public:
  explicit Wasteful(std::unique_ptr<Policy> inner) : inner_(std::move(inner)) {}
  [[nodiscard]] std::string_view name() const override { return "wasteful"; }
  [[nodiscard]] std::uint32_t wanted_events() const override { return inner_->wanted_events(); }
  void task_runnable(Task& t, bool woke, Time now) override { inner_->task_runnable(t, woke, now); }
  void task_stopped(Task& t, Time now) override { inner_->task_stopped(t, now); }
  [[nodiscard]] bool decide(const Room& room, Decision& d, Time now) override {
    if (++calls_ % 1000 == 0) waste_ = std::make_unique<int>(1);
    return inner_->decide(room, d, now);
  }

 private:
  std::unique_ptr<Policy> inner_;
  std::unique_ptr<int> waste_;
  std::uint64_t calls_ = 0;
};

class WastefulLoop : public LoopThreads {
 protected:
  WastefulLoop() : LoopThreads(std::make_unique<Wasteful>(policies().back().make({}))) {}
};

TEST_F(WastefulLoop, OneAllocationInAThousandDecisionsIsSeen) {
  if (!allocations::counted()) GTEST_SKIP() << "a sanitizer has the heap";
  std::uint64_t before = allocations::count();
  loop.start();
  machine.start();
  control.look_for(std::chrono::milliseconds(500), [] {});
  EXPECT_TRUE(machine.settle(kPatienceSec));
  loop.stop();
  EXPECT_GT(allocations::count() - before, 0u);
}

}  // namespace
}  // namespace mus

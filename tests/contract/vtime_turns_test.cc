// SPDX-License-Identifier: GPL-2.0-only
// Standing orders in turn: who takes turns without being decided on, and what ends that. By the rules of the kernel half, on a clock of the test's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "fake_kernel.h"
#include "fake_policy.h"
#include "policies/vtime.h"

namespace mus {
namespace {

constexpr PolicyConfig kConfig{.slice = 4ms, .online = 2};

class Turns : public testing::Test {
 protected:
  explicit Turns(std::unique_ptr<Policy> p = std::make_unique<VtimePolicy>(kConfig)) : policy(std::move(p)) {
    kernel.add_cgroup(2, 1);
    kernel.add_cgroup(3, 1, 300);
  }
  std::vector<int> spinners(int n, std::uint64_t cgroup, std::uint32_t weight = Weight::kDefault) {
    std::vector<int> pids;
    while (n--) pids.push_back(kernel.spawn({.cgroup = cgroup, .weight = weight}));
    return pids;
  }
  struct Passed {
    std::uint64_t decided, in_turn, standing, interrupted;
    std::vector<double> cpus;  ///< of each pid
  };
  Passed pass(Duration time, const std::vector<int>& pids = {}) {
    mus_counters before = kernel.counters();
    std::vector<Duration> ran;
    for (int pid : pids) ran.push_back(kernel.run_time(pid));
    kernel.run_for(time);
    const mus_counters& now = kernel.counters();
    Passed passed{now.runs[MUS_ROUTE_DECIDED] - before.runs[MUS_ROUTE_DECIDED], now.runs[MUS_ROUTE_IN_TURN] - before.runs[MUS_ROUTE_IN_TURN],
                  now.runs[MUS_ROUTE_STANDING] - before.runs[MUS_ROUTE_STANDING], now.preemptions - before.preemptions, {}};
    for (std::size_t i = 0; i < pids.size(); ++i)
      passed.cpus.push_back(static_cast<double>((kernel.run_time(pids[i]) - ran[i]).count()) / static_cast<double>(time.count()));
    EXPECT_THAT(kernel.violations(), testing::IsEmpty());
    return passed;
  }

  std::unique_ptr<Policy> policy;
  PolicyDriver driver{*policy, kConfig, {.horizon = 8ms}, {}};
  fakes::FakeKernel kernel{driver, {.cpus = 2}};
};

TEST_F(Turns, WhereAllAreAlikeNobodyNeedBeDecidedOn) {
  auto pids = spinners(5, 2);
  pass(1s);
  Passed passed = pass(4s, pids);
  EXPECT_GT(passed.in_turn, 900u);
  EXPECT_LT(passed.decided, 50u) << "1,100 slices";
  EXPECT_THAT(passed.cpus, testing::Each(testing::DoubleNear(0.4, 0.01)));
}

TEST_F(Turns, AnotherCgroupEndsThatAtOnce) {
  auto pids = spinners(4, 2);
  pass(1s);
  pids.push_back(spinners(2, 3).front());
  Passed passed = pass(2s, pids);
  EXPECT_LT(passed.in_turn, 50u);
  EXPECT_NEAR(passed.cpus.back(), 0.75, 0.02) << "two of them, of three times the weight";
  EXPECT_NEAR(passed.cpus.front(), 0.125, 0.01);
}

TEST_F(Turns, SoDoesAnotherWeight) {
  auto pids = spinners(4, 2);
  pids.push_back(spinners(1, 2, 200).front());
  pass(1s);
  Passed passed = pass(2s, pids);
  EXPECT_EQ(passed.in_turn, 0u);
  EXPECT_NEAR(passed.cpus.back(), 2.0 / 3, 0.02);
}

TEST_F(Turns, AndSoDoesAPinnedTask) {
  auto pids = spinners(4, 2);
  pass(1s);
  kernel.spawn({.cgroup = 2, .allowed = 1});
  pass(200ms);
  EXPECT_EQ(pass(1s, pids).in_turn, 0u);
}

// They use all that they are owed: none may interrupt, and none need be decided on.
TEST_F(Turns, WhoWakesAndUsesItsShareJoinsTheEnd) {
  std::vector<int> pids;
  for (int i = 0; i < 8; ++i) pids.push_back(kernel.spawn({.cgroup = 2, .work = 500us, .sleep = 300us}));
  pass(1s);
  Passed passed = pass(2s, pids);
  EXPECT_GT(passed.in_turn, 10 * (passed.decided + passed.standing));
  EXPECT_THAT(passed.cpus, testing::Each(testing::DoubleNear(0.25, 0.02)));
}

TEST_F(Turns, WhoUsesLittleInterruptsThem) {
  spinners(4, 2);
  int light = kernel.spawn({.cgroup = 2, .work = 50us, .sleep = 2ms});
  pass(1s);
  Passed passed = pass(2s);
  EXPECT_GT(passed.interrupted, 700u) << "of 950 times that it woke";
  EXPECT_GT(passed.in_turn, 900u);
  EXPECT_LT(kernel.longest_wait(light), 20ms);
}

// Whoever runs on its only CPU could be elsewhere, where somebody runs who should have come after both.
TEST(TurnsOnFourCpus, WhoIsPinnedInterruptsWhoIsNot) {
  constexpr PolicyConfig kFour{.slice = 4ms, .online = 4};
  VtimePolicy policy(kFour);
  PolicyDriver driver(policy, kFour, {.horizon = 8ms}, {});
  fakes::FakeKernel kernel(driver, {.cpus = 4});
  for (int i = 0; i < 8; ++i) kernel.spawn({.cgroup = 1});
  int light = kernel.spawn({.cgroup = 1, .work = 600us, .sleep = 1ms, .allowed = 1});
  kernel.run_for(1s);
  Duration before = kernel.run_time(light);
  kernel.run_for(8s);
  auto woke = (kernel.run_time(light) - before) / 600us;
  EXPECT_LT((8s - woke * 1600us) / woke, 20us) << "that it waited, on average; 200 us if it came in turn";
  EXPECT_THAT(kernel.violations(), testing::IsEmpty());
}

// Who wakes comes a slice before its turn: at the cost of one who has had its CPU for a while, and comes back by its turn.
TEST_F(Turns, FewThatWakeInterruptEachOther) {
  std::vector<int> pids;
  for (int i = 0; i < 4; ++i) pids.push_back(kernel.spawn({.cgroup = 2, .work = 1ms, .sleep = 100us}));
  pass(1s);
  Passed passed = pass(2s, pids);
  EXPECT_GT(passed.interrupted, 1000u) << "of some 4,000 times that one woke";
  EXPECT_THAT(passed.cpus, testing::Each(testing::DoubleNear(0.5, 0.02)));
  for (int pid : pids) EXPECT_LT(kernel.longest_wait(pid), 12ms);
}

// A little less of its share does not let one that wakes go before another that waits already, each time anew.
TEST_F(Turns, WhoWakesWaitsBehindWhoWokeBefore) {
  for (int i = 0; i < 6; ++i) kernel.spawn({.cgroup = 2, .work = 300us - i * 20us, .sleep = 50us + i * 10us});
  pass(1s);
  std::uint64_t before = kernel.overtaken();
  Passed passed = pass(2s);
  EXPECT_GT(passed.in_turn, 10'000u);
  EXPECT_LT(kernel.overtaken() - before, passed.in_turn / 10) << "a twentieth; a quarter if all came by their turns";
}

TEST_F(Turns, ManyThatWakeDoNot) {
  std::vector<int> pids;
  for (int i = 0; i < 80; ++i) pids.push_back(kernel.spawn({.cgroup = 2, .work = 300us, .sleep = 200us}));
  pass(1s);
  Passed passed = pass(2s, pids);
  EXPECT_LT(passed.interrupted, 50u) << "of some 13,000 times that one woke";
  EXPECT_THAT(passed.cpus, testing::Each(testing::DoubleNear(0.025, 0.005)));
}

/// Everybody whom it has decided on once takes turns without end, and it forgets the others.
class CliquePolicy final : public fakes::FakePolicy {
 public:
  bool forgets = false;
  CliquePolicy() { standing = {.slice = 4ms, .budget = 1s, .valid_for = 60s, .rate = 2, .in_turn = true, .again = true}; }
  [[nodiscard]] bool decide(const Room& room, Decision& decision, Time now) override {
    return !forgets && FakePolicy::decide(room, decision, now);
  }
};

class Clique : public Turns {
 protected:
  Clique() : Turns(std::make_unique<CliquePolicy>()) {}
};

TEST_F(Clique, DoesNotKeepOutWhoIsHeld) {
  spinners(4, 2);
  pass(1s);
  static_cast<CliquePolicy&>(*policy).forgets = true;
  int forgotten = kernel.spawn({.cgroup = 2});
  pass(3s);
  EXPECT_LT(kernel.longest_wait(forgotten), 300ms) << "the rescue bound is 2 s";
  EXPECT_GT(kernel.run_time(forgotten), 100ms);
}

TEST_F(Clique, EndsWhileUserspaceIsStalled) {
  spinners(4, 2);
  pass(1s);
  kernel.spawn({.cgroup = 2});  // somebody has to ask
  kernel.set_userspace(false);
  kernel.want_resync();
  pass(300ms);
  EXPECT_EQ(pass(1s).in_turn, 0u) << "by weight, in the held queue";
}

/// Those of weight 200, once it has decided on them, wake by standing order and go on whenever a slice ends; the others it may forget.
class ReturnsPolicy final : public fakes::FakePolicy {
 public:
  bool forgets = false;
  ReturnsPolicy() { standing = {.slice = 4ms, .budget = 1s, .valid_for = 60s, .rate = 2, .returns = true}; }
  [[nodiscard]] bool decide(const Room& room, Decision& decision, Time now) override {
    return !forgets && FakePolicy::decide(room, decision, now);
  }
  [[nodiscard]] StandingOrder standing_order(Task& task, Time now) override {
    return task.weight.value == 200 ? FakePolicy::standing_order(task, now) : StandingOrder{};
  }
};

class Returns : public Turns {
 protected:
  Returns() : Turns(std::make_unique<ReturnsPolicy>()) {}
  ReturnsPolicy& orders() { return static_cast<ReturnsPolicy&>(*policy); }
  std::vector<int> favoured(int n, Duration work, Duration sleep = 1ms) {
    std::vector<int> pids;
    while (n--) pids.push_back(kernel.spawn({.cgroup = 2, .work = work, .sleep = sleep, .weight = 200}));
    return pids;
  }
};

TEST_F(Returns, LeaveToOthersWhatTheRateSays) {
  orders().standing.rate = 0.75;
  orders().spoil = [](Decision& d) { d.slice = 4ms; };
  auto pids = favoured(2, 100ms);
  spinners(4, 3);
  pass(1s);
  Passed passed = pass(4s, pids);
  EXPECT_GT(passed.standing, 1000u) << "slices of 4 ms";
  EXPECT_THAT(passed.cpus, testing::Each(testing::DoubleNear(0.75, 0.02)));
}

TEST_F(Returns, DoNotKeepOutWhoIsHeld) {
  favoured(4, 2s);
  pass(6s);
  EXPECT_GT(pass(1s).standing, 100u);
  orders().forgets = true;
  int forgotten = kernel.spawn({.cgroup = 2});
  pass(3s);
  EXPECT_LT(kernel.longest_wait(forgotten), 300ms) << "the rescue bound is 2 s";
  EXPECT_GT(kernel.run_time(forgotten), 100ms);
}

TEST_F(Returns, EndWhileUserspaceIsStalled) {
  favoured(4, 2s);
  pass(6s);
  EXPECT_GT(pass(1s).standing, 100u);
  kernel.spawn({.cgroup = 2});  // somebody has to ask
  kernel.set_userspace(false);
  kernel.want_resync();
  pass(300ms);
  EXPECT_LE(pass(1s).standing, 4u) << "by weight, in the held queue, but for who wakes";
}

TEST_F(Returns, KeepACpuWhileTheOthersHaveAnother) {
  auto pids = favoured(3, 2700us, 5300us);  // one of them is nearly always awake
  for (int pid : pids) kernel.set_allowed(pid, 1);
  auto others = spinners(4, 3);
  pass(1s);
  Passed passed = pass(4s, pids);
  EXPECT_GT(std::accumulate(passed.cpus.begin(), passed.cpus.end(), 0.0), 0.95);
  for (int pid : others) EXPECT_LT(kernel.longest_wait(pid), 40ms) << "who is interrupted goes on elsewhere";
}

TEST_F(Returns, ButNotFromWhoMayRunNowhereElse) {
  auto pids = favoured(3, 3ms);
  pids.push_back(kernel.spawn({.cgroup = 3}));
  for (int pid : pids) kernel.set_allowed(pid, 1);
  spinners(4, 3);
  pass(1s);
  EXPECT_GT(pass(4s, pids).cpus.back(), 0.05) << "the orders of the others have no bound";
  EXPECT_LT(kernel.longest_wait(pids.back()), 40ms);
}

/// Who has used up a slice goes on unasked while its budget, a slice, is not empty.
class Budget : public Turns {
 protected:
  Budget() : Turns(std::make_unique<fakes::FakePolicy>()) {}
  Passed pass_at_rate(double rate) {
    static_cast<fakes::FakePolicy&>(*policy).standing = {.slice = 4ms, .budget = 4ms, .valid_for = 60s, .rate = rate, .again = true};
    spinners(3, 2);
    pass(1s);
    return pass(3s);
  }
};

TEST_F(Budget, RefillsWhileItIsUsed) {
  Passed passed = pass_at_rate(0.9);
  EXPECT_GT(passed.in_turn, 1400u);
  EXPECT_LT(passed.decided, 50u) << "1,500 slices: each of them uses 0.67 of a CPU";
}

TEST_F(Budget, IsEmptyAtLessThanIsUsed) {
  Passed passed = pass_at_rate(0.3);
  EXPECT_GT(passed.decided, passed.in_turn / 2);
}

}  // namespace
}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
// The cases of bench/fairness/run, on the fake kernel half: the same trees and limits, without the noise of a machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "fair_machine.h"
#include "fairness_bounds.h"
#include "policies/vtime.h"

namespace mus {
namespace {

constexpr std::size_t kRoot = fakes::FairnessOracle::kRoot;
constexpr Duration kWarmUp = 1s, kWindow = 20s;

// On the kernel half's rules, and the policy's order alone. Where that has no CPU that others may not use, one CPU is all.
class VtimeFairnessCases : public testing::TestWithParam<fakes::On> {
 protected:
  VtimeFairnessCases() { on(2); }

  void TearDown() override { EXPECT_THAT(machine_->machine().violations(), testing::IsEmpty()); }

  [[nodiscard]] static bool alone() { return GetParam() == fakes::On::kPolicyAlone; }
  void on(unsigned cpus, PolicyConfig config = {.slice = 4ms, .online = 2, .settings = {}}) {
    config.online = cpus;
    machine_.reset();
    policy_.emplace(config);
    machine_.emplace(*policy_, cpus, config.slice, 1, GetParam());
  }
  std::size_t group(const std::string& name, std::uint32_t weight, std::size_t parent = kRoot) {
    return machine_->group(name, parent, weight);
  }
  fakes::FairReport measure(Duration window = kWindow) {
    machine_->run_for(kWarmUp);
    return machine_->measure(window);
  }
  static void expect(double error, const fairness::Bound& bound, const fakes::FairReport& report,
                     const fairness::Bound& most_lag = fairness::kLagOfCases) {
    double lag = report.slices_per_level(report.worst());
    RecordProperty("error", std::to_string(error));
    RecordProperty("lag", std::to_string(lag));
    std::printf("error %.3f, wanted %.3f, allowed %.3f; lag %.2f slices a level and CPU\n", error, bound.wanted, bound.allowed(), lag);
    EXPECT_LE(error, bound.allowed());
    EXPECT_LE(lag, most_lag.allowed()) << report.worst().name;
    if (error > bound.allowed())
      for (const auto& e : report.entries)
        if (e.is_group) std::printf("  %s: ideal %.4f CPUs, real %.4f\n", e.name.c_str(), e.ideal, e.real);
  }
  double longest_wait_s(int pid) {
    double waited = std::chrono::duration<double>(machine_->kernel().longest_wait(pid)).count();
    RecordProperty("longest_wait_s", std::to_string(waited));
    return waited;
  }

  std::optional<VtimePolicy> policy_;
  std::optional<fakes::FairMachine> machine_;
};

/// Those in which some tasks may run on one CPU alone.
class VtimeFairnessPinned : public VtimeFairnessCases {};

INSTANTIATE_TEST_SUITE_P(PolicyAlone, VtimeFairnessCases, testing::Values(fakes::On::kPolicyAlone), [](const auto&) { return "Alone"; });
INSTANTIATE_TEST_SUITE_P(KernelHalf, VtimeFairnessCases, testing::Values(fakes::On::kKernelHalf), [](const auto&) { return "Behind"; });
INSTANTIATE_TEST_SUITE_P(KernelHalf, VtimeFairnessPinned, testing::Values(fakes::On::kKernelHalf), [](const auto&) { return "Behind"; });

TEST_P(VtimeFairnessCases, FourToOne) {
  machine_->tasks(group("a", 400), 2);
  machine_->tasks(group("b", 100), 2);
  auto report = measure();
  expect(report.points(), fairness::kFourToOne, report);
}

TEST_P(VtimeFairnessCases, OneAgainstSixteenOnOneCpu) {
  if (alone()) on(1);
  fakes::TaskSpec spec{.allowed = alone() ? ~0ull : 1};
  machine_->tasks(group("one", 100), 1, spec);
  machine_->tasks(group("many", 100), 16, spec);
  auto report = measure();
  expect(report.points(), fairness::kOneAgainstSixteen, report);
}

TEST_P(VtimeFairnessCases, Nested) {
  std::size_t a = group("a", 300), b = group("b", 100);
  machine_->tasks(group("a/1", 100, a), 2);
  machine_->tasks(group("a/2", 200, a), 2);
  machine_->tasks(b, 2);
  auto report = measure();
  expect(report.points(), fairness::kNested, report);
}

// A chain of five levels with a sibling at each, weights 1..10000, 40 spinners in the groups at the ends.
TEST_P(VtimeFairnessCases, DepthFive) {
  std::mt19937_64 random(1);
  auto weight = [&] { return 1 + static_cast<std::uint32_t>(random() % 10000); };
  std::vector<std::size_t> leaves;
  std::size_t parent = kRoot;
  for (int level = 1; level <= 5; ++level) {
    leaves.push_back(group("b" + std::to_string(level), weight(), parent));
    parent = group("a" + std::to_string(level), weight(), parent);
  }
  leaves.push_back(parent);
  for (std::size_t i = 0; i < 40; ++i) machine_->tasks(leaves[i < leaves.size() ? i : random() % leaves.size()], 1);
  auto report = measure();
  expect(report.points(), fairness::kDepthFive, report);
  if (alone()) return;
  double longest = 0;
  for (int pid : machine_->pids()) longest = std::max(longest, longest_wait_s(pid));
  EXPECT_LT(longest, fairness::kWatchdog.allowed()) << "seconds: the kernel throws a scheduler out that lets a task wait longer";
}

// That the lightest runs at least each 2 s is more than its weight: only without that rule is its lag bounded.
TEST_P(VtimeFairnessCases, OneToTenThousand) {
  if (alone()) on(2, {.slice = 4ms, .online = 2, .settings = {{"longest-wait-ms", 3'600'000}}});
  machine_->tasks(group("light", 1), 1);
  machine_->tasks(group("heavy", 10000), 2);
  auto report = measure(60s);
  expect(report.points(), fairness::kOneToTenThousand, report, alone() ? fairness::kLagOfCases : fairness::kLagOfLightest);
  if (alone()) return;
  EXPECT_LE(longest_wait_s(machine_->pids()[0]), fairness::kLightestWaits.allowed()) << "seconds";
}

TEST_P(VtimeFairnessCases, SleepersGetWhatTheyAskFor) {
  machine_->tasks(group("sleepers", 400), 2, {.work = 1ms, .sleep = 9ms});
  machine_->tasks(group("spinners", 100), 2);
  auto report = measure();
  double asked = 0, got = 0;
  for (const auto& e : report.entries) {
    if (e.is_group || e.asked >= 1) continue;
    asked += e.asked;
    got += e.real;
  }
  expect(100 * (1 - got / asked), fairness::kSleepersMiss, report);
}

TEST_P(VtimeFairnessCases, OneHeavyThread) {
  machine_->tasks(group("heavy", 10000), 1);
  for (const char* name : {"x", "y", "z"}) machine_->tasks(group(name, 100), 1);
  auto report = measure();
  expect(report.points(), fairness::kHeavyThread, report);
}

TEST_P(VtimeFairnessCases, Nice) {
  std::size_t a = group("a", 100);
  machine_->tasks(a, 2);
  machine_->tasks(a, 2, {.weight = 33});  // nice 5: 335 of 1024
  auto report = measure();
  expect(report.points(true) * 2, fairness::kNice, report);  // two tasks of each
}

// Each can have all of a CPU as far as their number goes, but not of the one that both are pinned to.
TEST_P(VtimeFairnessPinned, NiceOnOneCpu) {
  std::size_t a = group("a", 100);
  machine_->tasks(a, 1, {.allowed = 1});
  machine_->tasks(a, 1, {.weight = 33, .allowed = 1});
  auto report = measure();
  expect(report.points(true), fairness::kNice, report);
}

TEST_P(VtimeFairnessPinned, FourToOneOnOneCpu) {
  machine_->tasks(group("a", 400), 1, {.allowed = 1});
  machine_->tasks(group("b", 100), 1, {.allowed = 1});
  machine_->tasks(group("c", 100), 1);
  auto report = measure();
  expect(report.points(), fairness::kFourToOne, report);
}

TEST_P(VtimeFairnessPinned, OneHeavyThreadPinned) {
  machine_->tasks(group("heavy", 10000), 1, {.allowed = 2});
  for (const auto& [name, weight] : {std::pair{"x", 100u}, {"y", 200u}, {"z", 300u}}) machine_->tasks(group(name, weight), 1);
  auto report = measure();
  expect(report.points(), fairness::kHeavyThread, report);
}

TEST_P(VtimeFairnessPinned, TwoPinnedToTheSameCpu) {
  machine_->tasks(group("a", 400), 1, {.allowed = 1});
  machine_->tasks(group("b", 100), 1, {.allowed = 1});
  for (const char* name : {"x", "y"}) machine_->tasks(group(name, 100), 1);
  auto report = measure();
  expect(report.points(), fairness::kPinned, report);
}

TEST_P(VtimeFairnessPinned, OnePinnedToEachCpu) {
  machine_->tasks(group("a", 400), 1, {.allowed = 1});
  machine_->tasks(group("b", 400), 1, {.allowed = 2});
  for (const char* name : {"x", "y"}) machine_->tasks(group(name, 100), 1);
  auto report = measure();
  expect(report.points(), fairness::kPinned, report);
}

// It is owed a whole CPU, and goes on there for as long as it runs; the other still has its turn.
TEST_P(VtimeFairnessPinned, OnePinnedBesideOneOfAWholeCpu) {
  machine_->tasks(group("whole", 10000), 1);
  machine_->tasks(group("pinned", 100), 1, {.allowed = 1});
  for (const char* name : {"x", "y"}) machine_->tasks(group(name, 100), 1);
  auto report = measure();
  expect(report.points(), fairness::kPinned, report);
}

TEST_P(VtimeFairnessCases, AWeightThatChangesCountsWithinASecond) {
  std::size_t a = group("a", 100);
  machine_->tasks(a, 2);
  machine_->tasks(group("b", 100), 2);
  machine_->run_for(5s);
  machine_->set_weight(a, 400);
  auto report = machine_->measure(1s);
  expect(report.points(), fairness::kWeightChange, report);
}

}  // namespace
}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
// The cases of bench/fairness/run, on the fake kernel half: the same trees and limits, without the noise of a machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "fair_machine.h"
#include "fairness_bounds.h"
#include "policies/vtime.h"

namespace mus {
namespace {

constexpr std::size_t kRoot = fakes::FairnessOracle::kRoot;
constexpr Duration kWarmUp = 1s, kWindow = 20s;

class VtimeFairnessCases : public testing::Test {
 protected:
  explicit VtimeFairnessCases(unsigned cpus = 2) : policy_({.slice = 4ms, .online = cpus}), machine_(policy_, cpus) {}

  void TearDown() override { EXPECT_THAT(machine_.kernel().violations(), testing::IsEmpty()); }

  std::size_t group(const std::string& name, std::uint32_t weight, std::size_t parent = kRoot) {
    return machine_.group(name, parent, weight);
  }
  fakes::FairReport measure(Duration window = kWindow) {
    machine_.run_for(kWarmUp);
    return machine_.measure(window);
  }
  static void expect(double error, const fairness::Bound& bound, const fakes::FairReport& report) {
    testing::Test::RecordProperty("error", std::to_string(error));
    std::printf("error %.3f, wanted %.3f, allowed %.3f; lag %.1f slices a level and CPU\n", error, bound.wanted, bound.allowed(),
                report.slices_per_level(report.worst()));
    EXPECT_LE(error, bound.allowed());
    if (error > bound.allowed())
      for (const auto& e : report.entries)
        if (e.is_group) std::printf("  %s: ideal %.4f CPUs, real %.4f\n", e.name.c_str(), e.ideal, e.real);
  }

  VtimePolicy policy_;
  fakes::FairMachine machine_;
};

TEST_F(VtimeFairnessCases, FourToOne) {
  machine_.tasks(group("a", 400), 2);
  machine_.tasks(group("b", 100), 2);
  auto report = measure();
  expect(report.points(), fairness::kFourToOne, report);
}

TEST_F(VtimeFairnessCases, OneAgainstSixteenOnOneCpu) {
  machine_.tasks(group("one", 100), 1, {.allowed = 1});
  machine_.tasks(group("many", 100), 16, {.allowed = 1});
  auto report = measure();
  expect(report.points(), fairness::kOneAgainstSixteen, report);
}

TEST_F(VtimeFairnessCases, Nested) {
  std::size_t a = group("a", 300), b = group("b", 100);
  machine_.tasks(group("a/1", 100, a), 2);
  machine_.tasks(group("a/2", 200, a), 2);
  machine_.tasks(b, 2);
  auto report = measure();
  expect(report.points(), fairness::kNested, report);
}

// A chain of five levels with a sibling at each, weights 1..10000, 40 spinners in the groups at the ends.
TEST_F(VtimeFairnessCases, DepthFive) {
  std::mt19937_64 random(1);
  auto weight = [&] { return 1 + static_cast<std::uint32_t>(random() % 10000); };
  std::vector<std::size_t> leaves;
  std::size_t parent = kRoot;
  for (int level = 1; level <= 5; ++level) {
    leaves.push_back(group("b" + std::to_string(level), weight(), parent));
    parent = group("a" + std::to_string(level), weight(), parent);
  }
  leaves.push_back(parent);
  for (std::size_t i = 0; i < 40; ++i) machine_.tasks(leaves[i < leaves.size() ? i : random() % leaves.size()], 1);
  auto report = measure();
  expect(report.points(), fairness::kDepthFive, report);
  double longest = 0;
  for (int pid : machine_.pids()) longest = std::max(longest, std::chrono::duration<double>(machine_.kernel().longest_wait(pid)).count());
  RecordProperty("longest_wait_s", std::to_string(longest));
  EXPECT_LT(longest, fairness::kWatchdog.allowed()) << "seconds: the kernel throws a scheduler out that lets a task wait longer";
}

TEST_F(VtimeFairnessCases, OneToTenThousand) {
  machine_.tasks(group("light", 1), 1);
  machine_.tasks(group("heavy", 10000), 2);
  auto report = measure(60s);
  expect(report.points(), fairness::kOneToTenThousand, report);
  Duration wait = machine_.kernel().longest_wait(machine_.pids()[0]);
  RecordProperty("longest_wait_s", std::to_string(std::chrono::duration<double>(wait).count()));
  EXPECT_LE(std::chrono::duration<double>(wait).count(), fairness::kLightestWaits.allowed()) << "seconds";
}

TEST_F(VtimeFairnessCases, SleepersGetWhatTheyAskFor) {
  machine_.tasks(group("sleepers", 400), 2, {.work = 1ms, .sleep = 9ms});
  machine_.tasks(group("spinners", 100), 2);
  auto report = measure();
  double asked = 0, got = 0;
  for (const auto& e : report.entries) {
    if (e.is_group || e.asked >= 1) continue;
    asked += e.asked;
    got += e.real;
  }
  expect(100 * (1 - got / asked), fairness::kSleepersMiss, report);
}

TEST_F(VtimeFairnessCases, OneHeavyThread) {
  machine_.tasks(group("heavy", 10000), 1);
  for (const char* name : {"x", "y", "z"}) machine_.tasks(group(name, 100), 1);
  auto report = measure();
  expect(report.points(), fairness::kHeavyThread, report);
}

TEST_F(VtimeFairnessCases, Nice) {
  std::size_t a = group("a", 100);
  machine_.tasks(a, 2);
  machine_.tasks(a, 2, {.weight = 33});  // nice 5: 335 of 1024
  auto report = measure();
  expect(report.points(true) * 2, fairness::kNice, report);  // two tasks of each
}

// Each can have all of a CPU as far as their number goes, but not of the one that both are pinned to.
TEST_F(VtimeFairnessCases, NiceOnOneCpu) {
  std::size_t a = group("a", 100);
  machine_.tasks(a, 1, {.allowed = 1});
  machine_.tasks(a, 1, {.weight = 33, .allowed = 1});
  auto report = measure();
  expect(report.points(true), fairness::kNice, report);
}

TEST_F(VtimeFairnessCases, FourToOneOnOneCpu) {
  machine_.tasks(group("a", 400), 1, {.allowed = 1});
  machine_.tasks(group("b", 100), 1, {.allowed = 1});
  machine_.tasks(group("c", 100), 1);
  auto report = measure();
  expect(report.points(), fairness::kFourToOne, report);
}

TEST_F(VtimeFairnessCases, OneHeavyThreadPinned) {
  machine_.tasks(group("heavy", 10000), 1, {.allowed = 2});
  for (const auto& [name, weight] : {std::pair{"x", 100u}, {"y", 200u}, {"z", 300u}}) machine_.tasks(group(name, weight), 1);
  auto report = measure();
  expect(report.points(), fairness::kHeavyThread, report);
}

TEST_F(VtimeFairnessCases, TwoPinnedToTheSameCpu) {
  machine_.tasks(group("a", 400), 1, {.allowed = 1});
  machine_.tasks(group("b", 100), 1, {.allowed = 1});
  for (const char* name : {"x", "y"}) machine_.tasks(group(name, 100), 1);
  auto report = measure();
  expect(report.points(), fairness::kPinned, report);
}

TEST_F(VtimeFairnessCases, OnePinnedToEachCpu) {
  machine_.tasks(group("a", 400), 1, {.allowed = 1});
  machine_.tasks(group("b", 400), 1, {.allowed = 2});
  for (const char* name : {"x", "y"}) machine_.tasks(group(name, 100), 1);
  auto report = measure();
  expect(report.points(), fairness::kPinned, report);
}

// It is owed a whole CPU, and goes on there for as long as it runs; the other still has its turn.
TEST_F(VtimeFairnessCases, OnePinnedBesideOneOfAWholeCpu) {
  machine_.tasks(group("whole", 10000), 1);
  machine_.tasks(group("pinned", 100), 1, {.allowed = 1});
  for (const char* name : {"x", "y"}) machine_.tasks(group(name, 100), 1);
  auto report = measure();
  expect(report.points(), fairness::kPinned, report);
}

TEST_F(VtimeFairnessCases, AWeightThatChangesCountsWithinASecond) {
  std::size_t a = group("a", 100);
  machine_.tasks(a, 2);
  machine_.tasks(group("b", 100), 2);
  machine_.run_for(5s);
  machine_.set_weight(a, 400);
  auto report = machine_.measure(1s);
  expect(report.points(), fairness::kWeightChange, report);
}

}  // namespace
}  // namespace mus

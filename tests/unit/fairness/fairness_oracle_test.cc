// SPDX-License-Identifier: GPL-2.0-only
#include "fairness_oracle.h"

#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "seed.h"

namespace mus {
namespace {

using fakes::FairnessOracle;

constexpr double kExact = 1e-8;

nlohmann::json hand_computed() {
  std::ifstream file(MUS_SOURCE_DIR "/tests/unit/fairness/oracle_cases.json");
  return nlohmann::json::parse(file)["cases"];
}

class FairnessOracleCase : public testing::TestWithParam<nlohmann::json> {};

TEST_P(FairnessOracleCase, IsAsComputedByHand) {
  const nlohmann::json& spec = GetParam();
  FairnessOracle oracle;
  std::map<std::string, std::size_t> groups{{"", FairnessOracle::kRoot}};
  for (const auto& g : spec["groups"]) groups[g[0]] = oracle.add_group(groups.at(g[1]), g[2]);
  std::vector<double> expected;
  for (std::size_t line = 0; line < spec["tasks"].size(); ++line) {
    const auto& t = spec["tasks"][line];
    std::uint64_t mask = t[3];
    for (int i = 0; i < t[4]; ++i) {
      (void)oracle.add_task(groups.at(t[0]), t[1], t[2], mask ? mask : ~0ull);
      expected.push_back(spec["expect_tasks"][line]);
    }
  }
  auto shares = oracle.solve(spec["cpus"], spec.value("capacity", 1.0));
  for (const auto& [name, share] : spec["expect"].items()) EXPECT_NEAR(shares.groups[groups.at(name)], share, kExact) << name;
  ASSERT_EQ(shares.tasks.size(), expected.size());
  for (std::size_t t = 0; t < expected.size(); ++t) EXPECT_NEAR(shares.tasks[t], expected[t], kExact) << "task " << t;
}

INSTANTIATE_TEST_SUITE_P(ByHand, FairnessOracleCase, testing::ValuesIn(hand_computed().get<std::vector<nlohmann::json>>()),
                         [](const auto& spec) { return spec.param["name"].template get<std::string>(); });

/// A random tree with sleepers and pinned tasks.
FairnessOracle random_tree(std::uint64_t seed, unsigned cpus, bool pinned) {
  std::mt19937_64 random(seed);
  FairnessOracle oracle;
  for (std::size_t i = 0, n = random() % 12; i < n; ++i)
    (void)oracle.add_group(random() % oracle.group_count(), 1 + static_cast<double>(random() % 10000));
  for (std::size_t i = 0, n = 1 + random() % 40; i < n; ++i) {
    double demand = random() % 3 ? 1.0 : 0.05 + static_cast<double>(random() % 90) / 100;
    std::uint64_t allowed = pinned && random() % 3 == 0 ? 1 + random() % ((1u << cpus) - 1) : ~0ull;
    (void)oracle.add_task(random() % oracle.group_count(), 1 + static_cast<double>(random() % 10000), demand, allowed);
  }
  return oracle;
}

TEST(FairnessOracle, GivesAwayEverythingThatCanBeUsed) {
  for (std::uint64_t seed : fakes::seeds(300)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    unsigned cpus = 1 + static_cast<unsigned>(seed % 4);
    FairnessOracle oracle = random_tree(seed, cpus, false);
    oracle.set_demand(0, 1);
    double asked = 0, given = 0;
    auto shares = oracle.solve(cpus);
    FairnessOracle alone = oracle;  // how much could be used if nobody else were there
    for (std::size_t t = 0; t < oracle.task_count(); ++t) given += shares.tasks[t];
    for (std::size_t t = 0; t < oracle.task_count(); ++t) {
      for (std::size_t other = 0; other < oracle.task_count(); ++other)
        if (other != t) alone.set_demand(other, 0);
      asked += alone.solve(cpus).tasks[t];
      alone = oracle;
    }
    EXPECT_NEAR(given, std::min<double>(cpus, asked), 1e-6);
    EXPECT_NEAR(given, shares.groups[FairnessOracle::kRoot], 1e-9);
  }
}

TEST(FairnessOracle, OverfillsNoSetOfCpusAndLeavesNoUsableOne) {
  for (std::uint64_t seed : fakes::seeds(300)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    unsigned cpus = 1 + static_cast<unsigned>(seed % 4);
    std::mt19937_64 random(seed);
    FairnessOracle oracle;
    std::vector<std::uint64_t> allowed;
    for (std::size_t i = 0, n = 1 + random() % 12; i < n; ++i) {
      allowed.push_back(1 + random() % ((1u << cpus) - 1));
      (void)oracle.add_task(FairnessOracle::kRoot, 1 + static_cast<double>(random() % 10000), 1, allowed.back());
    }
    auto shares = oracle.solve(cpus);
    double given = 0;
    for (std::uint64_t set = 1; set < 1u << cpus; ++set) {
      double within = 0;
      for (std::size_t t = 0; t < allowed.size(); ++t) within += allowed[t] & ~set ? 0 : shares.tasks[t];
      EXPECT_LE(within, std::popcount(set) + 1e-6) << "CPUs " << set;
      given = within;
    }
    // Hall: at least min over all sets S of |CPUs outside S that nobody needs| ...: as much as a matching can carry.
    double most = static_cast<double>(allowed.size());
    for (std::uint64_t set = 0; set < 1u << cpus; ++set) {
      double reach = std::popcount(set);
      for (std::uint64_t mask : allowed) reach += mask & ~set ? 1 : 0;
      most = std::min(most, reach);
    }
    EXPECT_NEAR(given, most, 1e-6) << "work-conserving";
  }
}

// No task can be given more without taking it from a sibling that has no more, by weight.
TEST(FairnessOracle, IsMaxMinFairByWeightAtEachLevel) {
  for (std::uint64_t seed : fakes::seeds(300)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    FairnessOracle oracle;
    std::mt19937_64 random(seed);
    std::vector<double> weight, demand;
    for (std::size_t i = 0, n = 3 + random() % 20; i < n; ++i) {
      weight.push_back(1 + static_cast<double>(random() % 10000));
      demand.push_back(random() % 2 ? 1.0 : static_cast<double>(1 + random() % 99) / 100);
      std::size_t group = oracle.add_group(FairnessOracle::kRoot, weight.back());
      (void)oracle.add_task(group, 100, demand.back());
    }
    auto shares = oracle.solve(2);
    for (std::size_t a = 0; a < weight.size(); ++a) {
      if (shares.tasks[a] >= demand[a] - 1e-6) continue;
      for (std::size_t b = 0; b < weight.size(); ++b)
        EXPECT_GE(shares.tasks[a] / weight[a], shares.tasks[b] / weight[b] - 1e-9) << a << " and " << b;
    }
  }
}

TEST(FairnessOracle, ToleratesPinnedTasksInRandomTrees) {
  for (std::uint64_t seed : fakes::seeds(100)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    FairnessOracle oracle = random_tree(seed, 4, true);
    auto shares = oracle.solve(4);
    EXPECT_LE(shares.groups[FairnessOracle::kRoot], 4 + 1e-6);
    for (double share : shares.tasks) EXPECT_GT(share, 0) << "nobody starves";
  }
}

}  // namespace
}  // namespace mus

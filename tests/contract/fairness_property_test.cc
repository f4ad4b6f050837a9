// SPDX-License-Identifier: GPL-2.0-only
// vtime against the oracle on random trees of cgroups, alone and by the rules of the kernel half, on a clock of the test's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "fair_machine.h"
#include "fairness_bounds.h"
#include "policies/vtime.h"
#include "seed.h"

namespace mus {
namespace {

constexpr unsigned kDeepest = 4;
constexpr std::size_t kMostTasks = 40, kMostGroups = 12;
constexpr Duration kWarmUp = 2s, kWindow = 5s;

struct Kind {
  const char* name;
  unsigned cpus;
  bool sleepers;
  double lightest, heaviest;  // weights, of cgroups and of tasks
  fairness::Bound lag;
  fakes::On on = fakes::On::kKernelHalf;
  bool pinned = false;  // one task in three may run on one CPU alone
};

constexpr auto kAlone = fakes::On::kPolicyAlone;

class VtimeFairnessProperty : public testing::TestWithParam<Kind> {};

// Even on a logarithmic scale: a tree of light and heavy groups, not of heavy ones alone.
std::uint32_t random_weight(std::mt19937_64& random, const Kind& kind) {
  double exponent = std::uniform_real_distribution<>(std::log(kind.lightest), std::log(kind.heaviest))(random);
  return static_cast<std::uint32_t>(std::clamp(std::round(std::exp(exponent)), kind.lightest, kind.heaviest));
}

void build(fakes::FairMachine& machine, std::mt19937_64& random, const Kind& kind) {
  std::vector<std::pair<std::size_t, unsigned>> groups{{0, 0}};  // and their depth
  for (std::size_t i = 0, n = 1 + random() % kMostGroups; i < n; ++i) {
    auto [parent, depth] = groups[random() % groups.size()];
    if (depth == kDeepest) continue;
    std::uint32_t weight = random_weight(random, kind);
    std::string name = "g" + std::to_string(groups.size()) + " in g" + std::to_string(parent) + " weight " + std::to_string(weight);
    groups.emplace_back(machine.group(name, parent, weight), depth + 1);
  }
  for (std::size_t i = 0, n = kind.cpus + 1 + random() % (kMostTasks - kind.cpus); i < n; ++i) {
    fakes::TaskSpec spec{.weight = random_weight(random, kind)};
    if (kind.sleepers && random() % 3 == 0) {
      spec.work = Duration{100us} * (1 + random() % 50);
      spec.sleep = Duration{100us} * (1 + random() % 200);
    }
    if (kind.pinned && random() % 3 == 0) spec.allowed = 1u << random() % kind.cpus;
    machine.tasks(groups[random() % groups.size()].first, 1, spec);
  }
}

TEST_P(VtimeFairnessProperty, LagStaysWithinABoundAtEachLevel) {
  const Kind& kind = GetParam();
  double worst = 0;
  for (std::uint64_t seed : fakes::seeds(kind.lag.today ? 40 : 200)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    PolicyConfig config{.slice = 4ms, .online = kind.cpus, .settings = {}};
    // That nobody waits for more than 0.9 s is a rule against the weights, with tests of its own: the cases 1:10000 and depth 5.
    if (kind.on == kAlone) config.settings = {{"longest-wait-ms", 3'600'000}};
    VtimePolicy policy(config);
    fakes::FairMachine machine(policy, kind.cpus, 4ms, seed, kind.on);
    build(machine, random, kind);
    machine.run_for(kWarmUp);
    fakes::FairReport report = machine.measure(kWindow);
    const fakes::FairEntry& e = report.worst();
    worst = std::max(worst, report.slices_per_level(e));
    EXPECT_LE(report.slices_per_level(e), kind.lag.allowed())
        << "slices a level and CPU: " << e.name << ", level " << e.level << ": ahead by "
        << e.ahead << ", behind by " << e.behind << "; ideal " << e.ideal << " CPUs, real " << e.real;
    EXPECT_THAT(machine.machine().violations(), testing::IsEmpty());
  }
  std::printf("%s: %.3f slices a level and CPU at worst\n", kind.name, worst);
  RecordProperty("worst_slices_per_level_and_cpu", std::to_string(worst));
  if (worst <= kind.lag.wanted && kind.lag.today > kind.lag.wanted)
    std::printf("%s keeps what is wanted (%.2f): delete its `today` in fairness_bounds.h\n", kind.name, worst);
}

// The order alone, nothing decided ahead: what EEVDF promises at each level, a slice, is kept to the letter.
INSTANTIATE_TEST_SUITE_P(PolicyAlone, VtimeFairnessProperty,
                         testing::Values(Kind{"OneCpu", 1, false, 30, 300, fairness::kLagAlone, kAlone},
                                         Kind{"TwoCpus", 2, false, 30, 300, fairness::kLagAlone, kAlone},
                                         Kind{"ThreeCpus", 3, false, 30, 300, fairness::kLagAlone, kAlone},
                                         Kind{"FourCpus", 4, false, 30, 300, fairness::kLagAlone, kAlone},
                                         Kind{"ExtremesOnOneCpu", 1, false, 1, 10000, fairness::kLagAlone, kAlone},
                                         Kind{"ExtremesOnTwoCpus", 2, false, 1, 10000, fairness::kLagAlone, kAlone},
                                         Kind{"ExtremesOnThreeCpus", 3, false, 1, 10000, fairness::kLagAlone, kAlone},
                                         Kind{"ExtremesOnFourCpus", 4, false, 1, 10000, fairness::kLagAlone, kAlone},
                                         Kind{"SleepersOnOneCpu", 1, true, 30, 300, fairness::kLagAloneSleepers, kAlone},
                                         Kind{"SleepersOnTwoCpus", 2, true, 30, 300, fairness::kLagAloneSleepers, kAlone},
                                         Kind{"SleepersOnFourCpus", 4, true, 30, 300, fairness::kLagAloneSleepersFourCpus, kAlone}),
                         [](const auto& kind) { return kind.param.name; });
INSTANTIATE_TEST_SUITE_P(KernelHalf, VtimeFairnessProperty,
                         testing::Values(Kind{"OneCpu", 1, false, 30, 300, fairness::kLagOneCpu},
                                         Kind{"PinnedOnTwoCpus", 2, false, 30, 300, fairness::kLagPinnedTwoCpus, fakes::On::kKernelHalf, true},
                                         Kind{"PinnedOnThreeCpus", 3, false, 30, 300, fairness::kLagPinnedManyCpus, fakes::On::kKernelHalf, true},
                                         Kind{"PinnedOnFourCpus", 4, false, 30, 300, fairness::kLagPinnedManyCpus, fakes::On::kKernelHalf, true},
                                         Kind{"TwoCpus", 2, false, 30, 300, fairness::kLagManyCpus},
                                         Kind{"ThreeCpus", 3, false, 30, 300, fairness::kLagManyCpus},
                                         Kind{"FourCpus", 4, false, 30, 300, fairness::kLagManyCpus},
                                         Kind{"SleepersOnOneCpu", 1, true, 30, 300, fairness::kLagSleepersOneCpu},
                                         Kind{"SleepersOnTwoCpus", 2, true, 30, 300, fairness::kLagSleepersTwoCpus},
                                         Kind{"SleepersOnFourCpus", 4, true, 30, 300, fairness::kLagSleepersFourCpus},
                                         Kind{"ExtremesOnOneCpu", 1, false, 1, 10000, fairness::kLagExtremesOneCpu},
                                         Kind{"ExtremesOnTwoCpus", 2, false, 1, 10000, fairness::kLagExtremesManyCpus},
                                         Kind{"ExtremesOnFourCpus", 4, false, 1, 10000, fairness::kLagExtremesManyCpus},
                                         Kind{"ExtremeSleepersOnTwoCpus", 2, true, 1, 10000, fairness::kLagExtremeSleepers}),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#include "fluid_machine.h"

#include <gtest/gtest.h>

namespace mus {
namespace {

using fakes::FairnessOracle;
using fakes::FluidMachine;

constexpr double kExact = 1e-8;

/// Three equal tasks, and what they used so far.
struct Three {
  explicit Three(unsigned cpus = 1) : fluid(oracle, cpus) {
    for (std::size_t t = 0; t < 3; ++t) fluid.set_runnable(oracle.add_task(FairnessOracle::kRoot), true);
  }
  void run(std::size_t task, Duration time) {
    used[task] += std::chrono::duration<double>(time).count();
    fluid.run_for(time, used);
  }
  void expect_ms(double a, double b, double c) {
    EXPECT_NEAR(fluid.lag(0), a / 1000, kExact);
    EXPECT_NEAR(fluid.lag(1), b / 1000, kExact);
    EXPECT_NEAR(fluid.lag(2), c / 1000, kExact);
  }
  FairnessOracle oracle;
  FluidMachine fluid;
  std::vector<double> used{0, 0, 0};
};

TEST(FluidMachine, WhoRunsIsAheadAndTheOthersAreBehind) {
  Three m;
  m.run(0, 3ms);
  m.expect_ms(-2, 1, 1);
  m.run(1, 3ms);
  m.expect_ms(-1, -1, 2);
}

TEST(FluidMachine, TheLagOfWhoLeavesPassesToTheOthers) {
  Three m;
  m.run(0, 3ms);
  m.fluid.set_runnable(1, false);  // 1 ms behind
  m.expect_ms(-1.5, 0, 1.5);
  m.fluid.set_runnable(1, true);
  m.expect_ms(-1.5, 0, 1.5);
}

TEST(FluidMachine, WhoSleepsWhileAheadOwesTheRestWhenItComesBack) {
  Three m;
  m.run(0, 3ms);
  m.fluid.set_runnable(0, false);  // 2 ms ahead
  m.expect_ms(0, 0, 0);
  m.run(1, 1500us);
  m.run(2, 1500us);
  m.fluid.set_runnable(0, true);  // had it gone on competing, it would be owed a third of 3 ms more
  m.expect_ms(-1, 0.5, 0.5);
}

TEST(FluidMachine, WithinACgroupFirst) {
  FairnessOracle oracle;
  FluidMachine fluid(oracle, 1);
  std::size_t group = oracle.add_group(FairnessOracle::kRoot, 100);
  for (std::size_t in : {group, group, FairnessOracle::kRoot}) fluid.set_runnable(oracle.add_task(in), true);
  fluid.run_for(4ms, {0.004, 0, 0});
  EXPECT_NEAR(fluid.lag(0), -0.003, kExact);
  fluid.set_runnable(0, false);
  EXPECT_NEAR(fluid.lag(1), -0.002, kExact) << "its cgroup had 4 ms of 8";
  EXPECT_NEAR(fluid.lag(2), 0.002, kExact);
}

TEST(FluidMachine, NobodyIsBehindWhileNobodyCompetes) {
  Three m(2);
  m.used[0] = m.used[1] = 0.003;
  m.fluid.run_for(3ms, m.used);
  m.expect_ms(-1, -1, 2);
  m.fluid.set_runnable(2, false);
  m.expect_ms(0, 0, 0);
}

}  // namespace
}  // namespace mus

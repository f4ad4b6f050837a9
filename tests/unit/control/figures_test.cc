// SPDX-License-Identifier: GPL-2.0-only
#include "control/figures.h"

#include <gtest/gtest.h>

#include "fakes/fake_port.h"

namespace mus {
namespace {

using namespace std::chrono_literals;

constexpr CgroupId kRoot{1}, kA{10}, kB{11}, kC{12};
using Steady = std::chrono::steady_clock::time_point;

/// root > a > b, root > c; in an order that nobody promised.
void grow(fakes::FakePort& port) {
  port.group(kB) = {.id = kB, .parent = kA, .depth = 2, .weight = 100};
  port.group(kC) = {.id = kC, .parent = kRoot, .depth = 1, .weight = 100};
  port.group(kA) = {.id = kA, .parent = kRoot, .depth = 1, .weight = 400};
  port.group(kRoot) = {.id = kRoot, .parent = {}, .depth = 0, .weight = 100};
}

const GroupFigures* of(const Figures& figures, CgroupId id) {
  for (const GroupFigures& group : figures.groups)
    if (group.group->id == id) return &group;
  return nullptr;
}

TEST(Figures, SharesCountTheCgroupsBelow) {
  fakes::FakePort port;
  port.publish(1s);
  grow(port);
  Sample before = take_sample(port, Steady(10s), nullptr);
  port.publish(2s);
  port.group(kA).run_time = 200ms;
  port.group(kB).run_time = 600ms;
  port.group(kB).runnable = 2;
  port.group(kC).run_time = 400ms;
  Sample after = take_sample(port, Steady(11s), &before);
  Figures figures = figures_between(before, after, 2);
  EXPECT_NEAR(of(figures, kB)->share, 0.3, 1e-9);
  EXPECT_NEAR(of(figures, kA)->share, 0.4, 1e-9);
  EXPECT_NEAR(of(figures, kA)->cpu_ms, 800, 1e-9);
  EXPECT_EQ(of(figures, kA)->runnable, 2u);
  EXPECT_NEAR(of(figures, kRoot)->share, 0.6, 1e-9);
  EXPECT_EQ(figures.groups.front().group->id, kRoot) << "parents come before children";
}

TEST(Figures, LeaveOutWhoNeitherRanNorWantedTo) {
  fakes::FakePort port;
  port.publish(1s);
  grow(port);
  port.group(kC).run_time = 5s;
  Sample before = take_sample(port, Steady(10s), nullptr);
  port.publish(2s);
  port.group(kA).runnable = 1;
  Figures figures;
  Sample after = take_sample(port, Steady(11s), &before);
  figures = figures_between(before, after, 2);
  EXPECT_EQ(of(figures, kC), nullptr);
  EXPECT_EQ(of(figures, kB), nullptr);
  EXPECT_NE(of(figures, kA), nullptr);
  EXPECT_NE(of(figures, kRoot), nullptr);
}

TEST(Figures, ANewCgroupsTimeCountsFromItsBeginning) {
  fakes::FakePort port;
  port.publish(1s);
  Sample before = take_sample(port, Steady(10s), nullptr);
  port.publish(2s);
  grow(port);
  port.group(kC).run_time = 100ms;
  Sample after = take_sample(port, Steady(11s), &before);
  Figures figures = figures_between(before, after, 1);
  EXPECT_NEAR(of(figures, kC)->share, 0.1, 1e-9);
}

TEST(Figures, NothingComesOutOfNothing) {
  fakes::FakePort port;
  Sample sample = take_sample(port, Steady(10s), nullptr);
  Figures figures = figures_between(sample, sample, 0);
  EXPECT_TRUE(figures.groups.empty());
  EXPECT_GT(figures.interval_s, 0);
  EXPECT_EQ(figures.userland_percent, 100);
}

TEST(Figures, RatesAreASecond) {
  fakes::FakePort port;
  Sample before = take_sample(port, Steady(10s), nullptr);
  auto& counters = port.counted.counters;
  counters.runs[MUS_ROUTE_DECIDED] = 300;
  counters.runs[MUS_ROUTE_STANDING] = 80;
  counters.runs[MUS_ROUTE_HELD] = 20;
  counters.runs[MUS_ROUTE_IDLE] = 1000;
  counters.refused[MUS_REFUSED_NONE] = 9;
  counters.refused[MUS_REFUSED_STALE] = 4;
  port.used.cpu_s = 0.5;
  Sample after = take_sample(port, Steady(12s), &before);
  Figures figures = figures_between(before, after, 2);
  EXPECT_EQ(figures.rates.decided, 150);
  EXPECT_EQ(figures.rates.refused, 2);
  EXPECT_EQ(figures.userland_percent, 95);
  EXPECT_EQ(figures.daemon_cpu_percent, 25);
}

TEST(Figures, WaitsAreInterpolatedWithinABucket) {
  WaitBuckets none{}, some{};
  EXPECT_EQ(wait_quantile_ms(none, none, 0.5), std::nullopt);
  some[10] = 100;  // 512 to 1024 microseconds
  EXPECT_NEAR(*wait_quantile_ms(none, some, 0.5), 0.768, 1e-9);
  some[0] = 100;  // below one
  EXPECT_NEAR(*wait_quantile_ms(none, some, 0.5), 0.001, 1e-9);
  EXPECT_NEAR(*wait_quantile_ms(none, some, 1), 1.024, 1e-9);
  EXPECT_EQ(wait_quantile_ms(some, some, 0.5), std::nullopt);
}

TEST(Figures, WaitCountersMayWrap) {
  WaitBuckets before{}, after{};
  before[4] = UINT32_MAX;
  after[4] = 9;
  EXPECT_NEAR(*wait_quantile_ms(before, after, 1), 0.016, 1e-9);
}

TEST(Figures, WaitsAreOfTheIntervalAndNotAskedForOfTheQuiet) {
  fakes::FakePort port;
  port.publish(1s);
  grow(port);
  port.wait_buckets[kA][5] = 1000;
  port.wait_buckets[kC][5] = 1000;
  Sample before = take_sample(port, Steady(10s), nullptr);
  EXPECT_EQ(port.waits_asked, 4u);
  port.publish(2s);
  port.group(kA).run_time = 10ms;
  port.wait_buckets[kA][12] = 10;
  Sample after = take_sample(port, Steady(11s), &before);
  EXPECT_EQ(port.waits_asked, 5u);
  Figures figures = figures_between(before, after, 2);
  EXPECT_NEAR(*of(figures, kA)->wait_p50_ms, 3.072, 1e-9);
  EXPECT_EQ(of(figures, kRoot)->wait_p50_ms, std::nullopt) << "of the tasks directly in it";
}

}  // namespace
}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#include "control/statistics.h"

#include <gtest/gtest.h>

#include <memory>

#include <nlohmann/json.hpp>

namespace mus {
namespace {

TEST(Totals, AddUpTheCpusThatThereAre) {
  auto shared = std::make_unique<mus_shared>();
  shared->cpu_count = 2;
  shared->shard_count = 1;
  shared->cpus[0].counters.decisions = 3;
  shared->cpus[1].counters.decisions = 4;
  shared->cpus[2].counters.decisions = 100;
  shared->cpus[1].queued_count = 2;
  shared->shards[0].queued_count = 5;
  shared->shards[0].in_turn_count = 3;
  shared->shards[0].held_count = 6;
  Totals totals = read_totals(*shared);
  EXPECT_EQ(totals.counters.decisions, 7u);
  EXPECT_EQ(totals.queued, 10u) << "they that joined by standing order wait there too";
  EXPECT_EQ(totals.held, 6u);
}

TEST(Totals, StalledWhileTheQuestionThatTheKernelHalfNotedStands) {
  auto shared = std::make_unique<mus_shared>();
  EXPECT_FALSE(read_totals(*shared).stalled) << "nothing is asked: 0 is not a question";
  shared->asked_ns = 1000;
  EXPECT_FALSE(read_totals(*shared).stalled) << "asked, and not late";
  shared->stalled_ns = 1000;
  EXPECT_TRUE(read_totals(*shared).stalled);
  shared->asked_ns = 0;
  EXPECT_FALSE(read_totals(*shared).stalled) << "it has looked";
  shared->asked_ns = 2000;
  EXPECT_FALSE(read_totals(*shared).stalled) << "another question";
}

TEST(Totals, CountersHaveTheirNames) {
  mus_counters counters{};
  counters.runs[MUS_ROUTE_DAEMON] = 8;
  counters.runs[MUS_ROUTE_IN_TURN] = 9;
  counters.refused[MUS_REFUSED_STALE] = 2;
  EXPECT_EQ(runs_json(counters)["daemon"], 8);
  EXPECT_EQ(runs_json(counters)["in_turn"], 9);
  EXPECT_EQ(refused_json(counters)["stale"], 2);
  EXPECT_FALSE(refused_json(counters).contains("none"));
}

}  // namespace
}  // namespace mus

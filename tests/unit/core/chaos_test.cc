// SPDX-License-Identifier: GPL-2.0-only
#include "core/chaos.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace mus {
namespace {

constexpr Time kStart = Time{1h};

struct Ring {
  bool operator()(const mus_decision& decision) {
    if (full) return false;
    sent.push_back(decision);
    return true;
  }
  std::vector<mus_decision> sent;
  bool full = false;
};

std::vector<mus_decision> send_many(Chaos& chaos, std::size_t n) {
  Ring ring;
  for (std::size_t i = 0; i < n; ++i) {
    mus_decision decision{};
    decision.pid = static_cast<__s32>(i);
    decision.generation = 1000;
    EXPECT_TRUE(chaos.write(decision, kStart, std::ref(ring)));
  }
  return ring.sent;
}

TEST(ChaosPlan, ReadsAllThatItKnows) {
  auto plan = ChaosPlan::parse("drop=0.01,delay=5ms,dup=0.02,stale=1,stop=50ms/1s,kill=1.5s");
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(plan->drop, 0.01);
  EXPECT_EQ(plan->dup, 0.02);
  EXPECT_EQ(plan->stale, 1);
  EXPECT_EQ(plan->delay, 5ms);
  EXPECT_EQ(plan->stop, 50ms);
  EXPECT_EQ(plan->stop_every, 1s);
  EXPECT_EQ(plan->kill, 1500ms);
}

TEST(ChaosPlan, RefusesWhatItDoesNotKnow) {
  for (const char* wrong : {"", "drop", "drop=", "drop=1.1", "drop=-1", "drop=nan", "drop=0.1x", "drop=0", "delay=5", "delay=5m",
                            "delay=-5ms", "delay=0ms", "delay=1e30s", "stop=50ms", "stop=50ms/", "stop=/1s", "boom=1", "dup=0.1,,"}) {
    auto plan = ChaosPlan::parse(wrong);
    ASSERT_FALSE(plan) << wrong;
    EXPECT_FALSE(plan.error().remedy.empty());
  }
}

TEST(Chaos, DropsAndRepeatsAtItsRates) {
  Chaos drop(*ChaosPlan::parse("drop=0.25"), 1), dup(*ChaosPlan::parse("dup=0.25"), 1);
  EXPECT_NEAR(static_cast<double>(send_many(drop, 10000).size()), 7500, 250);
  EXPECT_NEAR(static_cast<double>(send_many(dup, 10000).size()), 12500, 250);
}

TEST(Chaos, MakesDecisionsStale) {
  Chaos chaos(*ChaosPlan::parse("stale=0.25"), 1);
  auto sent = send_many(chaos, 10000);
  EXPECT_EQ(sent.size(), 10000u);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(sent, 999u, &mus_decision::generation)), 2500, 250);
}

TEST(Chaos, HoldsBackForItsDelayInOrder) {
  Chaos chaos(*ChaosPlan::parse("delay=5ms"), 1);
  Ring ring;
  EXPECT_TRUE(chaos.write({.pid = 1}, kStart, std::ref(ring)));
  EXPECT_TRUE(chaos.write({.pid = 2}, kStart + 1ms, std::ref(ring)));
  EXPECT_EQ(chaos.flush(kStart + 4ms, std::ref(ring)), 0u);
  EXPECT_EQ(chaos.flush(kStart + 5ms, std::ref(ring)), 1u);
  ring.full = true;
  EXPECT_EQ(chaos.flush(kStart + 6ms, std::ref(ring)), 0u);
  EXPECT_TRUE(chaos.holds_back());
  ring.full = false;
  EXPECT_EQ(chaos.flush(kStart + 6ms, std::ref(ring)), 1u);
  EXPECT_FALSE(chaos.holds_back());
  ASSERT_EQ(ring.sent.size(), 2u);
  EXPECT_EQ(ring.sent[1].pid, 2);
}

TEST(Chaos, SendsAtOnceWhatItCannotHoldBack) {
  Chaos chaos(*ChaosPlan::parse("delay=5ms"), 1, 3);
  EXPECT_EQ(send_many(chaos, 10).size(), 7u);
}

TEST(Chaos, SaysThatTheRingIsFull) {
  Chaos chaos(*ChaosPlan::parse("dup=1"), 1);
  Ring ring{.sent = {}, .full = true};
  EXPECT_FALSE(chaos.write({}, kStart, std::ref(ring)));
}

TEST(Chaos, StopsOnceInItsTimeAndDiesWhenItsTimeHasCome) {
  Chaos chaos(*ChaosPlan::parse("stop=50ms/1s,kill=3s"), 1);
  EXPECT_EQ(chaos.stop(kStart), 0ns);
  EXPECT_FALSE(chaos.kill(kStart));
  EXPECT_EQ(chaos.stop(kStart + 999ms), 0ns);
  EXPECT_EQ(chaos.stop(kStart + 1s), 50ms);
  EXPECT_EQ(chaos.stop(kStart + 1050ms), 0ns);
  EXPECT_EQ(chaos.stop(kStart + 2050ms), 50ms);
  EXPECT_FALSE(chaos.kill(kStart + 2999ms));
  EXPECT_TRUE(chaos.kill(kStart + 3s));
}

}  // namespace
}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#include "control/client.h"

#include <gtest/gtest.h>

namespace mus {
namespace {

using namespace std::chrono_literals;

TEST(Gathering, LetsLinesGatherWhereTheyComeFast) {
  Gathering gathering;
  auto now = Gathering::Clock::time_point(1h);
  gathering.handled(1, now);
  EXPECT_LE(gathering.until(), now) << "one line says nothing yet";
  gathering.handled(1, now + 1ms);
  EXPECT_EQ(gathering.until(), now + 1ms + Gathering::kFor);
  gathering.handled(4, now + 6ms);
  EXPECT_EQ(gathering.until(), now + 6ms + Gathering::kFor);
  gathering.handled(1, now + 1s);
  EXPECT_LE(gathering.until(), now + 1s);
}

TEST(Gathering, DoesNotSlowDownOneWhoWaitsForEachAnswer) {
  Gathering gathering;
  auto now = Gathering::Clock::time_point(1h);
  std::size_t waits = 0;
  for (int i = 0; i < 1000; ++i) {
    now = std::max(now + 100us, gathering.until());
    gathering.handled(1, now);
    waits += gathering.until() > now;
  }
  EXPECT_LE(waits, 1000 / 256 + 1);
  EXPECT_GT(waits, 0u);
}

TEST(TokenBucket, FillsAtItsRateUpToItsBurst) {
  TokenBucket bucket(100, 10);
  TokenBucket::Clock::time_point t(1h);
  bucket.refill(t);
  bucket.take(10);
  EXPECT_TRUE(bucket.empty());
  EXPECT_EQ(std::chrono::round<std::chrono::milliseconds>(bucket.until_ready()), 10ms);
  bucket.refill(t + 20ms);
  bucket.take(2);
  EXPECT_TRUE(bucket.empty());
  bucket.refill(t + 1h);
  bucket.take(9);
  EXPECT_FALSE(bucket.empty());
  bucket.take(101);
  EXPECT_EQ(std::chrono::round<std::chrono::milliseconds>(bucket.until_ready()), 1010ms);
}

}  // namespace
}  // namespace mus

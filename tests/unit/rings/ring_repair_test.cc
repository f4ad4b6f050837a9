// SPDX-License-Identifier: GPL-2.0-only
#include "rings/ring_repair.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace mus {
namespace {

/// A ring in ordinary memory. Its data is only once there: no test record goes over the end.
class RingRepairTest : public testing::Test {
 protected:
  static constexpr std::size_t kBytes = 4096;

  unsigned long add(std::uint32_t bytes, std::uint32_t flags = 0) {
    unsigned long at = producer_;
    std::uint32_t header = bytes | flags;
    std::memcpy(data_.data() + (at & (kBytes - 1)), &header, sizeof(header));
    producer_ += (8 + bytes + 7) / 8 * 8;
    return at;
  }
  [[nodiscard]] std::uint32_t header(unsigned long at) const {
    std::uint32_t value = 0;
    std::memcpy(&value, data_.data() + (at & (kBytes - 1)), sizeof(value));
    return value;
  }
  [[nodiscard]] RingMemory memory() {
    return {.consumer = &consumer_, .producer = &producer_, .data = data_.data(), .bytes = kBytes};
  }

  unsigned long consumer_ = 0, producer_ = 0;
  std::vector<std::byte> data_ = std::vector<std::byte>(2 * kBytes);
};

TEST_F(RingRepairTest, BusyDecisionIsDiscardedAndTheOthersStay) {
  auto first = add(80), busy = add(80, BPF_RINGBUF_BUSY_BIT), last = add(80);
  auto end = producer_;
  RingRepair done = repair_decisions(memory());
  EXPECT_EQ(done.records, 1u);
  EXPECT_FALSE(done.reset);
  EXPECT_EQ(header(first), 80u);
  EXPECT_EQ(header(busy), 80u | BPF_RINGBUF_DISCARD_BIT);
  EXPECT_EQ(header(last), 80u);
  EXPECT_EQ(producer_, end);
  EXPECT_EQ(consumer_, 0u) << "the kernel's";
}

TEST_F(RingRepairTest, WhatIsReadAlreadyIsLeftAlone) {
  auto read = add(80, BPF_RINGBUF_BUSY_BIT);
  consumer_ = producer_;
  EXPECT_EQ(repair_decisions(memory()).records, 0u);
  EXPECT_EQ(header(read), 80u | BPF_RINGBUF_BUSY_BIT);
}

TEST_F(RingRepairTest, RecordOverTheEndIsFollowed) {
  consumer_ = producer_ = 3 * kBytes - 48;  // the data of a record of 80 bytes goes on after the end
  add(80);
  auto busy = add(80, BPF_RINGBUF_BUSY_BIT);
  EXPECT_EQ(repair_decisions(memory()).records, 1u);
  EXPECT_EQ(header(busy), 80u | BPF_RINGBUF_DISCARD_BIT);
}

TEST_F(RingRepairTest, DecisionsThatMakeNoSenseAreDropped) {
  struct Case {
    const char* what;
    unsigned long consumer, producer;
    std::uint32_t header;
  };
  for (const Case& c : {Case{"longer than the rest", 0, 88, 4000}, Case{"behind the consumer", 96, 8, 80},
                        Case{"more than fits", 0, 2 * kBytes, 80}, Case{"not aligned", 0, 90, 80},
                        Case{"largest length", 0, 88, 0x3fffffff}}) {
    consumer_ = c.consumer, producer_ = c.producer;
    std::memcpy(data_.data(), &c.header, sizeof(c.header));
    EXPECT_TRUE(repair_decisions(memory()).reset) << c.what;
    EXPECT_EQ(producer_, c.consumer) << c.what;
    EXPECT_EQ(consumer_, c.consumer) << c.what;
  }
}

TEST_F(RingRepairTest, OldEventsAreSkipped) {
  add(96), add(8, BPF_RINGBUF_DISCARD_BIT), add(96);
  RingRepair done = skip_events(memory());
  EXPECT_EQ(done.records, 3u);
  EXPECT_FALSE(done.reset);
  EXPECT_EQ(consumer_, producer_);
}

TEST_F(RingRepairTest, EventThatIsBeingWrittenIsNotSkipped) {
  add(96);
  auto busy = add(96, BPF_RINGBUF_BUSY_BIT);
  add(96);
  EXPECT_EQ(skip_events(memory()).records, 1u);
  EXPECT_EQ(consumer_, busy);
}

TEST_F(RingRepairTest, ConsumerInTheMiddleOfARecordIsMovedToTheEnd) {
  add(96), add(96);
  std::memset(data_.data() + 16, 0x5a, 8);
  consumer_ = 16;
  EXPECT_TRUE(skip_events(memory()).reset);
  EXPECT_EQ(consumer_, producer_);
}

TEST_F(RingRepairTest, ConsumerBeyondTheProducerIsMovedBack) {
  add(96);
  consumer_ = 8192;
  EXPECT_TRUE(skip_events(memory()).reset);
  EXPECT_EQ(consumer_, producer_);
}

}  // namespace
}  // namespace mus

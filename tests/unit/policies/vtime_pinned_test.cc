// SPDX-License-Identifier: GPL-2.0-only
// Tasks that may not run everywhere: put aside while their CPU's queue is full, and back.
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>

#include "driver_bench.h"
#include "policies/vtime.h"

namespace mus {
namespace {

/// Two CPUs; tasks pinned to CPU 1, of which some are decided on at once and one is put aside.
class VtimePinned : public testing::Test {
 protected:
  using Bench = fakes::DriverBench<VtimePolicy>;
  static constexpr std::uint32_t kFull = 8;  // more than is decided ahead for any CPU

  VtimePinned() {
    for (;;) {
      parked = bench.spawn_on(1, 1);
      auto sent = decide(queued);
      if (sent.empty()) break;
      EXPECT_EQ(sent[0].target, 1);
      EXPECT_EQ(sent[0].pid, parked);
      ++queued;
      if (queued > kFull) throw std::logic_error("one CPU's queue is filled without end");
    }
  }
  std::vector<mus_decision> decide(std::uint32_t on_cpu_1) {
    std::vector<mus_decision> sent;
    bench.cpus[1].queued = on_cpu_1;
    bench.driver.decide({.shared = 0, .cpus = bench.cpus}, [&](const mus_decision& d) { return sent.push_back(d), true; });
    return sent;
  }
  Bench bench{{.online = 2}, {.horizon = 0ns, .min_per_cpu = 4, .max_per_cpu = 8}};
  std::uint32_t queued = 0;
  int parked = 0;
};

TEST_F(VtimePinned, WaitsWhileTheQueueIsFull) {
  EXPECT_TRUE(decide(queued).empty());
  EXPECT_EQ(bench.driver.waiting(), 1u);
}

TEST_F(VtimePinned, ComesBackWhenThereIsRoom) {
  auto sent = decide(queued - 1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].pid, parked);
  EXPECT_EQ(sent[0].target, 1);
  EXPECT_EQ(bench.driver.waiting(), 0u);
}

TEST_F(VtimePinned, DoesNotKeepOthersFromRunning) {
  int free = bench.spawn(1);
  auto sent = decide(queued);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].pid, free);
  EXPECT_EQ(sent[0].target, MUS_TARGET_ANY);
}

TEST_F(VtimePinned, MayExitWhilePutAside) {
  bench.send(parked, MUS_EVENT_EXIT);
  EXPECT_TRUE(decide(0).empty());
  EXPECT_EQ(bench.driver.waiting(), 0u);
}

TEST_F(VtimePinned, MayBeAnnouncedAgainWhilePutAside) {
  bench.announce(parked, 1ms);
  auto sent = decide(0);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].pid, parked);
  EXPECT_EQ(sent[0].generation, 2u);
}

TEST_F(VtimePinned, MayBeUnpinnedWhilePutAside) {
  bench.known(parked).affinity = MUS_AFFINITY_ALL;
  bench.send(parked, MUS_EVENT_AFFINITY);
  auto sent = decide(queued);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].target, MUS_TARGET_ANY);
}

TEST_F(VtimePinned, MayBePinnedElsewhereWhilePutAside) {
  bench.known(parked).allowed_cpu = 0;  // the class stays ONE
  bench.known(parked).cpu = 0;
  bench.send(parked, MUS_EVENT_AFFINITY);
  auto sent = decide(queued);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].target, 0);
}

TEST_F(VtimePinned, MayChangeWeightAndCgroupWhilePutAside) {
  bench.group(10, 1);
  bench.known(parked).weight = 5000;
  bench.send(parked, MUS_EVENT_WEIGHT);
  bench.known(parked).cgroup_id = 10;
  bench.send(parked, MUS_EVENT_CGROUP);
  auto sent = decide(queued - 1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].pid, parked);
}

TEST_F(VtimePinned, GoesToTheSharedQueueWhenItsCpuIsOffline) {
  bench.cpus[1].online = false;
  auto sent = decide(queued);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].target, MUS_TARGET_ANY);
}

TEST_F(VtimePinned, NonsenseCpusAreNotUsed) {
  for (int cpu : {2, 100, 511}) {  // the driver ignores events that name others
    int pid = bench.spawn_on(1, 0);
    bench.known(pid).allowed_cpu = cpu;
    bench.announce(pid);
    for (const mus_decision& d : decide(queued)) EXPECT_EQ(d.target, MUS_TARGET_ANY) << cpu;
    bench.send(pid, MUS_EVENT_EXIT);
  }
}

TEST_F(VtimePinned, CanGoWhileTasksAreAside) {
  EXPECT_EXIT(
      {
        auto mine = std::make_unique<Bench>(PolicyConfig{.online = 2});
        for (int i = 0; i < 4; ++i) mine->spawn_on(1, 1);
        mine->cpus[1].queued = kFull;
        (void)mine->next();
        mine.reset();
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
  bench.send(parked, MUS_EVENT_EXIT);
}

}  // namespace
}  // namespace mus

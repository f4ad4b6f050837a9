// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/adoption.h"

#include <gtest/gtest.h>

#include "core/policy_driver.h"
#include "policies/fifo.h"

namespace mus {
namespace {

KernelHalf::KnownCgroup cgroup(std::uint64_t id, std::uint64_t parent, std::uint32_t level, std::uint32_t weight) {
  KernelHalf::KnownCgroup known{.id = CgroupId{id}};
  known.cgroup.parent_id = parent;
  known.cgroup.level = level;
  known.cgroup.weight = weight;
  return known;
}

// A hash map gives them in no order.
TEST(Adoption, CgroupsAreToldParentsFirst) {
  auto events = cgroup_events({cgroup(30, 20, 2, 300), cgroup(20, 1, 1, 200), cgroup(1, 0, 0, 100), cgroup(40, 30, 3, 50)});
  ASSERT_EQ(events.size(), 4u);
  std::vector<std::uint64_t> ids, parents;
  for (const mus_event& event : events) {
    EXPECT_EQ(event.kind, static_cast<__u32>(MUS_EVENT_CGROUP_NEW));
    ids.push_back(event.cgroup_id), parents.push_back(event.arg);
  }
  EXPECT_EQ(ids, (std::vector<std::uint64_t>{1, 20, 30, 40}));
  EXPECT_EQ(parents, (std::vector<std::uint64_t>{0, 1, 20, 30}));
}

TEST(Adoption, TheTreeIsWhatTheDeadDaemonHad) {
  PolicyConfig config;
  FifoPolicy policy(config);
  PolicyDriver driver(policy, config, {}, {.tasks = 64, .cgroups = 64});
  for (const mus_event& event : cgroup_events({cgroup(30, 20, 2, 300), cgroup(20, 7, 1, 200), cgroup(7, 0, 0, 100)}))
    driver.on_event(event);
  EXPECT_EQ(driver.counters().bad_events, 0u);
  Cgroup* leaf = driver.cgroups().find(CgroupId{30});
  ASSERT_NE(leaf, nullptr);
  EXPECT_EQ(leaf->kernel_weight.value, 300u);
  ASSERT_NE(leaf->parent, nullptr);
  EXPECT_EQ(leaf->parent->id, CgroupId{20});
  EXPECT_EQ(leaf->parent->kernel_weight.value, 200u);
  EXPECT_EQ(leaf->parent->parent, &driver.cgroups().root());
  EXPECT_EQ(driver.cgroups().root().id, CgroupId{7});
}

}  // namespace
}  // namespace mus

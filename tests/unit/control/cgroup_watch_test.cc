// SPDX-License-Identifier: GPL-2.0-only
#include "control/cgroup_watch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "fakes/fake_port.h"
#include "fakes/temp_folder.h"

namespace mus {
namespace {

using Steady = std::chrono::steady_clock::time_point;

class CgroupWatchTest : public testing::Test {
 protected:
  CgroupWatchTest() {
    std::filesystem::create_directories(folder_.path() / "cgroup/redis");
    fs_.emplace(*CgroupFs::open(folder_.path() / "cgroup", folder_.path() / "proc"));
    port_.publish(1s);
    redis().runnable = 1;
    redis().parent = CgroupId{1};
  }
  Snapshot::Group& redis() { return port_.group(fs_->find(std::string("/redis"))->id); }
  void write(const char* file, const char* text) { std::ofstream(folder_.path() / "cgroup/redis" / file) << text << "\n"; }
  /// The weight that a look told; 0: none.
  std::uint32_t told(CgroupWatch& watch, std::chrono::seconds at) {
    port_.posted.clear();
    watch.look(Steady(at));
    if (port_.posted.empty()) return 0;
    EXPECT_EQ(port_.posted[0].kind, Command::Kind::kKernelWeight);
    EXPECT_EQ(port_.posted[0].cgroup, redis().id);
    return port_.posted[0].weight;
  }

  fakes::TempFolder folder_;
  std::optional<CgroupFs> fs_;
  fakes::FakePort port_;
};

TEST_F(CgroupWatchTest, TellsAWeightThatIsAnotherThanBelieved) {
  CgroupWatch watch(*fs_, port_);
  write("cpu.weight", "100");
  EXPECT_EQ(told(watch, 10s), 0u);
  write("cpu.weight", "400");
  EXPECT_EQ(told(watch, 11s), 400u);
  redis().kernel_weight = 400;
  EXPECT_EQ(told(watch, 12s), 0u);
}

TEST_F(CgroupWatchTest, AnIdleCgroupHasTheLeastWeightUntilItIsIdleNoMore) {
  CgroupWatch watch(*fs_, port_);
  write("cpu.weight", "0");
  write("cpu.idle", "1");
  EXPECT_EQ(told(watch, 10s), 1u);
  redis().kernel_weight = 1;
  EXPECT_EQ(told(watch, 11s), 0u);
  write("cpu.idle", "0");
  write("cpu.weight", "100");
  EXPECT_EQ(told(watch, 12s), 100u);
}

TEST_F(CgroupWatchTest, LooksOnceASecondAndOnlyAtWhatWantsToRun) {
  CgroupWatch watch(*fs_, port_);
  write("cpu.weight", "400");
  EXPECT_EQ(told(watch, 10s), 400u);
  port_.posted.clear();
  watch.look(Steady(10s + std::chrono::milliseconds(999)));
  EXPECT_TRUE(port_.posted.empty());
  redis().runnable = 0;
  EXPECT_EQ(told(watch, 20s), 0u);
}

TEST_F(CgroupWatchTest, TellsOfACgroupThatHasGone) {
  CgroupWatch watch(*fs_, port_);
  CgroupId id = redis().id;
  redis().runnable = 0;
  port_.group(CgroupId{1}) = {.id = CgroupId{1}};         // the root
  port_.group(CgroupId{77}) = {.id = CgroupId{77}, .parent = CgroupId{1}};  // never seen: it may be out of sight
  EXPECT_EQ(fs_->name(id), "/redis");
  EXPECT_EQ(told(watch, 10s), 0u);
  std::filesystem::remove_all(folder_.path() / "cgroup/redis");
  watch.look(Steady(11s));
  ASSERT_EQ(port_.posted.size(), 1u);
  EXPECT_EQ(port_.posted[0].kind, Command::Kind::kCgroupGone);
  EXPECT_EQ(port_.posted[0].cgroup, id);
}

TEST_F(CgroupWatchTest, LooksAtManyCgroupsInTurns) {
  CgroupWatch watch(*fs_, port_);
  redis().runnable = 0;
  std::vector<CgroupId> ids;
  for (int i = 0; i < 100; ++i) {
    std::string path = "/c" + std::to_string(i);
    std::filesystem::create_directories(folder_.path() / ("cgroup" + path));
    ids.push_back(fs_->find(path)->id);
    port_.group(ids.back()) = {.id = ids.back(), .parent = CgroupId{1}};
    EXPECT_EQ(fs_->name(ids.back()), path);
  }
  for (int i = 0; i < 100; ++i) std::filesystem::remove_all(folder_.path() / ("cgroup/c" + std::to_string(i)));
  watch.look(Steady(10s));
  EXPECT_LE(port_.posted.size(), CgroupWatch::kIdleAtOnce);
  for (int second = 11; second < 14; ++second) watch.look(Steady(std::chrono::seconds(second)));
  for (CgroupId id : ids)
    EXPECT_TRUE(std::ranges::any_of(port_.posted, [&](const Command& c) { return c.cgroup == id; })) << raw(id);
}

TEST_F(CgroupWatchTest, WithoutTheControllerThereIsNothingToTell) {
  CgroupWatch watch(*fs_, port_);
  EXPECT_EQ(told(watch, 10s), 0u);
}

}  // namespace
}  // namespace mus

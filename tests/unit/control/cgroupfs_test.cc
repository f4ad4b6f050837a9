// SPDX-License-Identifier: GPL-2.0-only
#include "control/cgroupfs.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fakes/temp_folder.h"

namespace mus {
namespace {

namespace fs = std::filesystem;

class CgroupFsTest : public testing::Test {
 protected:
  CgroupFsTest() {
    fs::create_directories(root() / "redis/workers");
    fs::create_directories(root() / "web");
    fs::create_directory(folder_.path() / "secret");
    fs::create_directory_symlink(folder_.path() / "secret", root() / "link");
    fs::create_directory_symlink("redis", root() / "alias");
    std::ofstream(root() / "file") << "x";
    fs_.emplace(*CgroupFs::open(root(), folder_.path() / "proc"));
  }
  [[nodiscard]] fs::path root() const { return folder_.path() / "cgroup"; }
  void write(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  fakes::TempFolder folder_;
  std::optional<CgroupFs> fs_;
};

TEST_F(CgroupFsTest, FindsByPathAndById) {
  auto place = fs_->find("/redis/workers");
  ASSERT_TRUE(place);
  EXPECT_EQ(place->path, "/redis/workers");
  auto again = fs_->find(place->id);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->path, "/redis/workers");
  EXPECT_EQ(fs_->name(place->id), "/redis/workers");
  EXPECT_EQ(fs_->find(std::string("/"))->path, "/");
}

TEST_F(CgroupFsTest, FollowsNoSymbolicLinkAnywhereInThePath) {
  for (const char* path :
       {"/link", "/alias", "/alias/workers", "/link/..", "/redis/../../secret", "/file", "/redis/none"})
    EXPECT_FALSE(fs_->find(std::string(path))) << path;
}

TEST_F(CgroupFsTest, NamesTheNearestSibling) {
  EXPECT_EQ(fs_->find(std::string("/redid")).error().remedy, "did you mean /redis?");
  EXPECT_EQ(fs_->find(std::string("/redis/worker")).error().remedy, "did you mean /redis/workers?");
}

TEST_F(CgroupFsTest, AnIdWhoseFolderHasGoneIsNotFound) {
  auto id = fs_->find(std::string("/web"))->id;
  ASSERT_TRUE(fs_->find(id));
  fs::remove(root() / "web");
  EXPECT_FALSE(fs_->find(id));
  EXPECT_EQ(fs_->name(id), "id:" + std::to_string(raw(id)));
}

TEST_F(CgroupFsTest, KnowsWhatHasGone) {
  auto place = *fs_->find(std::string("/web"));
  EXPECT_FALSE(fs_->gone(place));
  EXPECT_TRUE(fs_->gone({.id = CgroupId{raw(place.id) + 1}, .path = "/web"})) << "another one of that name";
  fs::remove(root() / "web");
  EXPECT_TRUE(fs_->gone(place));
  fs::create_directory_symlink("redis", root() / "web");
  EXPECT_TRUE(fs_->gone(place));
}

TEST_F(CgroupFsTest, ForgetsTheNamesThatAreNotKept) {
  auto id = fs_->find(std::string("/web"))->id;
  EXPECT_EQ(fs_->name(id), "/web");
  fs_->keep_names(std::span(&id, 1));
  fs::remove(root() / "web");
  EXPECT_EQ(fs_->name(id), "/web") << "remembered";
  fs_->keep_names({});
  EXPECT_NE(fs_->name(id), "/web");
}

TEST_F(CgroupFsTest, FindsTheCgroupOfAProcess) {
  write(folder_.path() / "proc/7/cgroup", "12:cpu:/old\n0::/redis\n");
  write(folder_.path() / "proc/8/cgroup", "0::/../../secret\n");
  write(folder_.path() / "proc/9/cgroup", "0::/gone (deleted)\n");
  write(folder_.path() / "proc/10/cgroup", "12:cpu:/old\n");
  EXPECT_EQ(fs_->find(Pid{7})->path, "/redis");
  for (std::int32_t pid : {8, 9, 10, 11})
    EXPECT_FALSE(fs_->find(Pid{pid})) << pid;
}

TEST_F(CgroupFsTest, ReadsWhatTheCpuControllerSays) {
  EXPECT_EQ(fs_->weight("/redis").weight, std::nullopt);
  write(root() / "redis/cpu.weight", "400\n");
  write(root() / "redis/cpu.weight.nice", "-6\n");
  write(root() / "redis/cpu.idle", "0\n");
  EXPECT_EQ(fs_->weight("/redis").weight, 400u);
  EXPECT_EQ(fs_->weight("/redis").nice, -6);
  EXPECT_FALSE(fs_->weight("/redis").idle);
  write(root() / "redis/cpu.idle", "1\n");
  EXPECT_TRUE(fs_->weight("/redis").idle);
}

TEST_F(CgroupFsTest, ReadsNoWeightThroughASymbolicLink) {
  write(folder_.path() / "secret/number", "77");
  fs::create_symlink(folder_.path() / "secret/number", root() / "web/cpu.weight");
  EXPECT_EQ(fs_->weight("/web").weight, std::nullopt);
}

TEST_F(CgroupFsTest, KnowsWhetherTheCpuControllerIsOn) {
  EXPECT_FALSE(fs_->has_cpu_controller());
  write(root() / "cgroup.controllers", "cpuset io memory\n");
  EXPECT_FALSE(fs_->has_cpu_controller());
  write(root() / "cgroup.controllers", "cpuset io cpu\n");
  EXPECT_TRUE(fs_->has_cpu_controller());
}

TEST(CgroupMount, IsFoundAlsoBesideVersion1) {
  EXPECT_EQ(cgroup_mount_in("proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"),
            "/sys/fs/cgroup");
  EXPECT_EQ(cgroup_mount_in(
                "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0"),
            "/sys/fs/cgroup/unified");
  EXPECT_EQ(cgroup_mount_in("x /my\\040place cgroup2 rw 0 0\n"), "/my place");
  EXPECT_EQ(cgroup_mount_in("cgroup2 /x tmpfs rw 0 0\n\nshort\n"), "");
}

// The real thing, where there is one: an id leads to its path by the kernel's file handles.
TEST(CgroupMount, ARealOneFindsIdsByHandle) {
  auto mount = cgroup_mount();
  if (!mount) GTEST_SKIP() << mount.error().message();
  auto fs = CgroupFs::open(*mount);
  ASSERT_TRUE(fs);
  auto root = fs->find(std::string("/"));
  ASSERT_TRUE(root);
  auto again = fs->find(root->id);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->path, "/");
  for (const auto& entry : fs::directory_iterator(*mount)) {
    if (!entry.is_directory()) continue;
    auto place = fs->find("/" + entry.path().filename().string());
    ASSERT_TRUE(place);
    EXPECT_EQ(fs->find(place->id)->path, place->path);
  }
  EXPECT_FALSE(fs->find(CgroupId{0xfffffff123}));
}

}  // namespace
}  // namespace mus

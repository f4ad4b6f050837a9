// SPDX-License-Identifier: GPL-2.0-only
#include "control/listener.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>

#include "exit_code.h"
#include "fakes/temp_folder.h"

namespace mus {
namespace {

class ListenerTest : public testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return folder_.path() / "run/mus/control.sock"; }
  [[nodiscard]] static mode_t mode(const std::string& file) {
    struct stat status{};
    return ::lstat(file.c_str(), &status) ? 0 : status.st_mode & 07777;
  }
  fakes::TempFolder folder_;
};

TEST_F(ListenerTest, MakesItsFoldersAndAFileForItsUserAlone) {
  mode_t before = ::umask(0);
  auto listener = Listener::open(path(), std::nullopt);
  ::umask(before);
  ASSERT_TRUE(listener) << listener.error().message();
  EXPECT_EQ(mode(path()), 0600u);
  EXPECT_EQ(mode(folder_.path() / "run/mus"), 0755u);
}

TEST_F(ListenerTest, LetsAGroupInIfThereIsOne) {
  auto listener = Listener::open(path(), ::getegid());
  ASSERT_TRUE(listener);
  EXPECT_EQ(mode(path()), 0660u);
}

TEST_F(ListenerTest, ReplacesWhatADeadProcessLeft) {
  {
    auto first = Listener::open(path(), std::nullopt);
  }
  EXPECT_FALSE(std::filesystem::exists(path())) << "removed when it goes";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path().copy(address.sun_path, sizeof(address.sun_path) - 1);
  {
    Fd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  EXPECT_TRUE(Listener::open(path(), std::nullopt));
}

TEST_F(ListenerTest, TakesAnothersPlaceInOneStep) {
  auto first = std::make_unique<Listener>(std::move(*Listener::open(path(), std::nullopt)));
  auto second = Listener::open_beside(path(), std::nullopt);
  ASSERT_TRUE(second) << second.error().message();
  auto connects_to = [&](const Listener& listener) {
    Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return static_cast<bool>(listener.accept());
  };
  EXPECT_TRUE(connects_to(*first));
  ASSERT_TRUE(second->publish());
  EXPECT_EQ(second->path(), path());
  EXPECT_TRUE(connects_to(*second));
  first.reset();
  EXPECT_TRUE(connects_to(*second)) << "the one that was replaced removes its own file alone";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path() / "run/mus"), {}), 1);
}

TEST_F(ListenerTest, LeavesAnothersSocketAlone) {
  auto first = Listener::open(path(), std::nullopt);
  auto second = Listener::open(path(), std::nullopt);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().exit_code, kExitBusy);
  EXPECT_NE(second.error().remedy, "");
  EXPECT_TRUE(std::filesystem::exists(path()));
}

TEST_F(ListenerTest, LeavesWhatIsNoSocketAlone) {
  std::string file = folder_.path() / "file";
  std::ofstream(file) << "x";
  auto listener = Listener::open(file, std::nullopt);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().exit_code, kExitUsage);
  EXPECT_TRUE(std::filesystem::is_regular_file(file));
  std::filesystem::create_symlink(file, folder_.path() / "link");
  EXPECT_FALSE(Listener::open(folder_.path() / "link", std::nullopt));
}

TEST_F(ListenerTest, DoesNotRemoveWhatIsNotItsOwnAnyMore) {
  {
    auto listener = Listener::open(path(), std::nullopt);
    std::filesystem::remove(path());
    std::ofstream(path()) << "somebody else's";
  }
  EXPECT_TRUE(std::filesystem::exists(path()));
}

TEST_F(ListenerTest, SaysWhatIsWrongWithAPath) {
  EXPECT_EQ(Listener::open("/tmp/" + std::string(200, 'x'), std::nullopt).error().exit_code, kExitUsage);
  std::ofstream(folder_.path() / "file") << "x";
  EXPECT_EQ(Listener::open(folder_.path() / "file/sock", std::nullopt).error().exit_code, kExitUsage);
}

TEST(ListenerPermission, RootItsOwnUserAndTheGroup) {
  constexpr std::array<gid_t, 2> kMore{50, 60};
  auto may = [&](uid_t uid, gid_t gid, std::optional<gid_t> group) {
    return Listener::may_connect(ucred{.pid = 1, .uid = uid, .gid = gid}, kMore, 7, group);
  };
  EXPECT_TRUE(may(0, 0, std::nullopt));
  EXPECT_TRUE(may(7, 7, std::nullopt));
  EXPECT_FALSE(may(8, 0, std::nullopt));
  EXPECT_FALSE(may(8, 50, 70));
  EXPECT_TRUE(may(8, 70, 70));
  EXPECT_TRUE(may(8, 8, 60)) << "by a further group";
}

TEST(FindGroup, ByNameAndByNumber) {
  EXPECT_EQ(find_group("root"), gid_t{0});
  EXPECT_EQ(find_group("1234"), gid_t{1234});
  EXPECT_EQ(find_group("no-such-group-here").error().exit_code, kExitUsage);
  EXPECT_FALSE(find_group(""));
}

}  // namespace
}  // namespace mus

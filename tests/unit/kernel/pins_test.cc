// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/pins.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "fakes/temp_folder.h"

namespace mus {
namespace {

using namespace std::chrono_literals;

class PinsTest : public testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return (folder_.path() / "mus").string(); }
  [[nodiscard]] Pins open() { return std::move(*Pins::open_folder(path(), true)); }

  /// Another process that has the lock, until it gets a signal.
  pid_t holder() {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_t pid = ::fork();
    if (pid == 0) {
      auto pins = Pins::open_folder(path(), true);
      char locked = pins && pins->lock() ? 'y' : 'n';
      [[maybe_unused]] auto wrote = ::write(ready[1], &locked, 1);
      for (;;) ::pause();
    }
    char locked = 0;
    EXPECT_EQ(::read(ready[0], &locked, 1), 1);
    EXPECT_EQ(locked, 'y');
    ::close(ready[0]), ::close(ready[1]);
    return pid;
  }

  fakes::TempFolder folder_;
};

TEST_F(PinsTest, FolderIsMadeOnlyWhenItIsWanted) {
  EXPECT_FALSE(Pins::open_folder(path(), false).has_value());
  EXPECT_TRUE(Pins::open_folder(path(), true).has_value());
  EXPECT_TRUE(Pins::open_folder(path(), false).has_value());
}

TEST_F(PinsTest, OneProcessAtATimeHasTheLock) {
  Pins first = open(), second = open();
  EXPECT_TRUE(first.lock());
  EXPECT_FALSE(second.lock());
  first.unlock();
  EXPECT_TRUE(second.lock());
}

TEST_F(PinsTest, LockOfAKilledProcessIsFree) {
  pid_t pid = holder();
  Pins pins = open();
  EXPECT_FALSE(pins.lock());
  ::kill(pid, SIGKILL);
  EXPECT_TRUE(pins.lock_within(5s));
  ::waitpid(pid, nullptr, 0);
}

TEST_F(PinsTest, WaitingForTheLockEnds) {
  pid_t pid = holder();
  Pins pins = open();
  auto begun = std::chrono::steady_clock::now();
  EXPECT_FALSE(pins.lock_within(50ms));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 50ms);
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

TEST_F(PinsTest, ClearRemovesWhateverIsPinned) {
  Pins pins = open();
  for (const char* name : {"link", "events", "of_a_later_version"}) std::ofstream(path() + "/" + name) << "";
  EXPECT_TRUE(pins.has("link"));
  pins.clear();
  EXPECT_TRUE(std::filesystem::is_empty(path()));
  EXPECT_FALSE(pins.has("link"));
}

TEST_F(PinsTest, EveryPartHasANameThatBpffsTakes) {
  for (const Part& part : kParts) EXPECT_EQ(std::string_view(part.pin).find('.'), std::string_view::npos) << part.pin;
}

}  // namespace
}  // namespace mus

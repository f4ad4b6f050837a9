// SPDX-License-Identifier: GPL-2.0-only
#include "control/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstdlib>
#include <string>

#include "fakes/temp_folder.h"

namespace mus {
namespace {

using namespace std::chrono_literals;

class ServiceManagerTest : public testing::Test {
 protected:
  ~ServiceManagerTest() override {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
  }

  /// Listens at `name`, which begins with @ if it is abstract, and says so in the environment.
  void listen(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (name[0] == '@') address.sun_path[0] = 0;
    socket_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    ASSERT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
              0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  void listen() { listen(folder_.path() / "notify"); }
  /// The next datagram; "": none.
  std::string heard() {
    std::array<char, 512> text;
    auto bytes = ::recv(socket_.get(), text.data(), text.size(), 0);
    return bytes < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(bytes));
  }

  fakes::TempFolder folder_;
  Fd socket_;
  ServiceManager::Clock::time_point now_ = ServiceManager::Clock::time_point(100h);
};

TEST_F(ServiceManagerTest, ReadyNamesTheMainProcess) {
  listen();
  ServiceManager().ready("policy vtime\nREADY=0");
  EXPECT_EQ(heard(), "MAINPID=" + std::to_string(::getpid()) + "\nREADY=1\nSTATUS=policy vtime READY=0");
  ServiceManager().stopping("bye");
  EXPECT_EQ(heard(), "STOPPING=1\nSTATUS=bye");
}

TEST_F(ServiceManagerTest, AbstractSocketIsFound) {
  listen("@mus-test-" + std::to_string(::getpid()));
  ServiceManager().stopping("");
  EXPECT_EQ(heard(), "STOPPING=1\nSTATUS=");
}

TEST_F(ServiceManagerTest, AliveOnlyWhileTheSchedulerThreadGoesOn) {
  listen();
  ::setenv("WATCHDOG_USEC", "300000", 1);
  ServiceManager manager;
  EXPECT_EQ(manager.interval(), 100ms);
  manager.alive(7, now_);
  EXPECT_EQ(heard(), "WATCHDOG=1");
  manager.alive(8, now_ + 50ms);
  EXPECT_EQ(heard(), "") << "too early";
  manager.alive(8, now_ + 100ms);
  EXPECT_EQ(heard(), "WATCHDOG=1");
  manager.alive(8, now_ + 10s);
  EXPECT_EQ(heard(), "") << "it stands still";
  manager.alive(9, now_ + 10s);
  EXPECT_EQ(heard(), "WATCHDOG=1");
}

TEST_F(ServiceManagerTest, WithoutAnIntervalItIsOnceASecond) {
  listen();
  EXPECT_EQ(ServiceManager().interval(), 1s);
  ::setenv("WATCHDOG_USEC", "60000000", 1);
  EXPECT_EQ(ServiceManager().interval(), 1s) << "more often than needed does no harm";
}

TEST_F(ServiceManagerTest, NobodyToTellIsNoTrouble) {
  ::unsetenv("NOTIFY_SOCKET");
  EXPECT_EQ(ServiceManager().interval(), std::chrono::milliseconds::max()) << "and no reason to wake";
  ServiceManager().ready("");
  for (const char* path : {"", "relative", "/nonexistent/socket"}) {
    ::setenv("NOTIFY_SOCKET", path, 1);
    ServiceManager manager;
    manager.ready("");
    manager.alive(1, now_);
  }
}

}  // namespace
}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#include "control/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <string_view>

namespace mus {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// A line of the protocol has no line ends inside.
std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace

ServiceManager::ServiceManager() {
  std::string_view path = environment("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || (path.front() != '/' && path.front() != '@') || path.size() >= sizeof(address.sun_path)) return;
  std::ranges::copy(path, address.sun_path);
  if (path.front() == '@') address.sun_path[0] = '\0';  // abstract: its length says where it ends
  auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), bytes)) return;
  socket_ = std::move(socket);
  // One that was begun to replace another is told no interval, but is watched all the same.
  std::uint64_t limit_us = 0;
  std::string_view limit = environment("WATCHDOG_USEC");
  std::from_chars(limit.data(), limit.data() + limit.size(), limit_us);
  if (limit_us)
    interval_ = std::clamp(std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::microseconds(limit_us / 3)),
                           std::chrono::milliseconds(10), interval_);
}

void ServiceManager::ready(const std::string& status) {
  send("MAINPID=" + std::to_string(::getpid()) + "\nREADY=1\nSTATUS=" + one_line(status));
}

void ServiceManager::stopping(const std::string& status) { send("STOPPING=1\nSTATUS=" + one_line(status)); }

void ServiceManager::alive(std::uint64_t progress, Clock::time_point now) {
  if (!socket_ || now < next_ || progress == progress_) return;
  progress_ = progress;
  next_ = now + interval_;
  send("WATCHDOG=1");
}

void ServiceManager::send(const std::string& text) const {
  if (socket_) ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace mus

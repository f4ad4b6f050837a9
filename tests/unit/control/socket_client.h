// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "control/server.h"

namespace mus {

/// A client as a test wants it: does exactly what it is told, never blocks.
class SocketClient {
 public:
  explicit SocketClient(const std::string& path)
      : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    connected_ = ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }

  [[nodiscard]] bool connected() const { return connected_; }
  /// How much of it the socket took.
  std::size_t send(std::string_view bytes) {
    ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }
  void end() { ::shutdown(socket_.get(), SHUT_WR); }

  /// Reads what is there.
  void look() {
    std::array<char, 65536> chunk;
    for (ssize_t got; (got = ::recv(socket_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT)) >= 0;) {
      if (got == 0) {
        closed_ = true;
        return;
      }
      read.append(chunk.data(), static_cast<std::size_t>(got));
    }
    if (errno == ECONNRESET) closed_ = true;
  }
  [[nodiscard]] bool closed() {
    look();
    return closed_;
  }
  [[nodiscard]] std::size_t lines() {
    look();
    return static_cast<std::size_t>(std::count(read.begin(), read.end(), '\n'));
  }

  std::string read;

 private:
  Fd socket_;
  bool connected_ = false;
  bool closed_ = false;
};

/// Serves as the daemon's loop does, until `done` or for `most`. Returns whether it was done.
inline bool serve_until(Server& server, const std::function<bool()>& done,
                        std::chrono::milliseconds most = std::chrono::seconds(20)) {
  auto end = Server::Clock::now() + most;
  std::vector<pollfd> polled;
  for (auto now = Server::Clock::now(); now < end; now = Server::Clock::now()) {
    polled.clear();
    server.fill(polled, now);
    auto wait =
        std::min(std::chrono::milliseconds(5), server.timeout(now).value_or(std::chrono::milliseconds(5)));
    ::poll(polled.data(), polled.size(), static_cast<int>(wait.count()));
    server.serve(polled, Server::Clock::now());
    if (done()) return true;
  }
  return false;
}

}  // namespace mus

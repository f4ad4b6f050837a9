// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "control/json_lines.h"
#include "kernel/fd.h"

namespace mus {

/// Names a connection; never used twice.
enum class ClientId : std::uint64_t {};

/// How much may be done in a time: `rate` a second, and up to `burst` at once.
class TokenBucket {
 public:
  using Clock = std::chrono::steady_clock;
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  void refill(Clock::time_point now);
  [[nodiscard]] bool empty() const { return tokens_ < 1; }
  /// May go below zero: what was done is done, and what comes next waits longer.
  void take(double tokens) { tokens_ -= tokens; }
  /// When it will not be empty any more.
  [[nodiscard]] Clock::duration until_ready() const;

 private:
  double rate_, burst_, tokens_;
  Clock::time_point at_{};
};

/// One connection: what has come and not been handled, what is to go out and has not been read.
/// Owner:   the server.
/// Threads: one.
class Client {
 public:
  Client(ClientId id, Fd socket, std::size_t door, std::size_t line_bytes, std::uint32_t lines_per_s);

  /// Reads what there is, as far as there is room.
  void read();
  /// Writes what the other end takes.
  void write();
  void queue(std::string_view bytes) {
    if (!gone) out.append(bytes);
  }
  [[nodiscard]] std::size_t unread() const { return out.size() - out_begin; }

  const ClientId id;
  const Fd socket;
  const std::size_t door;  // index of the listener that it came by
  LineBuffer in;
  TokenBucket lines;
  std::string out;
  std::size_t out_begin = 0;
  bool waits = false;       ///< for an answer that is not ready: no other line until then
  bool ended = false;       ///< the other end sends nothing more
  bool gone = false;        ///< and reads nothing more
  bool closing = false;     ///< we close as soon as it has read what is there
  bool subscribed = false;  ///< stays though it sends nothing more
  std::chrono::steady_clock::time_point close_by{};
};

}  // namespace mus

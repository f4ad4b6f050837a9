// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "control/json_lines.h"
#include "kernel/fd.h"

namespace mus {

/// Names a connection; never used twice.
enum class ClientId : std::uint64_t {};

/// Names a line of a client's: its answer goes out in its place, however late it is.
struct RequestId {
  ClientId client{};
  std::uint64_t number = 0;
};

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

/// Whether lines of a client come faster than it takes to wake up for each. Then they are left to gather for a while,
/// unless that makes them no more: a client that sends its next line when it has the answer would only be slowed down.
class Gathering {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kFor{50};

  /// `lines` were handled at `now`.
  void handled(std::size_t lines, Clock::time_point now);
  /// When to look for more; not later than now: at once.
  [[nodiscard]] Clock::time_point until() const { return until_; }

 private:
  static constexpr std::chrono::milliseconds kFast{10};  // from one wakeup to the next
  static constexpr int kLinesAtOnce = 256;               // handled without gathering, when it was of no use

  Clock::time_point last_{}, until_{};
  int without_ = 0;
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
  [[nodiscard]] std::size_t unread() const { return out.size() - out_begin + kept; }
  [[nodiscard]] std::size_t unsent() const { return out.size() - out_begin; }

  /// A place for an answer, behind those that there are.
  std::uint64_t expect();
  /// False: that place has its answer, or never was one.
  [[nodiscard]] bool answer(std::uint64_t number, std::string_view line);
  /// A line behind all answers that are expected now.
  void append(std::string_view line);

  const ClientId id;
  const Fd socket;
  const std::size_t door;  // index of the listener that it came by
  LineBuffer in;
  TokenBucket lines;
  std::string out;
  std::size_t out_begin = 0;
  std::deque<std::optional<std::string>> answers;  ///< from the first that is not ready on
  std::uint64_t first = 0;  ///< number of answers.front()
  std::size_t kept = 0;     ///< bytes of the answers that wait for an earlier one
  Gathering gathering;
  bool holds = false;       ///< no other line before all answers are out
  bool ended = false;       ///< the other end sends nothing more
  bool gone = false;        ///< and reads nothing more
  bool closing = false;     ///< we close as soon as it has read what is there
  bool subscribed = false;  ///< stays though it sends nothing more
  std::chrono::steady_clock::time_point close_by{};
};

}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <variant>

#include "control/port.h"
#include "control/protocol.h"

namespace mus {

struct Waiting;

/// What came of a request: the fields of the answer, why not, or that the scheduler thread has to say first.
using Outcome = std::variant<Json, Members, Refusal, Waiting>;

/// A command is on its way to the scheduler thread; `finish` makes the answer out of its reply.
struct Waiting {
  std::uint64_t ticket = 0;
  std::function<Outcome(const Reply&)> finish;
};

/// Gives each command a ticket of its own.
class Poster {
 public:
  explicit Poster(Port& port) : port_(port) {}

  /// The ticket; none: the queue to the scheduler thread is full.
  [[nodiscard]] std::optional<std::uint64_t> post(Command command) {
    command.ticket = next_;
    if (!port_.post(command)) return std::nullopt;
    return next_++;
  }

 private:
  Port& port_;
  std::uint64_t next_ = 1;
};

inline Refusal queue_is_full() {
  return {.code = "internal",
          .message = "the scheduler thread has too many commands under way",
          .field = {},
          .hint = "try again"};
}

}  // namespace mus

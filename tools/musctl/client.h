// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <mus/result.h>

#include "kernel/fd.h"
#include "musctl/fields.h"

namespace mus::ctl {

inline constexpr const char* kDefaultSocket = "/var/run/scx/mus/control.sock";

/// A line that the daemon sent: an answer or an event.
struct Message {
  std::string line;  ///< as it came, without the newline
  Json body;         ///< an object
  [[nodiscard]] bool is_event() const { return body.contains("event"); }
  [[nodiscard]] bool refused() const { return !is_event() && !is_true(body, "ok"); }
};

/// What a refusal says, for a person; `hint` of the daemon becomes the remedy.
[[nodiscard]] Error refusal(const Json& answer);

/// A connection to the daemon (docs/control_protocol.md).
/// Threads: one.
/// Errors:  kExitNoDaemon: cannot connect, or turned away; kExitConnection: lost, too slow, or not understood.
class Client {
 public:
  using Milliseconds = std::chrono::milliseconds;
  static constexpr Milliseconds kPatience{10'000};

  [[nodiscard]] static Result<Client> connect(const std::string& path);

  /// Sends a request. Small ones, so it does not block unless the daemon has stopped reading for long.
  [[nodiscard]] Result<void> send(const Json& request);

  /// The next line; nothing if none has come within `patience` (0: what is there already).
  [[nodiscard]] Result<std::optional<Message>> receive(Milliseconds patience);

  /// Sends a request and waits for its answer, which may be a refusal. Events that come before it are dropped.
  [[nodiscard]] Result<Message> ask(const Json& request, Milliseconds patience = kPatience);

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  [[nodiscard]] Result<void> fill(Milliseconds patience);
  [[nodiscard]] Result<Message> parse(std::string line) const;

  Fd fd_;
  std::string unread_;
  bool ended_ = false;
};

}  // namespace mus::ctl

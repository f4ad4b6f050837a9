// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "kernel/fd.h"

namespace mus {

/// Tells the service manager how the daemon is: ready, alive, about to end. Nothing where there is none.
/// Threads: the control thread.
/// Cost:    a datagram, never waited for.
/// Source:  sd_notify(3)
class ServiceManager {
 public:
  using Clock = std::chrono::steady_clock;

  /// Reads $NOTIFY_SOCKET and $WATCHDOG_USEC.
  ServiceManager();

  /// It schedules; from here on this process is the service's main one, also if another began it.
  void ready(const std::string& status);
  void stopping(const std::string& status);
  /// Says that the daemon is alive when it is time to, and `progress` has risen since the last time.
  void alive(std::uint64_t progress, Clock::time_point now);
  /// How long alive() may be put off; for ever where nobody is told.
  [[nodiscard]] std::chrono::milliseconds interval() const {
    return socket_ ? interval_ : std::chrono::milliseconds::max();
  }

 private:
  void send(const std::string& text) const;

  Fd socket_;  // empty: there is no service manager
  std::chrono::milliseconds interval_ = std::chrono::seconds(1);
  Clock::time_point next_{};
  std::uint64_t progress_ = 0;
};

}  // namespace mus

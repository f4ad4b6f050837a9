// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstddef>
#include <memory>

#include <mus/abi.h>
#include <mus/result.h>

#include "kernel/fd.h"

struct ring_buffer;

namespace mus {

class PolicyDriver;

/// Reads the event ring, and waits for the kernel half to ask for userspace.
/// Threads: scheduler thread; wake() from any.
/// Cost:    drain() makes no system call; wait() one.
class EventReader {
 public:
  /// Errors: no descriptors left, or not a ring -> kExitInternal.
  [[nodiscard]] static Result<std::unique_ptr<EventReader>> open(int events_fd, PolicyDriver& driver);
  ~EventReader();
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  /// Hands what is in the ring to the driver; at most kAtOnce events, so that decisions are never far.
  std::size_t drain();
  static constexpr std::size_t kAtOnce = 2048;

  /// Sleeps until the kernel half wakes userspace, wake() is called, or the time is over. Events alone do
  /// not end it: the kernel half writes them silently, and says when it wants to be answered.
  void wait(int timeout_ms);

  /// Ends a wait().
  void wake() const;

 private:
  explicit EventReader(PolicyDriver& driver) : driver_(driver) {}
  static int on_record(void* self, void* data, std::size_t bytes);
  struct Free {
    void operator()(ring_buffer* r) const;
  };

  PolicyDriver& driver_;
  std::unique_ptr<ring_buffer, Free> ring_;
  Fd epoll_;
  Fd doorbell_;
  std::size_t drained_ = 0;
};

}  // namespace mus

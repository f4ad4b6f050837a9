// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <memory>

#include <mus/abi.h>
#include <mus/result.h>

struct user_ring_buffer;

namespace mus {

/// Writes the decision ring.
/// Threads: scheduler thread.
/// Cost:    no system call; the kernel half sees the records at the next commit or dispatch.
class DecisionWriter {
 public:
  /// Errors: not a user ring -> kExitInternal.
  [[nodiscard]] static Result<std::unique_ptr<DecisionWriter>> open(int decisions_fd);
  ~DecisionWriter();

  /// False: the ring is full; try again after a commit.
  [[nodiscard]] bool write(const mus_decision& decision);

 private:
  DecisionWriter() = default;
  struct Free {
    void operator()(user_ring_buffer* r) const;
  };
  std::unique_ptr<user_ring_buffer, Free> ring_;
};

}  // namespace mus

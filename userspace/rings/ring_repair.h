// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstddef>
#include <optional>

#include "kernel/mapping.h"

namespace mus {

/// Positions and records of a ring, as the kernel lays out those of both directions.
/// Shape:   positions only rise; a record is a header of 8 bytes and its data, in multiples of 8; `data` is the ring
///          twice in a row, so that a record that goes over the end is in one piece.
struct RingMemory {
  unsigned long* consumer = nullptr;
  unsigned long* producer = nullptr;
  std::byte* data = nullptr;
  std::size_t bytes = 0;  ///< a power of two
};

struct RingRepair {
  std::size_t records = 0;  ///< that were discarded or skipped
  bool reset = false;       ///< the positions or a header made no sense: everything that was in it is dropped
};

/// The decision ring of a daemon that has died. It may have died between reserving a record and submitting it, which
/// would stop the kernel half at that record for ever: such a record is discarded, and what follows is readable again.
/// Threads: nobody else writes the ring; the kernel half may read it meanwhile.
RingRepair repair_decisions(const RingMemory& ring);

/// The event ring of a daemon that has died: what is in it is skipped, up to a record that is being written now. A
/// resync says it all again, and says what the dead one had read too.
/// Threads: nobody else reads the ring; the kernel half may write it meanwhile.
RingRepair skip_events(const RingMemory& ring);

/// A ring of the kernel, mapped by its descriptor.
class RingMapping {
 public:
  enum class Direction : bool { kToUserspace, kToKernel };
  /// Empty: it cannot be mapped.
  [[nodiscard]] static std::optional<RingMapping> open(int fd, std::size_t bytes, Direction direction);
  [[nodiscard]] const RingMemory& memory() const { return memory_; }

 private:
  Mapping consumer_, producer_;
  RingMemory memory_;
};

}  // namespace mus

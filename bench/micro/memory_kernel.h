// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstddef>
#include <cstdint>

#include <mus/abi.h>

#include "kernel/fd.h"
#include "rings/ring_repair.h"

namespace mus::bench {

/// A ring in ordinary memory, laid out as the kernel's, but that its data is not mapped twice: what goes over the end lies
/// behind it, for both sides.
class MemoryRing {
 public:
  explicit MemoryRing(std::size_t bytes);
  ~MemoryRing();
  MemoryRing(const MemoryRing&) = delete;
  MemoryRing& operator=(const MemoryRing&) = delete;
  [[nodiscard]] const RingMemory& memory() const { return memory_; }

 private:
  std::size_t mapped_;
  RingMemory memory_;
};

/// The kernel half and the machine below it, in this process: takes decisions out of their ring and writes the events that follow
/// into theirs. memory_kernel.cc has libbpf's ring functions too, on top of it, so that EventReader and DecisionWriter are the
/// real ones.
/// Shape:   one at a time; rings as large as those of bpf/.
class MemoryKernel {
 public:
  /// `naps`: who runs, runs briefly and sleeps; else it uses its slice.
  MemoryKernel(std::uint32_t groups, bool naps);
  ~MemoryKernel();
  MemoryKernel(const MemoryKernel&) = delete;
  MemoryKernel& operator=(const MemoryKernel&) = delete;
  [[nodiscard]] static MemoryKernel& here();

  [[nodiscard]] int events_fd() const { return fd_.get(); }
  [[nodiscard]] int decisions_fd() const { return fd_.get(); }
  [[nodiscard]] std::uint64_t now_ns() const { return now_ns_; }
  /// All that was decided runs.
  void turn();

  MemoryRing events{4 << 20}, decisions{512 << 10};

 private:
  void post(const mus_event& event);

  Fd fd_;  // nobody rings it
  std::uint32_t groups_;
  bool naps_;
  std::uint64_t now_ns_ = 1'000'000'000;
};

}  // namespace mus::bench

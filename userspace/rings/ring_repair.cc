// SPDX-License-Identifier: GPL-2.0-only
#include "rings/ring_repair.h"

#include <linux/bpf.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace mus {
namespace {

constexpr std::uint32_t kFlags = BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT;
constexpr unsigned long kAlign = 8;

unsigned long load(unsigned long* word) { return std::atomic_ref(*word).load(std::memory_order_acquire); }
void store(unsigned long* word, unsigned long value) { std::atomic_ref(*word).store(value, std::memory_order_release); }

/// Goes over the records between the positions, as long as `visit` of their headers says so. Returns how far it came;
/// none: something there makes no sense.
template <typename F>
std::optional<unsigned long> walk(const RingMemory& ring, F&& visit) {
  unsigned long at = load(ring.consumer), end = load(ring.producer);
  if (at > end || end - at > ring.bytes || at % kAlign || end % kAlign) return std::nullopt;
  while (at < end) {
    auto* header = reinterpret_cast<std::uint32_t*>(ring.data + (at & (ring.bytes - 1)));
    std::atomic_ref word(*header);
    std::uint32_t value = word.load(std::memory_order_acquire);
    unsigned long bytes = (BPF_RINGBUF_HDR_SZ + (value & ~kFlags) + kAlign - 1) / kAlign * kAlign;
    if (bytes > end - at) return std::nullopt;
    if (!visit(word, value)) return at;
    at += bytes;
  }
  return at;
}

}  // namespace

RingRepair repair_decisions(const RingMemory& ring) {
  RingRepair done;
  auto discard_busy = [&](auto& word, std::uint32_t value) {
    if (value & BPF_RINGBUF_BUSY_BIT) {
      word.store((value & ~kFlags) | BPF_RINGBUF_DISCARD_BIT, std::memory_order_release);
      ++done.records;
    }
    return true;
  };
  if (!walk(ring, discard_busy)) {
    // The kernel half refuses to read such a ring, so its position stays where it is.
    store(ring.producer, load(ring.consumer));
    done.reset = true;
  }
  return done;
}

RingRepair skip_events(const RingMemory& ring) {
  RingRepair done;
  auto skip = [&](auto&, std::uint32_t value) {
    if (value & BPF_RINGBUF_BUSY_BIT) return false;
    ++done.records;
    return true;
  };
  auto at = walk(ring, skip);
  done.reset = !at;
  store(ring.consumer, at.value_or(load(ring.producer)));
  return done;
}

// The side that writes a position maps it for writing, the other one only for reading.
std::optional<RingMapping> RingMapping::open(int fd, std::size_t bytes, Direction direction) {
  bool ours = direction == Direction::kToKernel;
  auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  RingMapping ring;
  ring.consumer_ = Mapping::open(fd, page, 0, !ours);
  ring.producer_ = Mapping::open(fd, page + 2 * bytes, static_cast<off_t>(page), ours);
  if (!ring.consumer_ || !ring.producer_) return std::nullopt;
  ring.memory_ = {.consumer = ring.consumer_.as<unsigned long>(),
                  .producer = ring.producer_.as<unsigned long>(),
                  .data = ring.producer_.as<std::byte>() + page,
                  .bytes = bytes};
  return ring;
}

}  // namespace mus

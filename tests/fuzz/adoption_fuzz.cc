// SPDX-License-Identifier: GPL-2.0-only
// libFuzzer: whatever a dead daemon, or somebody else, left in the pins: it is refused or safe to use, and the rings are
// readable after their repair.
// Build: cmake --preset fuzz && cmake --build --preset fuzz; run: build/fuzz/tests-bin/adoption_fuzz -max_total_time=60
#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "bytes.h"
#include "kernel/pinned.h"
#include "rings/ring_repair.h"

namespace {

using mus::fuzz::Bytes;
using mus::fuzz::require;

constexpr std::size_t kRingBytes = 4096;

void check_facts(Bytes bytes) {
  mus::PinnedFacts facts{.abi = {.magic = MUS_ABI_MAGIC, .version = MUS_ABI_VERSION, .event_bytes = sizeof(mus_event),
                                 .decision_bytes = sizeof(mus_decision), .shared_bytes = sizeof(mus_shared),
                                 .cgroup_bytes = sizeof(mus_cgroup)}};
  bytes.fill(facts);
  auto checked = mus::check_pinned(facts);
  if (!checked) return require(!checked.error().what.empty());
  require(facts.shared.value_bytes == sizeof(mus_shared) && facts.events.entries % 4096 == 0);
}

void check_page(Bytes bytes) {
  auto page = std::make_unique<mus_shared>();
  page->magic = MUS_ABI_MAGIC, page->version = MUS_ABI_VERSION;
  page->cpu_count = 4, page->shard_count = 1;
  constexpr std::size_t kFrom = offsetof(mus_shared, flags);
  bytes.take(reinterpret_cast<char*>(page.get()) + kFrom, sizeof(mus_shared) - kFrom);
  for (char c : mus::daemon_text(*page)) require(c >= ' ' && c <= '~');
  if (!mus::check_page(*page)) return;
  require(page->cpu_count <= MUS_MAX_CPUS && page->shard_count <= MUS_MAX_SHARDS && !page->exit.kind);
}

void check_rings(Bytes bytes) {
  unsigned long consumer = 0, producer = 0;
  bytes.fill(consumer), bytes.fill(producer);
  if (consumer % 3) consumer %= 4 * kRingBytes, producer %= 5 * kRingBytes;  // most positions make no sense otherwise
  std::vector<std::byte> data(2 * kRingBytes);
  bytes.take(data.data(), kRingBytes);
  mus::RingMemory ring{.consumer = &consumer, .producer = &producer, .data = data.data(), .bytes = kRingBytes};

  unsigned long kernels = consumer;
  auto done = mus::repair_decisions(ring);
  require(consumer == kernels);
  require(!done.reset || producer == consumer);
  // What the kernel half meets from here on: whole records, none that it would wait for.
  for (unsigned long at = consumer; at != producer;) {
    std::uint32_t header = 0;
    std::memcpy(&header, data.data() + (at & (kRingBytes - 1)), sizeof(header));
    require(!(header & BPF_RINGBUF_BUSY_BIT));
    at += (8 + (header & ~BPF_RINGBUF_DISCARD_BIT) + 7ul) / 8 * 8;
    require(at <= producer);
  }
  unsigned long kernels_end = producer;
  mus::skip_events(ring);
  require(producer == kernels_end && consumer == producer);  // nothing is being written
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);  // libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  std::uint8_t what = 0;
  bytes.fill(what);
  switch (what % 3) {
    case 0: check_facts(bytes); break;
    case 1: check_page(bytes); break;
    default: check_rings(bytes);
  }
  return 0;
}

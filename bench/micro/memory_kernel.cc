// SPDX-License-Identifier: GPL-2.0-only
#include "memory_kernel.h"

#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "machine.h"

// Of libbpf, which is not here.
struct ring_buffer {
  ring_buffer_sample_fn callback;
  void* context;
};
struct user_ring_buffer {};

namespace mus::bench {
namespace {

MemoryKernel* kernel = nullptr;

constexpr unsigned long record_bytes(std::size_t bytes) { return (BPF_RINGBUF_HDR_SZ + bytes + 7) / 8 * 8; }

std::atomic_ref<std::uint32_t> header_at(const RingMemory& ring, unsigned long position) {
  return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(ring.data + (position & (ring.bytes - 1))));
}

// The same loads, stores and fences as in libbpf and in the kernel. Null: the ring is full.
void* reserve(const RingMemory& ring, std::size_t bytes) {
  unsigned long consumer = std::atomic_ref(*ring.consumer).load(std::memory_order_acquire);
  unsigned long producer = std::atomic_ref(*ring.producer).load(std::memory_order_relaxed);
  if (producer - consumer + record_bytes(bytes) > ring.bytes) return nullptr;
  auto header = header_at(ring, producer);
  header.store(static_cast<std::uint32_t>(bytes) | BPF_RINGBUF_BUSY_BIT, std::memory_order_relaxed);
  std::atomic_ref(*ring.producer).store(producer + record_bytes(bytes), std::memory_order_release);
  return ring.data + (producer & (ring.bytes - 1)) + BPF_RINGBUF_HDR_SZ;
}

void submit(void* record) {
  std::atomic_ref header(*reinterpret_cast<std::uint32_t*>(static_cast<std::byte*>(record) - BPF_RINGBUF_HDR_SZ));
  header.exchange(header.load(std::memory_order_relaxed) & ~BPF_RINGBUF_BUSY_BIT, std::memory_order_seq_cst);
}

/// Hands over each record, until `take` says that it is enough.
template <typename F>
void consume(const RingMemory& ring, F&& take) {
  unsigned long consumer = std::atomic_ref(*ring.consumer).load(std::memory_order_acquire);
  while (consumer < std::atomic_ref(*ring.producer).load(std::memory_order_acquire)) {
    std::uint32_t bytes = header_at(ring, consumer).load(std::memory_order_acquire);
    if (bytes & BPF_RINGBUF_BUSY_BIT) return;
    bool more = take(ring.data + (consumer & (ring.bytes - 1)) + BPF_RINGBUF_HDR_SZ, bytes);
    consumer += record_bytes(bytes);
    std::atomic_ref(*ring.consumer).store(consumer, std::memory_order_release);
    if (!more) return;
  }
}

}  // namespace

MemoryRing::MemoryRing(std::size_t bytes) {
  auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  mapped_ = 2 * page + 2 * bytes;
  void* at = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) std::abort();
  auto* begin = static_cast<std::byte*>(at);
  memory_ = {.consumer = reinterpret_cast<unsigned long*>(begin),
             .producer = reinterpret_cast<unsigned long*>(begin + page),
             .data = begin + 2 * page,
             .bytes = bytes};
}

MemoryRing::~MemoryRing() { ::munmap(memory_.consumer, mapped_); }

MemoryKernel::MemoryKernel(std::uint32_t groups, bool naps)
    : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), groups_(groups), naps_(naps) {
  kernel = this;
}

MemoryKernel::~MemoryKernel() { kernel = nullptr; }
MemoryKernel& MemoryKernel::here() { return *kernel; }

void MemoryKernel::turn() {
  consume(decisions.memory(), [this](void* record, std::uint32_t) {
    auto& decision = *static_cast<mus_decision*>(record);
    if (!(decision.flags & MUS_DECIDE_MOVE)) return true;
    mus_event first, second;
    if (naps_) {
      now_ns_ += mus_bench_nap(&first, &second, &decision, groups_, now_ns_) / MUS_BENCH_CPUS;
      post(first);
      post(second);
    } else {
      now_ns_ += mus_bench_spin(&first, &decision, groups_, now_ns_) / MUS_BENCH_CPUS;
      post(first);
    }
    return true;
  });
}

// The ring is never full: there is one event, or there are two, for each decision.
void MemoryKernel::post(const mus_event& event) {
  void* record = reserve(events.memory(), sizeof(event));
  if (!record) std::abort();
  std::memcpy(record, &event, sizeof(event));
  submit(record);
}

}  // namespace mus::bench

// ---- in place of libbpf's --------------------------------------------------------------------------

using mus::bench::MemoryKernel;

ring_buffer* ring_buffer__new(int, ring_buffer_sample_fn callback, void* context, const ring_buffer_opts*) {
  return new ring_buffer{callback, context};
}
void ring_buffer__free(ring_buffer* ring) { delete ring; }
int ring_buffer__consume(ring_buffer* ring) {
  int result = 0;
  mus::bench::consume(MemoryKernel::here().events.memory(), [&](void* record, std::uint32_t bytes) {
    result = ring->callback(ring->context, record, bytes);
    return result >= 0;
  });
  return result;
}

user_ring_buffer* user_ring_buffer__new(int, const user_ring_buffer_opts*) { return new user_ring_buffer; }
void user_ring_buffer__free(user_ring_buffer* ring) { delete ring; }
void* user_ring_buffer__reserve(user_ring_buffer*, __u32 bytes) {
  return mus::bench::reserve(MemoryKernel::here().decisions.memory(), bytes);
}
void user_ring_buffer__submit(user_ring_buffer*, void* record) { mus::bench::submit(record); }

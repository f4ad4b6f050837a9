// SPDX-License-Identifier: GPL-2.0-only
// forge_decision KIND PID: while the daemon is stopped, writes one decision about a task into the decision ring, wrong in one way,
// has the kernel half apply it, and sees that it was refused once, for the right reason. PID: a task that spins, so that it is
// announced again and again. 0: it was; 1: it was not; 2: usage.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <optional>

#include <mus/abi.h>

#include "pinned_maps.h"

namespace {

using mus::pinned_maps::map;
using mus::pinned_maps::position;

constexpr std::size_t kPage = 4096, kEventBytes = 4 << 20, kDecisionBytes = 512 << 10;
constexpr std::size_t kHeader = 8;  // before each record
constexpr int kTries = 2000;        // the task may run before we come to it; each takes a millisecond
constexpr std::array kNames{"none", "unknown_pid", "stale", "bad_cpu", "bad_slice", "bad_field", "not_yet", "bad_record"};

struct Forgery {
  const char* kind;
  mus_refusal refusal;
  void (*spoil)(mus_decision&);
  std::size_t bytes = sizeof(mus_decision);
};

constexpr Forgery kForgeries[] = {
    {"unknown-pid", MUS_REFUSED_UNKNOWN_PID, [](mus_decision& d) { d.pid = 4194304; }},  // no pid is as large
    {"negative-pid", MUS_REFUSED_UNKNOWN_PID, [](mus_decision& d) { d.pid = -1; }},
    {"older-generation", MUS_REFUSED_STALE, [](mus_decision& d) { --d.generation; }},
    {"newer-generation", MUS_REFUSED_STALE, [](mus_decision& d) { d.generation += 1u << 30; }},
    {"cpu-not-allowed", MUS_REFUSED_BAD_CPU, [](mus_decision& d) { d.target = 1; }},  // it is pinned to CPU 0
    {"cpu-too-large", MUS_REFUSED_BAD_CPU, [](mus_decision& d) { d.target = 2; }},    // of two CPUs
    {"cpu-far-too-large", MUS_REFUSED_BAD_CPU, [](mus_decision& d) { d.target = 0x7fffffff; }},
    {"cpu-negative", MUS_REFUSED_BAD_CPU, [](mus_decision& d) { d.target = -2; }},
    {"slice-zero", MUS_REFUSED_BAD_SLICE, [](mus_decision& d) { d.slice_ns = 0; }},
    {"slice-too-short", MUS_REFUSED_BAD_SLICE, [](mus_decision& d) { d.slice_ns = MUS_SLICE_MIN_NS - 1; }},
    {"slice-too-long", MUS_REFUSED_BAD_SLICE, [](mus_decision& d) { d.slice_ns = MUS_SLICE_MAX_NS + 1; }},
    {"slice-2-to-63", MUS_REFUSED_BAD_SLICE, [](mus_decision& d) { d.slice_ns = 1ull << 63; }},
    {"reserved", MUS_REFUSED_BAD_FIELD, [](mus_decision& d) { d.reserved = 1; }},
    {"unknown-flag", MUS_REFUSED_BAD_FIELD, [](mus_decision& d) { d.flags |= MUS_DECIDE_FLAGS + 1; }},
    {"standing-flag", MUS_REFUSED_BAD_FIELD, [](mus_decision& d) { d.standing_flags = MUS_STANDING_FLAGS + 1; }},
    {"standing-rate", MUS_REFUSED_BAD_FIELD, [](mus_decision& d) { d.standing_rate = MUS_STANDING_RATE_MAX + 1; }},
    {"standing-slice", MUS_REFUSED_BAD_FIELD, [](mus_decision& d) { d.standing_slice_ns = 1; }},
    {"standing-budget", MUS_REFUSED_BAD_FIELD, [](mus_decision& d) { d.standing_budget_ns = MUS_SLICE_MAX_NS + 1; }},
    {"standing-min-run", MUS_REFUSED_BAD_FIELD, [](mus_decision& d) { d.standing_min_run_ns = MUS_SLICE_MAX_NS + 1; }},
    {"standing-valid", MUS_REFUSED_BAD_FIELD, [](mus_decision& d) { d.standing_valid_ns = 60 * MUS_SLICE_MAX_NS + 1; }},
    {"record-empty", MUS_REFUSED_BAD_RECORD, [](mus_decision&) {}, 0},
    {"record-too-short", MUS_REFUSED_BAD_RECORD, [](mus_decision&) {}, sizeof(mus_decision) - 1},
    {"record-too-long", MUS_REFUSED_BAD_RECORD, [](mus_decision&) {}, sizeof(mus_decision) + 1},
    // Not refused, and no harm: it counts as half a second from now at most, so that the task still has its turn.
    {"order-last", MUS_REFUSED_NONE, [](mus_decision& d) { d.order = 1ull << 62; }},
    {"order-first", MUS_REFUSED_NONE, [](mus_decision& d) { d.order = 0; }},
    {"none", MUS_REFUSED_NONE, [](mus_decision&) {}},  // a good one: that the others are refused is not for another reason
};

mus_shared& shared() {
  static auto* page = reinterpret_cast<mus_shared*>(map("shared", sizeof(mus_shared), 0));
  return *page;
}

struct Counts {
  std::array<std::uint64_t, MUS_REFUSALS> refused{};
  std::uint64_t decisions = 0;
};

Counts counts() {
  Counts sum;
  for (mus_cpu& cpu : shared().cpus) {
    for (std::size_t i = 1; i < MUS_REFUSALS; ++i) sum.refused[i] += std::atomic_ref(cpu.counters.refused[i]).load();
    sum.decisions += std::atomic_ref(cpu.counters.decisions).load();
  }
  return sum;
}

/// The last that the kernel half said of the task, if that was that it waits for a decision. The daemon is stopped: nobody reads.
std::optional<std::uint64_t> generation_of(int pid) {
  static char* consumer = map("events", kPage, 0, false);
  static char* producer = map("events", kPage + 2 * kEventBytes, kPage, false);
  std::optional<std::uint64_t> found;
  unsigned long end = std::atomic_ref(position(producer)).load();
  for (unsigned long at = std::atomic_ref(position(consumer)).load(); at < end;) {
    const char* record = producer + kPage + at % kEventBytes;
    std::uint32_t header = 0;
    std::memcpy(&header, record, sizeof(header));
    if (header & BPF_RINGBUF_BUSY_BIT) break;
    mus_event event{};
    std::memcpy(&event, record + kHeader, sizeof(event));
    if (event.pid == pid) {
      found.reset();
      if (event.kind == MUS_EVENT_RUNNABLE || event.kind == MUS_EVENT_RUNNING) found = event.generation;
    }
    at += (kHeader + (header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT)) + 7) / 8 * 8;
  }
  return found;
}

void commit() {
  static int program = mus::pinned_maps::open("commit");
  mus_call call{};
  for (int tries = 0; tries < kTries; ++tries) {
    bpf_attr attr{};
    attr.test.prog_fd = static_cast<std::uint32_t>(program);
    attr.test.ctx_in = reinterpret_cast<std::uint64_t>(&call);
    attr.test.ctx_size_in = sizeof(call);
    if (::syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr))) break;
    if (call.result != -16) return;  // -EBUSY: a CPU is at it
    ::usleep(100);
  }
  std::perror("commit");
  std::exit(1);
}

void write_record(const mus_decision& decision, std::size_t bytes) {
  static char* producer = map("decisions", kPage + 2 * kDecisionBytes, kPage);
  unsigned long at = position(producer);
  char* record = producer + kPage + at % kDecisionBytes;
  std::array<char, 2 * sizeof(mus_decision)> data{};
  std::memcpy(data.data(), &decision, sizeof(decision));
  std::array<std::uint32_t, 2> header{static_cast<std::uint32_t>(bytes), 0};
  std::memcpy(record, header.data(), kHeader);
  std::memcpy(record + kHeader, data.data(), bytes);
  std::atomic_ref(position(producer)).store(at + (kHeader + bytes + 7) / 8 * 8, std::memory_order_release);
}

/// One try. None: the task ran before we came to it, so that the decision came too late.
std::optional<bool> try_once(const Forgery& forgery, int pid) {
  commit();  // what the daemon had written
  auto generation = generation_of(pid);
  if (!generation) return std::nullopt;
  mus_decision d{.pid = pid, .flags = MUS_DECIDE_MOVE, .generation = *generation, .target = 0, .slice_ns = 1'000'000, .order = 16};
  forgery.spoil(d);
  Counts was = counts();
  write_record(d, forgery.bytes);
  commit();
  Counts is = counts();
  std::array<std::uint64_t, MUS_REFUSALS> risen{}, expected{};
  std::ranges::transform(is.refused, was.refused, risen.begin(), std::minus{});
  bool late = forgery.refusal != MUS_REFUSED_STALE && risen[MUS_REFUSED_STALE] == 1;
  if (late || risen[MUS_REFUSED_NOT_YET] == 1) return std::nullopt;
  if (forgery.refusal != MUS_REFUSED_NONE) expected[forgery.refusal] = 1;
  std::uint64_t moved = is.decisions - was.decisions, should_move = forgery.refusal == MUS_REFUSED_NONE;
  if (risen == expected && moved == should_move) return true;
  std::printf("%s: %llu decisions, refused:", forgery.kind, static_cast<unsigned long long>(moved));
  for (std::size_t i = 1; i < MUS_REFUSALS; ++i) std::printf(" %s %llu", kNames[i], static_cast<unsigned long long>(risen[i]));
  std::printf("\n");
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && !std::strcmp(argv[1], "list")) {
    for (const Forgery& forgery : kForgeries) std::printf("%s %s\n", forgery.kind, kNames[forgery.refusal]);
    return 0;
  }
  auto forgery = std::ranges::find_if(kForgeries, [&](const Forgery& f) { return argc == 3 && !std::strcmp(f.kind, argv[1]); });
  if (forgery == std::end(kForgeries)) {
    std::fprintf(stderr, "usage: forge_decision list | KIND PID\n");
    return 2;
  }
  for (int tries = 1; tries <= kTries; ++tries, ::usleep(1000)) {
    auto refused = try_once(*forgery, std::atoi(argv[2]));
    if (!refused) continue;
    std::printf("%s: %s after %d tries\n", forgery->kind, *refused ? kNames[forgery->refusal] : "WRONG", tries);
    return *refused ? 0 : 1;
  }
  std::printf("%s: the task was never found waiting\n", forgery->kind);
  return 1;
}

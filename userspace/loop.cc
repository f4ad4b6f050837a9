// SPDX-License-Identifier: GPL-2.0-only
#include "loop.h"

#include <pthread.h>

#include <algorithm>

namespace mus {
namespace {

constexpr int kIdleWaitMs = 1000;    // nothing is held: only to publish
constexpr int kHeldWaitMs = 10;      // tasks are held: look again, should a wakeup have been missed
constexpr Duration kPublishEvery = 250ms;
constexpr std::size_t kSnapshotsAhead = 8;

/// A word that the kernel half writes too.
template <typename T>
std::atomic_ref<T> shared_word(T& word) {
  return std::atomic_ref<T>(word);
}

}  // namespace

Loop::Loop(KernelHalf& kernel, PolicyDriver& driver)
    : kernel_(kernel), driver_(driver), commands_(1024), snapshots_(kSnapshotsAhead), snapshot_token_(snapshots_) {}

Loop::~Loop() { stop(); }

Result<void> Loop::start() {
  auto events = EventReader::open(kernel_.events_fd(), driver_);
  if (!events) return std::unexpected(events.error());
  auto decisions = DecisionWriter::open(kernel_.decisions_fd());
  if (!decisions) return std::unexpected(decisions.error());
  events_ = std::move(*events);
  decisions_ = std::move(*decisions);
  thread_ = std::jthread([this] {
    ::pthread_setname_np(::pthread_self(), "mus-scheduler");
    run();
  });
  return {};
}

void Loop::stop() {
  stopping_ = true;
  if (events_) events_->wake();
  if (thread_.joinable()) thread_.join();
}

void Loop::post(const Command& command) {
  commands_.enqueue(command);
  events_->wake();
}

void Loop::run() {
  mus_shared& shared = kernel_.shared();
  while (!stopping_) {
    bool more = pass();
    if (more || shared_word(shared.asked_ns).load(std::memory_order_acquire)) continue;
    bool held = driver_.waiting() != 0;
    for (std::uint32_t i = 0; !held && i < shared.shard_count; ++i)
      held = shared_word(shared.shards[i].held_count).load(std::memory_order_relaxed) != 0;
    events_->wait(held ? kHeldWaitMs : kIdleWaitMs);
  }
}

// Drain, decide, commit. Returns whether there is more to do at once.
bool Loop::pass() {
  mus_shared& shared = kernel_.shared();
  // Before the ring is read: what is written after this finds 0 and wakes us again.
  shared_word(shared.asked_ns).store(0, std::memory_order_seq_cst);
  std::size_t drained = events_->drain();
  shared_word(shared.looked_ns).store(to_ns(driver_.now()), std::memory_order_relaxed);

  for (Command command; commands_.try_dequeue(command);) obey(command);
  if (shared_word(shared.resync_wanted).exchange(0)) {
    kernel_.resync();
    drained += events_->drain();
  }
  std::size_t sent = driver_.decide(queues(), [this](const mus_decision& d) { return decisions_->write(d); });
  if (sent) driver_.set_now(kernel_.commit());

  ++snapshot_.passes;
  if (driver_.now() - published_ >= kPublishEvery) publish();
  return drained == EventReader::kAtOnce;
}

void Loop::obey(const Command& command) {
  switch (command.kind) {
    case Command::Kind::kSetWeight:
      driver_.set_weight_override(command.cgroup, command.weight);
      return;
  }
}

PolicyDriver::Queues Loop::queues() {
  mus_shared& shared = kernel_.shared();
  std::uint64_t queued = 0;
  for (std::uint32_t i = 0; i < shared.shard_count; ++i)
    queued += shared_word(shared.shards[i].queued_count).load(std::memory_order_relaxed);
  std::size_t n = std::min<std::size_t>(shared.cpu_count, cpus_.size());
  for (std::size_t i = 0; i < n; ++i) {
    cpus_[i].online = shared_word(shared.cpus[i].online).load(std::memory_order_relaxed) != 0;
    cpus_[i].queued = shared_word(shared.cpus[i].queued_count).load(std::memory_order_relaxed);
  }
  return {.shared = static_cast<std::uint32_t>(queued), .cpus = {cpus_.data(), n}};
}

// If the control thread is slow the snapshot is dropped: nothing here waits for it or allocates for it.
void Loop::publish() {
  published_ = driver_.now();
  snapshot_.driver = driver_.counters();
  snapshot_.tasks = driver_.tasks().size();
  snapshot_.cgroups = driver_.cgroups().size();
  snapshot_.share_count = 0;
  driver_.cgroups().for_each([this](Cgroup& cgroup) {
    if (snapshot_.share_count >= snapshot_.shares.size()) return;
    double share = driver_.policy().entitled_share(cgroup);
    if (share != 0) snapshot_.shares[snapshot_.share_count++] = {.id = cgroup.id, .entitled = share};
  });
  if (snapshots_.size_approx() < kSnapshotsAhead) (void)snapshots_.try_enqueue(snapshot_token_, snapshot_);
}

}  // namespace mus

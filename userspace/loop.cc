// SPDX-License-Identifier: GPL-2.0-only
#include "loop.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <random>

namespace mus {
namespace {

constexpr int kIdleWaitMs = 1500;    // nothing is held: only to publish, and for a watchdog of 3 s or more
constexpr int kHeldWaitMs = 10;      // tasks are held: look again, should a wakeup have been missed
constexpr int kSoonWaitMs = 1;       // decisions are held back on purpose, or lost events are to be made up for
constexpr Duration kPublishEvery = 250ms;
constexpr Duration kOnItsWay = 5ms;  // ops.enqueue takes microseconds
constexpr Duration kTakenFor = 20ms;  // by real-time tasks: brief ones are not worth working out all shares again

/// A word that the kernel half writes too.
template <typename T>
std::atomic_ref<T> shared_word(T& word) {
  return std::atomic_ref<T>(word);
}

}  // namespace

Loop::Loop(KernelHalf& kernel, PolicyDriver& driver, Policy& spare, const ChaosPlan& chaos)
    : kernel_(kernel),
      driver_(driver),
      spare_(&spare),
      commands_(kCommands),
      replies_(2 * kCommands),
      reply_token_(replies_),
      reply_bell_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      written_(kSnapshots),
      blank_(kSnapshots),
      written_token_(written_) {
  driver.look_up_in(kernel);
  if (chaos.any()) chaos_.emplace(chaos, std::random_device{}());
  for (auto& snapshot : snapshot_storage_) {
    snapshot = std::make_unique<Snapshot>();
    blank_.enqueue(snapshot.get());
  }
}

Loop::~Loop() { stop(); }

Result<void> Loop::prepare() {
  auto events = EventReader::open(kernel_.events_fd(), driver_);
  if (!events) return std::unexpected(events.error());
  auto decisions = DecisionWriter::open(kernel_.decisions_fd());
  if (!decisions) return std::unexpected(decisions.error());
  events_ = std::move(*events);
  decisions_ = std::move(*decisions);
  make_thread();
  return {};
}

// Its stack is locked memory, all of it: on a slow machine that alone takes longer than a slice.
void Loop::make_thread() {
  if (thread_.joinable()) thread_.join();
  begun_ = ended_ = stopping_ = false;
  thread_ = std::jthread([this] {
    ::pthread_setname_np(::pthread_self(), "mus-scheduler");
    begun_.wait(false);
    if (!stopping_) run();
    ended_ = true;
    ended_.notify_one();
  });
}

void Loop::start() {
  if (!thread_.joinable() || ended_) make_thread();
  begun_ = true;
  begun_.notify_one();
}

// Does not wait until the thread has gone, but until it does nothing any more: who takes over waits for that.
void Loop::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  begun_ = true;
  begun_.notify_one();
  if (events_) events_->wake();
  ended_.wait(false);
}

bool Loop::post(const Command& command) {
  if (under_way_ == kCommands || !commands_.enqueue(command)) return false;
  ++under_way_;
  posted_ = true;
  return true;
}

void Loop::kick() {
  if (std::exchange(posted_, false)) events_->wake();
}

bool Loop::take(Reply& reply) {
  std::uint64_t rung;
  if (!replies_.try_dequeue(reply)) {
    [[maybe_unused]] auto bytes = ::read(reply_bell_.get(), &rung, sizeof(rung));
    if (!replies_.try_dequeue(reply)) return false;  // one that came just before the bell was silenced
  }
  if (reply.ticket) --under_way_;
  return true;
}

const Snapshot* Loop::snapshot() {
  for (Snapshot* next; written_.try_dequeue(next); newest_ = next)
    if (newest_) blank_.enqueue(newest_);
  return newest_;
}

void Loop::run() {
  mus_shared& shared = kernel_.shared();
  std::uint64_t former = shared_word(shared.looked_ns).load(std::memory_order_relaxed);
  bool more = pass();
  if (former) {
    driver_.set_now(kernel_.commit());
    shared_word(shared.daemon.gap_ns).store(to_ns(driver_.now()) - former, std::memory_order_relaxed);
  }
  for (; !stopping_; more = pass()) {
    if (more || shared_word(shared.asked_ns).load(std::memory_order_acquire)) continue;
    bool held = driver_.waiting() != 0;
    for (std::uint32_t i = 0; !held && i < shared.shard_count; ++i)
      held = shared_word(shared.shards[i].held_count).load(std::memory_order_relaxed) != 0;
    bool soon = catching_up_ || (chaos_ && chaos_->holds_back());
    events_->wait(soon ? kSoonWaitMs : held || resync_again_ ? kHeldWaitMs : kIdleWaitMs);
  }
  pass();  // who takes over has that much more time before anybody waits for it
}

// Drain, decide, commit. Returns whether there is more to do at once.
bool Loop::pass() {
  mus_shared& shared = kernel_.shared();
  // Before the ring is read: what is written after this finds 0 and wakes us again.
  std::uint64_t asked = shared_word(shared.asked_ns).exchange(0, std::memory_order_seq_cst);
  if (asked && shared_word(shared.stalled_ns).load(std::memory_order_relaxed) == asked) end_stall(asked);
  std::size_t drained = events_->drain();
  shared_word(shared.looked_ns).store(to_ns(driver_.now()), std::memory_order_relaxed);
  shared_word(shared.daemon.looks).fetch_add(1, std::memory_order_relaxed);

  obey_commands();
  if (wants_resync()) {
    kernel_.resync();
    drained += events_->drain();
  } else if (catching_up_ && drained < EventReader::kAtOnce && !driver_.catch_up()) {
    catching_up_ = false;
    published_ = {};  // there may be no event for long that would have it published
  }
  if (chaos_) do_harm();
  if (send_decisions()) driver_.set_now(kernel_.commit());
  if (driver_.policy_failed()) replace_failed();

  ++passes_;
  if (driver_.now() - published_ >= kPublishEvery) publish();
  return drained >= EventReader::kAtOnce;
}

std::size_t Loop::send_decisions() {
  auto send = [this](const mus_decision& d) { return decisions_->write(d); };
  if (!chaos_) return driver_.decide(queues(), send);
  std::size_t late = chaos_->flush(driver_.now(), send);
  return late + driver_.decide(queues(), [&](const mus_decision& d) { return chaos_->write(d, driver_.now(), send); });
}

void Loop::do_harm() {
  if (chaos_->kill(driver_.now())) ::kill(::getpid(), SIGKILL);
  if (Duration stop = chaos_->stop(driver_.now()); stop > 0ns) std::this_thread::sleep_for(stop);
}

// The kernel half went on alone from `asked` until now, and kept the shares itself: what ran meanwhile is not charged, or who happened to come early
// in its order would wait for longer in the policy's.
void Loop::end_stall(std::uint64_t asked) {
  driver_.set_now(kernel_.commit());
  driver_.begin_after_another(driver_.now());
  mus_daemon& daemon = kernel_.shared().daemon;
  std::uint64_t lasted = to_ns(driver_.now()) - asked;
  shared_word(daemon.stall_total_ns).fetch_add(lasted, std::memory_order_relaxed);
  if (lasted > shared_word(daemon.stall_longest_ns).load(std::memory_order_relaxed))
    shared_word(daemon.stall_longest_ns).store(lasted, std::memory_order_relaxed);
}

// Once when events were lost, and once more when whoever was on its way onto the held queue then has arrived.
bool Loop::wants_resync() {
  if (shared_word(kernel_.shared().resync_wanted).exchange(0)) {
    resync_again_ = std::chrono::steady_clock::now() + kOnItsWay;
    driver_.catch_up_from_start();
    catching_up_ = true;
    return true;
  }
  if (!resync_again_ || std::chrono::steady_clock::now() < *resync_again_) return false;
  resync_again_.reset();
  return true;
}

void Loop::obey_commands() {
  bool answered = false;
  for (Command command; commands_.try_dequeue(command); answered = true) answer(obey(command));
  if (answered) ring();
}

Reply Loop::obey(const Command& command) {
  Reply reply{.ticket = command.ticket};
  switch (command.kind) {
    case Command::Kind::kSetWeight:
      if (!driver_.set_weight_override(command.cgroup, command.weight)) reply.result = Reply::Result::kFull;
      return reply;
    case Command::Kind::kKernelWeight:
      driver_.set_kernel_weight(command.cgroup, command.weight);
      return reply;
    case Command::Kind::kCgroupGone:
      driver_.cgroup_gone(command.cgroup);
      return reply;
    case Command::Kind::kUsePolicy:
      reply.retired = std::exchange(spare_, &driver_.policy());
      reply.handed_over = use(*command.policy);
      return reply;
  }
  return reply;
}

std::uint32_t Loop::use(Policy& policy) {
  std::uint32_t handed_over = driver_.use(policy);
  shared_word(kernel_.shared().event_mask).store(policy.wanted_events(), std::memory_order_relaxed);
  return handed_over;
}

// The last good policy takes over. If that fails too there is no policy to be had: the kernel half goes on alone.
void Loop::replace_failed() {
  if (!spare_) std::abort();
  ++policy_faults_;
  Policy& failed = driver_.policy();
  use(*std::exchange(spare_, nullptr));
  answer({.retired = &failed});
  ring();
}

void Loop::answer(const Reply& reply) { replies_.try_enqueue(reply_token_, reply); }

void Loop::ring() {
  std::uint64_t one = 1;
  [[maybe_unused]] auto written = ::write(reply_bell_.get(), &one, sizeof(one));
}

// A higher class has had the CPU for so long that the others should share what is left.
bool Loop::taken(std::size_t cpu) {
  if (!shared_word(kernel_.shared().cpus[cpu].taken).load(std::memory_order_relaxed)) {
    taken_since_[cpu] = Time{};
    return false;
  }
  if (taken_since_[cpu] == Time{}) taken_since_[cpu] = driver_.now();
  return driver_.now() - taken_since_[cpu] >= kTakenFor;
}

PolicyDriver::Queues Loop::queues() {
  mus_shared& shared = kernel_.shared();
  std::uint64_t queued = 0;
  for (std::uint32_t i = 0; i < shared.shard_count; ++i)
    queued += shared_word(shared.shards[i].queued_count).load(std::memory_order_relaxed);
  std::size_t n = std::min<std::size_t>(shared.cpu_count, cpus_.size());
  for (std::size_t i = 0; i < n; ++i) {
    cpus_[i].online = shared_word(shared.cpus[i].online).load(std::memory_order_relaxed) != 0;
    cpus_[i].taken = taken(i);
    cpus_[i].queued = shared_word(shared.cpus[i].queued_count).load(std::memory_order_relaxed);
  }
  return {.shared = static_cast<std::uint32_t>(queued), .cpus = {cpus_.data(), n}};
}

// If the control thread is slow this one is left out: nothing here waits for it or allocates for it.
void Loop::publish() {
  published_ = driver_.now();
  Snapshot* snapshot;
  if (!blank_.try_dequeue(snapshot)) return;
  snapshot->at = driver_.now();
  snapshot->driver = driver_.counters();
  snapshot->policy = driver_.policy().name();
  snapshot->policy_faults = policy_faults_;
  snapshot->tasks = driver_.tasks().size();
  snapshot->cgroups = driver_.cgroups().size();
  snapshot->passes = passes_;
  snapshot->group_count = 0;
  driver_.cgroups().for_each([&](Cgroup& cgroup) {
    if (snapshot->group_count == Snapshot::kGroups) return;
    Promise promise = driver_.promise(cgroup);
    snapshot->groups[snapshot->group_count++] = {
        .id = cgroup.id,
        .parent = cgroup.parent ? cgroup.parent->id : CgroupId{},
        .depth = static_cast<std::uint32_t>(CgroupTree::depth(cgroup)),
        .weight = cgroup.weight().value,
        .kernel_weight = cgroup.kernel_weight.value,
        .set = cgroup.override_,
        .runnable = cgroup.runnable,
        .promised = promise.share,
        .promised_own = promise.own_share,
        .lag = promise.lag,
        .run_time = cgroup.run_time,
    };
  });
  written_.try_enqueue(written_token_, snapshot);
}

}  // namespace mus

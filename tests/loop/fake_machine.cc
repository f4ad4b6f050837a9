// SPDX-License-Identifier: GPL-2.0-only
#include "fake_machine.h"

#include <sys/eventfd.h>

#include <chrono>

#include "kernel/pins.h"

namespace mus::fakes {
namespace {

FakeMachine* machine = nullptr;

template <typename T>
std::atomic_ref<T> word(T& value) {
  return std::atomic_ref<T>(value);
}

}  // namespace

FakeMachine& FakeMachine::here() { return *machine; }

std::uint64_t FakeMachine::clock_ns() {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

FakeMachine::FakeMachine() : bell_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), tasks_(kTasks), alive_(kTasks) {
  machine = this;
  shared.cpu_count = kCpus;
  shared.shard_count = 1;
  for (std::uint32_t cpu = 0; cpu < kCpus; ++cpu) shared.cpus[cpu].online = 1;
  std::string daemon;
  kernel_ = std::move(*KernelHalf::open(*Pins::open_folder("/", false), daemon));  // nothing of either is looked at
  for (int i = 0; i < kTasks; ++i) tasks_[static_cast<std::size_t>(i)].pid = alive_[static_cast<std::size_t>(i)] = kTasks + i;
}

FakeMachine::~FakeMachine() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  machine = nullptr;
}

void FakeMachine::start() {
  thread_ = std::jthread([this] { run(); });
}

bool FakeMachine::settle(int seconds) {
  settling_ = true;
  for (int tries = 0; tries < seconds * 100 && !settled_; ++tries) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return settled_;
}

void FakeMachine::run() {
  post_group(MUS_EVENT_CGROUP_NEW, 1, 0);
  for (auto& group : groups_) post_group(MUS_EVENT_CGROUP_NEW, group = next_group_++, 1);
  for (FakeTask& task : tasks_) hold(task, MUS_EVENT_NEW_TASK, 0);
  while (!stopping_) {
    mus_decision decision;
    bool idle = true;
    for (int n = 0; n < 64 && decisions.pop(decision); ++n, idle = false) obey(decision);
    if (resync_asked.exchange(false))
      for (FakeTask& task : tasks_)
        if (task.held) post(MUS_EVENT_RUNNABLE, MUS_EVENT_RESYNC, task);
    if (!settling_) anything();
    word(shared.shards[0].held_count).store(held_, std::memory_order_relaxed);
    if (held_) ask();
    if (settling_ && !held_) settled_ = true;
    if (idle) std::this_thread::yield();
  }
}

void FakeMachine::anything() {
  FakeTask& task = any_task();
  switch (below(16)) {
    case 0: task.weight = 1 + below(MUS_WEIGHT_MAX); return post(MUS_EVENT_WEIGHT, 0, task);
    case 1: task.cgroup = below(4) ? groups_[below(kGroups)].load() : 1; return post(MUS_EVENT_CGROUP, 0, task);
    case 2: {  // one goes, another comes; those who were in it are where the kernel puts them
      auto& group = groups_[below(kGroups)];
      for (FakeTask& member : tasks_)
        if (member.cgroup == group) member.cgroup = 1, post(MUS_EVENT_CGROUP, 0, member);
      post_group(MUS_EVENT_CGROUP_GONE, group, 0);
      post_group(MUS_EVENT_CGROUP_NEW, group = next_group_++, 1);
      ++groups_made_;
      return;
    }
    case 3: return post_group(MUS_EVENT_CGROUP_WEIGHT, groups_[below(kGroups)], 0);
    case 4: return post(MUS_EVENT_REPORT, MUS_EVENT_STANDING, task, 100'000);
    case 5:  // an event is lost: it is waited for until the resync says it again
      if (below(50)) return;
      if (!task.held) ++task.generation, task.held = true, ++held_;
      word(shared.resync_wanted).store(1);
      return;
    default:  // who sleeps wakes
      if (!task.held) hold(task, MUS_EVENT_WAKEUP, 0);
  }
}

void FakeMachine::obey(const mus_decision& d) {
  if (!(d.flags & MUS_DECIDE_MOVE)) return;
  FakeTask& task = tasks_[static_cast<std::size_t>(d.pid) % kTasks];
  if (d.reserved || d.slice_ns < MUS_SLICE_MIN_NS || d.slice_ns > MUS_SLICE_MAX_NS || d.target >= static_cast<int>(kCpus)) ++refused_;
  if (!task.held || task.pid != d.pid || task.generation != d.generation) return;  // stale, as in life
  ++decided_;
  task.held = false;
  --held_;
  std::uint64_t ran = 1 + random_() % d.slice_ns;
  if (settling_ || below(3) == 0) return post(MUS_EVENT_SLEEP, 0, task, ran);
  if (below(10) == 0) {
    bool lost = below(20) == 0;
    if (!lost) post(MUS_EVENT_EXIT, 0, task, ran);
    ++exits_;
    exits_lost_ += lost;
    std::int32_t next = task.pid < 1'000'000 ? task.pid + kTasks : kTasks + task.pid % kTasks;
    task = {.pid = next};
    alive_[static_cast<std::size_t>(next) % kTasks] = next;
    if (lost) word(shared.resync_wanted).store(1);
    return hold(task, MUS_EVENT_NEW_TASK, 0);
  }
  if (below(20) == 0) return post(MUS_EVENT_REFUSED, 0, task), hold(task, 0, ran);
  hold(task, 0, ran, below(4) ? MUS_EVENT_RUNNABLE : MUS_EVENT_RUNNING);
}

void FakeMachine::hold(FakeTask& task, std::uint32_t flags, std::uint64_t run_ns, mus_event_kind kind) {
  ++task.generation;
  task.held = true;
  ++held_;
  post(kind, flags, task, run_ns);
}

void FakeMachine::post(mus_event_kind kind, std::uint32_t flags, FakeTask& task, std::uint64_t run_ns) {
  std::uint64_t now = clock_ns();
  put({.kind = static_cast<std::uint32_t>(kind), .flags = flags, .pid = task.pid, .tgid = task.pid, .generation = task.generation,
       .cgroup_id = task.cgroup, .now_ns = now, .run_ns = run_ns, .wake_ns = now, .sleep_ns = now,
       .cpu = static_cast<std::int32_t>(below(kCpus)), .weight = task.weight, .allowed_count = kCpus});
}

void FakeMachine::post_group(mus_event_kind kind, std::uint64_t id, std::uint64_t parent) {
  put({.kind = static_cast<std::uint32_t>(kind), .cgroup_id = id, .now_ns = clock_ns(), .weight = 1 + below(MUS_WEIGHT_MAX),
       .arg = parent});
}

// The ring is never full for long; were an event lost here, a task might be forgotten for good.
void FakeMachine::put(const mus_event& event) {
  while (!events.push(event) && !stopping_) {
    ask();
    std::this_thread::yield();
  }
}

void FakeMachine::ask() {
  std::uint64_t one = 1;
  __u64 never = 0;
  if (!word(shared.asked_ns).compare_exchange_strong(never, clock_ns())) return;
  [[maybe_unused]] auto written = ::write(bell_.get(), &one, sizeof(one));
}

}  // namespace mus::fakes

// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include <mus/abi.h>

#include "kernel/kernel_half.h"

namespace mus::fakes {

/// A ring with one thread at each end, as those of the kernel are.
template <typename T, std::size_t Room>
class OneToOne {
 public:
  bool push(const T& item) {
    std::size_t at = written_.load(std::memory_order_relaxed);
    if (at - read_.load(std::memory_order_acquire) == Room) return false;
    items_[at % Room] = item;
    written_.store(at + 1, std::memory_order_release);
    return true;
  }
  bool pop(T& item) {
    std::size_t at = read_.load(std::memory_order_relaxed);
    if (at == written_.load(std::memory_order_acquire)) return false;
    item = items_[at % Room];
    read_.store(at + 1, std::memory_order_release);
    return true;
  }

 private:
  std::vector<T> items_ = std::vector<T>(Room);
  std::atomic<std::size_t> written_{0}, read_{0};
};

/// What the loop stands on, without a kernel: rings in memory, and a thread that is the kernel half and all CPUs at once. It runs
/// each task the moment that it is decided on, and has tasks and cgroups come, go and change meanwhile.
/// Shape:   one at a time: fake_rings.cc gives the loop KernelHalf, EventReader and DecisionWriter on top of it, in place of the
///          real ones.
/// Threads: its own, from start() to settle(); the members that say so are the scheduler thread's.
class FakeMachine {
 public:
  static constexpr std::uint32_t kCpus = 4;
  static constexpr int kTasks = 3000, kGroups = 400;

  FakeMachine();
  ~FakeMachine();
  FakeMachine(const FakeMachine&) = delete;
  FakeMachine& operator=(const FakeMachine&) = delete;
  [[nodiscard]] static FakeMachine& here();

  [[nodiscard]] KernelHalf& kernel() { return *kernel_; }
  void start();
  /// Nothing new comes, and who is decided on sleeps. False: somebody still waits for a decision after `seconds`.
  [[nodiscard]] bool settle(int seconds);
  [[nodiscard]] std::uint64_t decided() const { return decided_; }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }  ///< decisions that make no sense
  [[nodiscard]] std::uint64_t exits() const { return exits_; }
  [[nodiscard]] std::uint64_t exits_lost() const { return exits_lost_; }  ///< of them, those of which no event told
  [[nodiscard]] std::uint64_t groups_made() const { return groups_made_; }

  // The scheduler thread's.
  mus_shared shared{};
  OneToOne<mus_event, 65536> events;
  OneToOne<mus_decision, 4096> decisions;
  std::atomic<bool> resync_asked = false;
  [[nodiscard]] static std::uint64_t clock_ns();
  [[nodiscard]] int bell() const { return bell_.get(); }
  [[nodiscard]] bool has_task(std::int32_t pid) const { return alive_[static_cast<std::size_t>(pid) % kTasks] == pid; }
  [[nodiscard]] bool has_cgroup(std::uint64_t id) const { return id == 1 || std::ranges::any_of(groups_, [id](const auto& known) { return known == id; }); }

 private:
  struct FakeTask {
    std::int32_t pid = 0;
    std::uint64_t generation = 0, cgroup = 1;
    std::uint32_t weight = MUS_WEIGHT_DEFAULT;
    bool held = false;
  };
  void run();
  void anything();
  void obey(const mus_decision& decision);
  void post(mus_event_kind kind, std::uint32_t flags, FakeTask& task, std::uint64_t run_ns = 0);
  void post_group(mus_event_kind kind, std::uint64_t id, std::uint64_t parent);
  void hold(FakeTask& task, std::uint32_t flags, std::uint64_t run_ns, mus_event_kind kind = MUS_EVENT_RUNNABLE);
  void put(const mus_event& event);
  void ask();
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  FakeTask& any_task() { return tasks_[below(kTasks)]; }

  std::unique_ptr<KernelHalf> kernel_;
  Fd bell_;
  std::vector<FakeTask> tasks_;                  // by pid modulo kTasks
  std::array<std::atomic<std::uint64_t>, kGroups> groups_{};  // their ids
  std::vector<std::atomic<std::int32_t>> alive_;               // pids, as tasks_
  std::mt19937_64 random_{1};
  std::uint64_t next_group_ = 100;
  std::size_t held_ = 0;
  std::atomic<std::uint64_t> decided_ = 0, refused_ = 0, exits_ = 0, exits_lost_ = 0, groups_made_ = 0;
  std::atomic<bool> settling_ = false, settled_ = false, stopping_ = false;
  std::jthread thread_;
};

}  // namespace mus::fakes

// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <mus/abi.h>
#include <mus/policy.h>

#include "cgroups/cgroup_tree.h"
#include "core/task_table.h"

namespace mus {

class KernelFacts;

/// What the driver has counted since it began. Scheduler thread writes; snapshots copy it.
struct DriverCounters {
  std::uint64_t events = 0;
  std::uint64_t bad_events = 0;    ///< fields out of range: ignored
  std::uint64_t decisions = 0;     ///< tasks decided on
  std::uint64_t refused = 0;       ///< decisions that came back
  std::uint64_t shed = 0;          ///< events on tasks for which there was no room: the kernel half runs them
  std::uint64_t bad_decisions = 0; ///< the policy named a task that it does not have, or nonsense
  std::uint64_t thrown = 0;        ///< exceptions that came out of the policy
};

/// Stands between the rings and the policy: keeps the state of each task, turns events into the policy's
/// callbacks, and the policy's decisions into records. Knows nothing of BPF: tests drive it with records.
/// Threads: scheduler thread only.
/// Cost:    O(1) besides the policy; no allocation after construction.
class PolicyDriver {
 public:
  /// How far ahead it decides: at least `min_per_cpu` tasks for each CPU, more while their expected run
  /// times add up to less than `horizon` a CPU (who is expected to use most of its slice fills it alone), never more than
  /// `max_per_cpu`.
  struct Ahead {
    Duration horizon = 8ms;  ///< two slices: who runs briefly is not worth a wakeup of userspace each
    std::uint32_t min_per_cpu = 1;
    std::uint32_t max_per_cpu = 64;
  };
  struct Sizes {
    std::size_t tasks = 32768;
    std::size_t cgroups = 4096;
    std::size_t cpus = MUS_MAX_CPUS;
  };
  /// What is on the run queues now, by the kernel half's counters.
  struct Queues {
    std::uint32_t shared = 0;
    std::span<const CpuView> cpus;
  };

  PolicyDriver(Policy& policy, const PolicyConfig& config, const Ahead& ahead, const Sizes& sizes);

  /// Where to look up what a lost event would have told. Without: a cgroup that no event told of is a child of the root, and a task
  /// whose exit was lost stays.
  void look_up_in(KernelFacts& facts) { facts_ = &facts; }
  /// Events were lost: catch_up() is to look at all tasks and cgroups.
  void catch_up_from_start();
  /// Looks up some of them; forgets who is gone. Not before the events that were written until now have been taken in: an older one
  /// would bring back who is gone. Returns whether some are left.
  bool catch_up();

  /// Takes in one event.
  void on_event(const mus_event& event);
  /// The same, as it lies in the event ring. One that is not of the size of an event is counted as bad.
  void on_record(const void* record, std::size_t bytes);

  /// Decides while there is room, handing each record to `send`; one that is refused (the ring is full) is
  /// kept and sent first next time. Returns how many were sent.
  std::size_t decide(const Queues& queues, const std::function<bool(const mus_decision&)>& send);

  /// The weight that an operator gives to a cgroup; 0 takes it back. False: no room for more of them.
  bool set_weight_override(CgroupId id, std::uint32_t weight);

  /// cpu.weight of a cgroup, where no event tells it.
  void set_kernel_weight(CgroupId id, std::uint32_t weight);

  /// A cgroup was removed. It is forgotten when the last of its tasks and children is.
  void cgroup_gone(CgroupId id);

  /// Another daemon, or the kernel half alone, decided until now. No task is charged for what it ran before; and what was decided on before, and still
  /// waits on a run queue, comes before what is decided from here on: a nanosecond is shorter than a decision takes.
  void begin_after_another(Time now);

  /// Replaces the policy. The new one is told of all cgroups and handed every task that waits; returns how many.
  std::uint32_t use(Policy& next);
  /// The policy has thrown, or decided only nonsense for too long: it should be replaced.
  [[nodiscard]] bool policy_failed() const { return failed_; }

  [[nodiscard]] Policy& policy() { return *policy_; }
  [[nodiscard]] Promise promise(const Cgroup& cgroup);
  [[nodiscard]] CgroupTree& cgroups() { return cgroups_; }
  [[nodiscard]] TaskTable& tasks() { return tasks_; }
  [[nodiscard]] const DriverCounters& counters() const { return counters_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_; }  ///< tasks that the policy has
  [[nodiscard]] Time now() const { return now_; }
  void set_now(Time now) { now_ = std::max(now_, now); }

 private:
  static constexpr int kMostLevels = 64;  ///< of cgroups that are looked up at once; what is deeper is a child of the root

  void on_task_event(const mus_event& event);
  void on_cgroup_event(const mus_event& event);
  [[nodiscard]] Cgroup* find_or_learn(CgroupId id, int levels = kMostLevels);
  void forget(Task& task);
  void on_runnable(Task& task, const mus_event& event);
  void stop(Task& task);
  void begun(Task& task);
  void move_to_cgroup(Task& task, CgroupId id);
  void account(Task& task, const mus_event& event);
  [[nodiscard]] bool acceptable(const Decision& decision) const;
  [[nodiscard]] mus_decision to_record(const Decision& decision);
  void fill_standing(mus_decision& record, Task& task);
  [[nodiscard]] bool enough(std::uint32_t queued, Duration ahead) const;

  /// What a policy throws must not end the scheduler thread: the kernel half would go on, but nobody would decide.
  template <typename F>
  void ask(F&& call) {
    try {
      call();
    } catch (...) {
      ++counters_.thrown;
      failed_ = true;
    }
  }
  [[nodiscard]] static Duration average(Duration old, Duration latest) { return (3 * old + latest) / 4; }
  void changed(Cgroup& cgroup, CgroupChange change);
  void set_state(Task& task, Task::State state);
  void count_going_on(const Task& task, bool in);

  Policy* policy_;
  KernelFacts* facts_ = nullptr;
  std::size_t tasks_to_check_ = 0, cgroups_to_check_ = 0;  ///< slots that catch_up() has still to look at
  PolicyConfig config_;
  Ahead ahead_;
  TaskTable tasks_;
  CgroupTree cgroups_;
  DriverCounters counters_;
  std::vector<CpuView> cpus_;
  std::vector<Pid> refresh_;  ///< tasks whose standing order is to be renewed
  std::vector<mus_decision> unsent_;  ///< at most one
  std::size_t waiting_ = 0;
  std::uint32_t going_on_ = 0;  ///< tasks decided on while they run, for any CPU
  std::vector<std::uint32_t> going_on_at_;  ///< the same, for one CPU
  std::vector<std::uint32_t> first_at_;     ///< of those, they that go before what had been decided earlier
  std::uint32_t kept_cpus_ = 0;             ///< CPUs for which that is not 0
  std::uint64_t order_ = 0;
  std::uint32_t online_ = 1;
  std::uint32_t nonsense_ = 0;  ///< bad decisions since the last good one
  bool failed_ = false;
  Duration average_run_{};
  Time now_{};
  Time charged_from_{};
};

}  // namespace mus

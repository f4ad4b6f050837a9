// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <mus/cgroup.h>
#include <mus/task.h>
#include <mus/units.h>

namespace mus {

/// What the kernel half does at the next wakeups of a task without asking: run it at once on its CPU for
/// `slice`, interrupting a task, rather one of another cgroup, that has had `min_run` and is not itself running by such an order; while
/// `budget` lasts, which `rate` refills (1.0: one CPU's worth; 2.0 at most), and for no longer than `valid_for`.
/// `in_turn`: it waits among those that are decided on, at a place by what is left of its budget: one that is refilled at the
/// rate that it is owed says how far it is behind its share, or ahead. When it wakes, its place is a slice earlier until it runs, and
/// it interrupts a task that has had `min_run` and should have come after that by more than `min_run / rate`. An empty budget does not
/// end such an order. `again`: it waits so also when it has used up a slice. Both only for tasks that may run on every CPU or on one; of
/// the others, the policy is asked as if there were no order. `returns`, without `in_turn`: when it has used up a slice, it waits as if
/// it had woken up, and whoever runs meanwhile has what a rate below 1 leaves to others, or `min_run` if that is more. Of two such of one
/// cgroup, one that the other wakes waits behind it, for a slice at most, if that works briefly at a time (docs/decisions/0023).
struct StandingOrder {
  Duration slice{};  ///< zero: no order, and an earlier one is revoked
  Duration min_run{};
  Duration budget{};
  Duration valid_for{};
  double rate = 0;
  bool in_turn = false;
  bool again = false;
  bool returns = false;
};

/// The answer to "who runs next": move `task` to the run queue of `cpu` (none: whichever CPU is first).
struct Decision {
  Task* task = nullptr;
  std::optional<Cpu> cpu;
  Duration slice{};         ///< MUS_SLICE_MIN_NS..MUS_SLICE_MAX_NS
  /// Goes before what was decided for its CPU up to this much earlier; negative: after what is, up to so much later. MUS_ORDER_SPAN_NS at most.
  Duration early{};
  bool urgent = false;      ///< run it now, before the others, interrupting as its standing order says
};

/// What a policy can see of a CPU when it decides. May be some microseconds old.
struct CpuView {
  bool online = false;
  bool taken = false;        ///< a real-time task keeps it: who may run nowhere else waits there, others need not
  std::uint32_t queued = 0;  ///< slices decided for this CPU that have not begun, this round's included
};

/// What a policy is told before it is asked to decide.
struct Room {
  std::span<const CpuView> cpus;  ///< by CPU number
  std::uint32_t online = 1;       ///< CPUs on line that are not taken
  std::uint32_t queued = 0;       ///< slices decided for any CPU that have not begun, this round's included
  bool full = false;              ///< as many as there may be: nobody goes before them
};

/// An option of a policy: a whole number, given by --set or `musctl policy use --set`.
struct PolicyOption {
  std::string_view name;  ///< with its unit, such as "slice-us"
  std::string_view help;
  std::uint64_t least, most, usual;
};

/// What a policy is made with.
struct PolicyConfig {
  struct Setting {
    std::string_view name;
    std::uint64_t value;
  };
  Duration slice = 4ms;
  std::uint32_t online = 1;        ///< CPUs on line
  std::uint32_t tasks = 32768;     ///< that there may be at once, or twice those that there are: a policy takes what it needs for them when it is made, and more when more come
  std::uint32_t cgroups = 4096;    ///< the same
  std::vector<Setting> settings;   ///< options that were given, checked against those of the registry

  [[nodiscard]] std::uint64_t get(std::string_view name, std::uint64_t usual) const {
    for (const Setting& setting : settings)
      if (setting.name == name) return setting.value;
    return usual;
  }
};

/// What a policy promises to a cgroup now: told to people, and kept by the kernel half when userspace is away.
struct Promise {
  double share = -1;      ///< fraction of the machine, 0..1, for it and all below; negative: the policy does not say
  double own_share = -1;  ///< the part of that for the tasks directly in it
  Duration lag{};         ///< CPU time that it is owed, within its parent, against that
};

enum class Change : std::uint8_t { kWeight, kAffinity, kCgroup };
enum class CgroupChange : std::uint8_t { kAdded, kWeight, kRemoved };

/// A scheduling policy: decides which runnable task runs next. Derive, implement three of the callbacks, add
/// it to userspace/policies/registry.cc; docs/adding_a_policy.md walks through `fifo`.
/// Units:   Duration and Time are nanoseconds; weights 1..10000.
/// Threads: every callback comes from the scheduler thread, never two at a time.
/// Errors:  none are reported; a callback must not throw, block, allocate or make a system call. One that throws, or
///          decides nonsense again and again, is replaced by the policy before it.
/// Cost:    O(log n) in the number of runnable tasks is expected of each.
class Policy {
 public:
  virtual ~Policy() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;

  /// MUS_EVENT_BIT()s of the optional events: SLEEP, REPORT, WEIGHT, AFFINITY, CGROUP; RUNNING: a task that uses up its
  /// slices is runnable again as soon as it begins to run (Task::running), so that it can be decided to go on.
  [[nodiscard]] virtual std::uint32_t wanted_events() const { return 0; }

  /// `task` is runnable and waits for this policy to decide on it. `woke`: it slept before; else its slice ended, or
  /// has begun. It is not with the policy now.
  virtual void task_runnable(Task& task, bool woke, Time now) = 0;

  /// `task` no longer waits, or no longer runs: it sleeps, has exited, or is about to be announced again.
  /// Called whether or not the policy has it (task.state is still as before the call).
  virtual void task_stopped(Task& task, Time now) = 0;

  /// Decides on one waiting task, the best one, and forgets it. False: none is left that has room.
  [[nodiscard]] virtual bool decide(const Room& room, Decision& decision, Time now) = 0;

  /// The same when enough is decided for any CPU: on the best one if that is for one CPU, which has room, or, unless that
  /// is `full`, goes before what is decided (Decision::early). False: it is not.
  /// Without this, a task that may run on one CPU alone, or should go first, waits until the others' queue is short.
  [[nodiscard]] virtual bool decide_pinned(const Room& room, Decision& decision, Time now) {
    return (void)room, (void)decision, (void)now, false;
  }

  /// `task` used `ran` of CPU time since the last call. Comes before task_runnable and task_stopped.
  virtual void task_ran(Task& task, Duration ran, Time now) { (void)task, (void)ran, (void)now; }

  /// The standing order for `task`, asked for with each decision on it and each REPORT about it.
  [[nodiscard]] virtual StandingOrder standing_order(Task& task, Time now) { return (void)task, (void)now, StandingOrder{}; }

  /// Something about `task` changed; the new value is in it already. kCgroup: `from` is where it was.
  virtual void task_changed(Task& task, Change change, Cgroup* from, Time now) {
    (void)task, (void)change, (void)from, (void)now;
  }

  /// A cgroup came, went, or has another weight().
  virtual void cgroup_changed(Cgroup& cgroup, CgroupChange change, Time now) {
    (void)cgroup, (void)change, (void)now;
  }

  /// What `cgroup` is entitled to now. Zero while nothing in it is runnable.
  [[nodiscard]] virtual Promise promise(const Cgroup& cgroup) { return (void)cgroup, Promise{}; }
};

}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace mus::model {

using u8 = std::uint8_t;

inline constexpr int kTasks = 3;
inline constexpr int kCpus = 2;
inline constexpr int kEventRoom = 3;     ///< most that the event ring can hold in any scenario
inline constexpr int kDecisionRoom = 2;  ///< the same of the decision ring

/// Where the kernel has a task. A task is on one queue at most: this is one value, and who moves it checks it first.
enum class Where : u8 {
  kAsleep,
  kGone,      ///< exited; its pid may come back
  kEntering,  ///< ops.enqueue (or select_cpu) runs: it is on no queue until that has returned
  kHeld,
  kShared,
  kOwn0,  ///< run queue of CPU 0
  kOwn1,
  kLocal0,  ///< the kernel's own queue of CPU 0
  kLocal1,
  kOn0,  ///< runs on CPU 0
  kOn1,
};

/// enum mus_state of bpf/state.bpf.h, without KERNEL.
enum class At : u8 { kNone, kHeld, kQueued, kResumed, kLocal, kRunning };

/// place_t of bpf/state.bpf.h: the one word. `cpu`: 0 none, else 1 + number. `moved`: commit has written it.
struct Place {
  At at = At::kNone;
  u8 cpu = 0;
  u8 moved = 0;
  bool operator==(const Place&) const = default;
};

/// How far ops.enqueue (or what the kernel does around it) has come with a task.
enum class Enter : u8 {
  kNo,
  kBegins,      ///< place and generation are to be changed
  kLooksAhead,  ///< take_ahead(), after the change of place
  kPosts,       ///< the RUNNABLE event
  kInserts,     ///< ops.enqueue has returned: the kernel puts it on `to`
  kLate,        ///< mutation: the place is written only after the insertion
};

struct Task {
  Where where = Where::kAsleep;
  Place place;
  u8 cpu = 0;      ///< scx_bpf_task_cpu()
  u8 allowed = 3;  ///< a bit for each CPU
  u8 pos = 0;      ///< position on its queue, held or local: first in, first out
  u8 order = 0;    ///< order on a run queue; 0: resumed
  // struct task_ctx
  u8 generation = 0;
  u8 announced = 0;
  u8 ahead = 0;
  u8 ahead_known = 0;  ///< t->resyncs == shared.resyncs
  u8 is_long = 0;
  u8 slice_left = 0;
  u8 next = 0;         ///< next_slice_ns != 0
  u8 next_target = 0;  ///< 0: any, else 1 + CPU
  u8 next_order = 0;
  u8 overdue = 0;  ///< the rescue bound has passed
  // ops.enqueue under way
  Enter enter = Enter::kNo;
  Where to = Where::kAsleep;
  u8 known_ahead = 0;  ///< what enqueue_held() has read
  u8 wakes = 0;        ///< an idle CPU is told, since the task came to its run queue by a wakeup or a change
  // counts that go with an exchange of the place and have not been written yet
  Place owed_from, owed_to;
};

struct Event {
  enum Kind : u8 { kNone, kRunnable, kRunning, kSleep, kExit, kRefused };
  u8 kind = 0, task = 0, generation = 0, resync = 0, stale = 0;
};

struct Decision {
  u8 task = 0, generation = 0, target = 0, order = 0;
  u8 busy = 0;   ///< the writer was killed between reserving and submitting it
  u8 stale = 0;  ///< ghost: the task has been held or announced anew since the event that it answers
};

/// Where a CPU is in its scheduling.
enum class Cpu : u8 {
  kIdle,
  kRuns,
  kDispatch,   ///< ops.dispatch: rescue, run queues
  kPulls,      ///< rescue or hand back: the place was changed, the move comes next
  kDrains,     ///< ops.dispatch drains the decision ring
  kDispatch2,  ///< after the drain: run queues again, stealing
  kHeld,       ///< the hold bound
  kGoesIdle,   ///< nothing to run; still not marked idle
  kSwitches,   ///< something is on its own queue, and the former task is being put
  kAnnounces,  ///< announce_ahead(): generation and event
  kFlags,      ///< announce_ahead(): the flag, where that comes last
  kOffline,
};

struct CpuState {
  Cpu at = Cpu::kIdle;
  u8 runs = 0;      ///< 1 + task, 0: none
  u8 over = 0;      ///< what runs there is to be asked for its CPU
  u8 kick = 0;      ///< kicked while it schedules: 1 if idle, 2 preempt
  u8 idle = 1;      ///< in the kernel's mask of idle CPUs
  u8 starved = 0;   ///< starved_since_ns: 0, 1 set, 2 the hold bound has passed
  u8 useless = 0;   ///< useless_until_ns is ahead
  u8 leaving = 0;   ///< not active: on its way off line
  u8 keeps = 0;     ///< continue_decided(): the task that runs goes on
  u8 pulled = 0;    ///< 1 + task
  Place pulled_from;
  u8 pulled_to = 0;     ///< CPU
  u8 pulled_newer = 0;  ///< it was queued again after the iteration began
};

/// drain_decisions(): one at a time.
struct Drain {
  enum At : u8 { kChecks, kStores, kLooksAgain, kIterates, kChanges, kMutantIterates, kMoves, kFailed, kRefuses, kWritesBack };
  u8 owner = 0;  ///< 0 nobody, 1 + CPU, 1 + kCpus the commit program
  u8 at = kChecks;
  Decision decision;
  u8 newer = 0;  ///< the task came on a queue after the iterator was made
  u8 left = 0;   ///< decisions that are still to be taken: those that were there when it began
  u8 owes = 0;   ///< a count is still to be written: 1 held -> queued, 2 back
  u8 flags = 0;  ///< mutation: what was read of the task's flags
};

enum class Daemon : u8 {
  kWaits,
  kIterates,   ///< the resync program, one task a time
  kPosts,      ///< it has found the task held
  kDecides,
  kCommits,
  kDead,
  kAdopts,     ///< a new process: the event ring is skipped
  kRepairs,    ///< and the decision ring emptied
};

struct View {
  enum State : u8 { kAway, kWaiting, kDecided };
  u8 state = kAway, generation = 0, stale = 0;
};

/// Everything that two of the actors share, and where each of them is.
struct State {
  std::array<Task, kTasks> tasks;
  std::array<CpuState, kCpus> cpus;
  Drain drain;
  std::array<Event, kEventRoom> events;
  u8 event_count = 0;
  std::array<Decision, kDecisionRoom> decisions;
  u8 decision_count = 0;
  Daemon daemon = Daemon::kDead;
  u8 wrote = 0;          ///< decisions since the last commit
  u8 resync_left = 0;    ///< tasks that the resync program has still to look at, a bit each
  u8 resync_task = 0;
  u8 resync_again = 0;   ///< it is to run once more, when those are on their queues that were on their way there
  u8 resync_missed = 0;  ///< ghost: who they are
  std::array<View, kTasks> view;
  // mus_shared
  u8 asked = 0;  ///< asked_ns: 0, 1 set, 2 the stall bound has passed
  u8 resync_wanted = 0;
  u8 hold_armed = 0;
  std::int8_t held = 0, shared = 0;
  std::int8_t in_turn = 0;  ///< mus_shard.in_turn_count: on the shared run queue, and not by decision
  std::array<std::int8_t, kCpus> queued{}, resumed{}, local{}, running{};
  // how often the scenario may still do what it does a bounded number of times
  u8 sleeps_left = 0, wakes_left = 0, changes_left = 0, kills_left = 0, exits_left = 0, offlines_left = 0;
  u8 lossy = 0;  ///< an event was lost, or the daemon replaced: what userspace believes may lag behind
  u8 error = 0;  ///< enum Error, found while a step was made
};

/// What makes states alike that differ in nothing that matters.
struct Alike {
  bool any = false;    ///< userspace remembers nothing: of a generation matters only whether it is the present one
  bool stale = false;  ///< all decisions that are out of date are alike
  bool clock = false;  ///< while userspace lives, its bounds may pass at any time: what they count from does not matter
  bool tasks = false;  ///< tasks 1 and 2 are
};
/// Generations and orders only matter by comparison: they are numbered anew, without gaps. Fields that mean nothing
/// are cleared.
void canonicalize(State& state, const Alike& alike);

/// Whether a decision on the task's present generation may ever do something: before it is held again its generation rises.
[[nodiscard]] bool decidable(const State& state, int task);

/// A state, packed. Equal states have equal keys.
struct Key {
  std::array<std::uint64_t, 6> words{};
  bool operator==(const Key&) const = default;
};
[[nodiscard]] Key pack(const State& state);
[[nodiscard]] State unpack(const Key& key);

// ---- small helpers

inline Where own_queue_of(int cpu) { return cpu ? Where::kOwn1 : Where::kOwn0; }
inline Where local_queue_of(int cpu) { return cpu ? Where::kLocal1 : Where::kLocal0; }
inline Where on(int cpu) { return cpu ? Where::kOn1 : Where::kOn0; }
inline bool is_on_cpu(Where w) { return w == Where::kOn0 || w == Where::kOn1; }
inline bool is_local(Where w) { return w == Where::kLocal0 || w == Where::kLocal1; }
inline bool is_run_queue(Where w) { return w == Where::kShared || w == Where::kOwn0 || w == Where::kOwn1; }
inline bool on_queue(Where w) { return w == Where::kHeld || is_run_queue(w); }
inline bool exists(const Task& t) { return t.where != Where::kGone; }
inline bool runnable(const Task& t) { return t.where != Where::kAsleep && t.where != Where::kGone; }
inline bool may_run(const Task& t, int cpu) { return t.allowed >> cpu & 1; }

}  // namespace mus::model

// SPDX-License-Identifier: GPL-2.0-only
// What is searched, and what must hold in every state.
#include "scenario.h"

#include <algorithm>

namespace mus::model {

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = {
      // Whatever userspace does, until it is killed: safety always, and afterwards everybody runs.
      {.name = "decisions", .about = "spinning tasks, two decisions in the ring", .any_userspace = true, .alike = true, .kills = 1},
      {.name = "targets", .about = "decisions name CPUs", .decision_room = 1, .any_userspace = true, .alike = true,
       .own_targets = true, .kills = 1},
      {.name = "counts", .about = "a place and its counts are written one by one", .decision_room = 1, .any_userspace = true,
       .alike = true, .split_counts = true, .kills = 1},
      {.name = "pinned", .about = "task 0 may run on CPU 0 only", .decision_room = 1, .any_userspace = true,
       .own_targets = true, .allowed = {1, 3, 3}, .kills = 1},
      {.name = "ahead", .about = "tasks are decided on while they run; two on CPU 0, one on CPU 1",
       .any_userspace = true, .ahead = true, .allowed = {1, 1, 2}, .kills = 1},
      {.name = "idle", .about = "two tasks, one pinned, sleep and wake: CPUs go idle", .tasks = 2, .decision_room = 1,
       .any_userspace = true, .standing = true, .allowed = {1, 3, 3}, .sleeps = 1, .wakes = 1, .kills = 1, .exits = 1},
      {.name = "sleeps", .about = "sleep, wakeup, exit, a new task with the old pid; two tasks on CPU 0", .tasks = 2,
       .any_userspace = true, .standing = true, .allowed = {1, 1, 1}, .sleeps = 1, .wakes = 2, .kills = 1, .exits = 1},
      {.name = "affinity", .about = "affinity changes at any moment; two tasks", .tasks = 2, .decision_room = 1,
       .any_userspace = true, .own_targets = true, .changes = 1, .kills = 1},
      {.name = "offline", .about = "CPU 1 goes off line and comes back; a task is pinned to each CPU", .decision_room = 1, .any_userspace = true,
       .allowed = {1, 3, 2}, .kills = 1, .offlines = 1},
      {.name = "orphan", .about = "userspace is dead: sleep, wakeups that interrupt", .any_userspace = true, .standing = true,
       .starts_alive = false, .sleeps = 1, .wakes = 1},
      // Userspace lives for ever, and still everybody runs.
      {.name = "lazy", .about = "userspace looks and never decides: the hold bound", .any_userspace = true, .alike = true,
       .decides = 0, .alive_is_fair = true},
      {.name = "forgetful", .about = "userspace always decides on task 1, never on task 0: the rescue bound", .tasks = 2,
       .decision_room = 1, .any_userspace = true, .ahead = true, .allowed = {1, 1, 1}, .rescue = true, .decides = 2,
       .alive_is_fair = true},
      // The daemon with what it remembers: when all is quiet, it knows of every task that is held.
      {.name = "daemon", .about = "three tasks on CPU 0, rings that fill", .decision_room = 1, .allowed = {1, 1, 1}},
      {.name = "daemon-2", .about = "two tasks on CPU 0, one on CPU 1, rings that fill", .decision_room = 1,
       .allowed = {1, 1, 2}},
      {.name = "daemon-sleeps", .about = "two tasks on CPU 0 that sleep and wake", .tasks = 2, .event_room = 3,
       .allowed = {1, 1, 1}, .sleeps = 1, .wakes = 1},
      {.name = "daemon-ahead", .about = "two tasks on CPU 0, decided on while they run", .tasks = 2, .ahead = true,
       .allowed = {1, 1, 1}},
      {.name = "adopts", .about = "killed at any moment, also while it writes; another adopts, and may be killed", .tasks = 2,
       .ahead = true, .allowed = {1, 1, 1}, .kills = 2},
      {.name = "adopts-3", .about = "the same with three tasks, none ahead", .decision_room = 1, .allowed = {1, 1, 1},
       .kills = 2, .large = true},
      // Larger.
      {.name = "ahead-3", .about = "three tasks, decided on while they run", .decision_room = 1, .any_userspace = true,
       .alike = true, .ahead = true, .kills = 1, .large = true},
      {.name = "sleeps-3", .about = "three tasks; sleep, wakeup", .decision_room = 1, .any_userspace = true, .alike = true,
       .sleeps = 1, .wakes = 1, .kills = 1, .large = true},
      {.name = "exits-3", .about = "three tasks, two on CPU 0, one on CPU 1: sleep, wakeups that interrupt, exit, an old pid",
       .decision_room = 1, .any_userspace = true, .standing = true, .allowed = {1, 1, 2}, .sleeps = 1, .wakes = 1,
       .kills = 1, .exits = 1, .large = true},
      {.name = "interrupts-3", .about = "three tasks; wakeups that interrupt", .decision_room = 1, .any_userspace = true,
       .alike = true, .standing = true, .sleeps = 1, .wakes = 1, .kills = 1, .large = true},
      {.name = "affinity-3", .about = "three tasks whose affinity changes", .decision_room = 1, .any_userspace = true,
       .changes = 1, .kills = 1, .large = true},
      {.name = "adopts-sleeps", .about = "adopting while tasks sleep and wake", .tasks = 2, .allowed = {1, 1, 1}, .sleeps = 1,
       .wakes = 1, .kills = 2, .large = true},
      {.name = "daemon-3", .about = "three tasks on two CPUs, rings that fill (not finished at 20 million states)",
       .decision_room = 1, .alike = true, .large = true},
  };
  return all;
}

std::string_view name(Mutation m) {
  switch (m) {
    case Mutation::kNone: return "none";
    case Mutation::kNoGenerationCheck: return "no-generation-check";
    case Mutation::kIteratorLate: return "iterator-late";
    case Mutation::kNoMark: return "no-mark";
    case Mutation::kNoMoveBack: return "no-move-back";
    case Mutation::kPlaceAfterInsert: return "place-after-insert";
    case Mutation::kNoLookAfterStore: return "no-look-after-store";
    case Mutation::kNoResyncAfterLoss: return "no-resync-after-loss";
    case Mutation::kResyncIgnored: return "resync-ignored";
    case Mutation::kResyncOnce: return "resync-once";
    case Mutation::kResyncSkips: return "resync-skips";
    case Mutation::kNoKickBack: return "no-kick-back";
    case Mutation::kUselessStays: return "useless-stays";
    case Mutation::kFlagAfterEvent: return "flag-after-event";
    case Mutation::kPlainFlags: return "plain-flags";
    case Mutation::kNoHoldBound: return "no-hold-bound";
    case Mutation::kNoHoldTimer: return "no-hold-timer";
    case Mutation::kKickOnlyIdle: return "kick-only-idle";
    case Mutation::kNoRescue: return "no-rescue";
    case Mutation::kNoHandBack: return "no-hand-back";
    case Mutation::kGenerationRestarts: return "generation-restarts";
    case Mutation::kBusyNotRepaired: return "busy-not-repaired";
  }
  return "";
}

std::string_view text(Error error) {
  switch (error) {
    case kFine: return "nothing";
    case kStaleMove: return "a decision on an earlier stay on the held queue moved the task";
    case kWrongCpu: return "a task runs on a CPU that it may not run on";
    case kTwoQueues: return "a task was put on a queue while it was on another";
    case kCounts: return "the counters differ from what is there";
    case kPlaces: return "a task's place does not say where it is";
    case kBelief: return "all is quiet, a task is held, and userspace does not know that it waits for a decision";
    case kSleeper: return "all is quiet, and userspace believes a task to be runnable that is not";
    case kBusy: return "a record that nobody will submit blocks the decision ring";
    case kTwoOnCpu: return "two tasks run on one CPU";
  }
  return "";
}

Alike alike(const Scenario& s, Mutation m) {
  return {.any = s.any_userspace,
          .stale = s.any_userspace && m != Mutation::kNoGenerationCheck && m != Mutation::kIteratorLate &&
                   m != Mutation::kGenerationRestarts,
          .clock = !s.alive_is_fair,
          .tasks = s.alike};
}

namespace {

/// The CPUs are busy and the rest is held: where it gets interesting.
void begin_running(State& s, const Scenario& scenario) {
  int cpu = 0;
  for (int task = 0; task < scenario.tasks; ++task) {
    Task& t = s.tasks[task];
    if (cpu < kCpus && may_run(t, cpu)) {
      t.where = on(cpu);
      t.place = {At::kRunning, static_cast<u8>(1 + cpu)};
      t.cpu = static_cast<u8>(cpu);
      t.slice_left = 1;
      s.cpus[cpu].at = Cpu::kRuns;
      s.cpus[cpu].runs = static_cast<u8>(1 + task);
      s.cpus[cpu].idle = 0;
      ++s.running[cpu++];
      continue;
    }
    t.where = Where::kHeld;
    t.cpu = may_run(t, 0) ? 0 : 1;
    t.place = {At::kHeld};
    t.pos = static_cast<u8>(s.held++);
    t.announced = 1;
    s.view[task].state = View::kWaiting;
  }
}

}  // namespace

State initial(const Scenario& scenario) {
  State s;
  s.daemon = !scenario.starts_alive ? Daemon::kDead : scenario.any_userspace ? Daemon::kDecides : Daemon::kWaits;
  s.sleeps_left = static_cast<u8>(scenario.sleeps);
  s.wakes_left = static_cast<u8>(scenario.wakes);
  s.changes_left = static_cast<u8>(scenario.changes);
  s.kills_left = static_cast<u8>(scenario.kills);
  s.exits_left = static_cast<u8>(scenario.exits);
  s.offlines_left = static_cast<u8>(scenario.offlines);
  for (int task = 0; task < kTasks; ++task)
    s.tasks[task].allowed = scenario.allowed[static_cast<unsigned>(task)];
  begin_running(s, scenario);
  canonicalize(s, {});
  return s;
}

namespace {

bool counts_right(const State& s) {
  State want;
  auto add = [&](Place at, int n) {
    auto to = [n](std::int8_t& count) { count = static_cast<std::int8_t>(count + n); };
    switch (at.at) {
      case At::kNone: return;
      case At::kHeld: return to(want.held);
      case At::kQueued: return to(at.cpu ? want.queued[at.cpu - 1u] : want.shared);
      case At::kResumed: return to(at.cpu ? want.resumed[at.cpu - 1u] : want.in_turn);
      case At::kLocal: return to(want.local[at.cpu - 1u]);
      case At::kRunning: return to(want.running[at.cpu - 1u]);
    }
  };
  for (const Task& t : s.tasks) {
    add(t.place, 1);
    add(t.owed_to, -1);
    add(t.owed_from, 1);
  }
  if (s.drain.owes) {
    Place held{At::kHeld}, queued{At::kQueued, s.drain.decision.target};
    add(s.drain.owes == 1 ? held : queued, 1);
    add(s.drain.owes == 1 ? queued : held, -1);
  }
  return s.held == want.held && s.shared == want.shared && s.in_turn == want.in_turn && s.queued == want.queued && s.resumed == want.resumed &&
         s.local == want.local && s.running == want.running;
}

/// Whether a task's place fits the queue that it is on. Who changes the place first and moves the task next is excused.
bool place_right(const State& s, int task) {
  const Task& t = s.tasks[task];
  bool deciding = s.drain.owner && s.drain.decision.task == task;
  bool pulling = std::ranges::any_of(s.cpus, [&](const CpuState& c) { return c.pulled == task + 1; });
  At at = t.place.at;
  switch (t.where) {
    case Where::kAsleep:
    case Where::kGone: return at == At::kNone;
    case Where::kEntering: return true;
    case Where::kHeld: return at == At::kHeld || (deciding && at == At::kQueued) || (pulling && at == At::kLocal);
    case Where::kShared: return ((at == At::kQueued || at == At::kResumed) && !t.place.cpu) || pulling;
    case Where::kOwn0:
    case Where::kOwn1: {
      u8 cpu = t.where == Where::kOwn0 ? 1 : 2;
      return ((at == At::kQueued || at == At::kResumed) && t.place.cpu == cpu) || pulling;
    }
    case Where::kLocal0:
    case Where::kLocal1: return at != At::kNone && at != At::kRunning;
    case Where::kOn0:
    case Where::kOn1: {
      u8 cpu = t.where == Where::kOn0 ? 0 : 1;
      return t.place == Place{At::kRunning, static_cast<u8>(1 + cpu)} && s.cpus[cpu].runs == task + 1;
    }
  }
  return false;
}

/// Nothing is under way between the halves, so what userspace believes can be compared with what is.
bool quiet(const State& s) {
  return s.daemon == Daemon::kWaits && !s.event_count && !s.decision_count && !s.drain.owner && !s.resync_wanted &&
         !s.resync_again;
}

}  // namespace

Error check(const State& s) {
  if (s.error) return static_cast<Error>(s.error);
  if (!counts_right(s)) return kCounts;
  for (int task = 0; task < kTasks; ++task)
    if (s.tasks[task].enter != Enter::kLate && !place_right(s, task)) return kPlaces;
  if (s.daemon == Daemon::kWaits && s.decision_count && s.decisions[0].busy) return kBusy;
  if (!quiet(s)) return kFine;
  for (int task = 0; task < kTasks; ++task) {
    const Task& t = s.tasks[task];
    const View& v = s.view[task];
    bool held = t.where == Where::kHeld && t.place.at == At::kHeld;
    if (held && (v.state != View::kWaiting || v.generation != t.generation)) return kBelief;
    if (!s.lossy && !runnable(t) && v.state != View::kAway) return kSleeper;
  }
  return kFine;
}

}  // namespace mus::model

// SPDX-License-Identifier: GPL-2.0-only
// What comes from outside: time, and what tasks and operators do.
#include "rules.h"

namespace mus::model {
namespace {

Actor nth(Actor first, int n) { return static_cast<Actor>(static_cast<int>(first) + n); }

/// The lock of its run queue is never dropped in the middle of these.
bool between_locks(Cpu at) {
  return at != Cpu::kGoesIdle && at != Cpu::kSwitches && at != Cpu::kAnnounces && at != Cpu::kFlags;
}

}  // namespace

void Rules::time_passes(const State& from) {
  for (int cpu = 0; cpu < kCpus; ++cpu) {
    const CpuState& c = from.cpus[cpu];
    if (c.at == Cpu::kRuns && !c.over && !owes(from, c.runs - 1) && !queue_locked(from, cpu)) {
      State s = from;
      s.tasks[c.runs - 1].slice_left = 0;
      (void)schedule(s, cpu);
      emit(s, nth(Actor::kSlice0, cpu), {"the slice of task %d ends on CPU %d", c.runs - 1, cpu});
    }
    bool clock = !alike_.clock || from.daemon == Daemon::kDead;
    if (c.starved == 1 && clock) {
      State s = from;
      s.cpus[cpu].starved = 2;
      emit(s, nth(Actor::kHold0, cpu), {"the hold bound of CPU %d passes", cpu});
    }
    if (c.useless) {
      State s = from;
      s.cpus[cpu].useless = 0;
      emit(s, nth(Actor::kUseless0, cpu), {"CPU %d may ask again", cpu});
    }
  }
  if (from.asked == 1) {
    State s = from;
    s.asked = 2;
    emit(s, Actor::kStall, {"the stall bound passes"});
  }
  if (from.hold_armed) {
    State s = from;
    bool more = false;
    s.hold_armed = 0;
    for (int cpu = 0; cpu < kCpus; ++cpu) {
      if (!s.cpus[cpu].starved || s.cpus[cpu].at == Cpu::kOffline) continue;
      kick(s, cpu, false);
      more = true;
    }
    s.hold_armed = more && s.held;
    emit(s, Actor::kHoldTimer, {"the hold timer fires"});
  }
  bool rescue = scenario_.rescue && !mutated(Mutation::kNoRescue);
  for (int task = 0; rescue && task < scenario_.tasks; ++task) {
    if (from.tasks[task].where != Where::kHeld || from.tasks[task].overdue) continue;
    State s = from;
    s.tasks[task].overdue = 1;
    emit(s, nth(Actor::kRescue0, task), {"task %d has been held for the rescue bound", task});
  }
}

void Rules::world_acts(const State& from) {
  for (int cpu = 0; cpu < kCpus; ++cpu) {
    const CpuState& c = from.cpus[cpu];
    if (c.at != Cpu::kRuns || queue_locked(from, cpu) || owes(from, c.runs - 1)) continue;
    if (from.sleeps_left) stop(from, cpu, false);
    if (from.exits_left) stop(from, cpu, true);
  }
  for (int task = 0; task < scenario_.tasks; ++task) {
    if (owes(from, task)) continue;
    wake(from, task);
    if (from.changes_left) change_affinity(from, task);
  }
  hotplug(from);
}

// It sleeps or exits: falls_asleep() of run.bpf.h, mus_exit_task.
void Rules::stop(const State& from, int cpu, bool exits) {
  State s = from;
  CpuState& c = s.cpus[cpu];
  int task = c.runs - 1;
  Task& t = s.tasks[task];
  leaves(s, task);
  t.is_long = 0;
  t.slice_left = 0;
  t.where = exits ? Where::kGone : Where::kAsleep;
  bool told = exits ? post(s, Event::kExit, task) : t.announced && post(s, Event::kSleep, task);
  if (told || exits) t.announced = 0;
  --(exits ? s.exits_left : s.sleeps_left);
  c.runs = 0;
  (void)schedule(s, cpu);
  emit(s, Actor::kWorld, {exits ? "task %d exits" : "task %d sleeps", task});
}

// select_cpu(): an idle CPU at once; else where it was before.
void Rules::wake(const State& from, int task) {
  const Task& was = from.tasks[task];
  if (!from.wakes_left || (was.where != Where::kAsleep && was.where != Where::kGone)) return;
  State s = from;
  Task& t = s.tasks[task];
  --s.wakes_left;
  if (t.where == Where::kGone) {  // a new task with the old pid
    if (mutated(Mutation::kGenerationRestarts)) {
      for (int i = 0; i < s.decision_count; ++i)
        if (s.decisions[i].task == task) s.decisions[i].stale = 1;
      if (s.drain.decision.task == task) s.drain.decision.stale = 1;
      for (int i = 0; i < s.decision_count; ++i)  // as far as any decision on the old one
        if (s.decisions[i].task == task && s.decisions[i].generation)
          t.generation = static_cast<u8>(s.decisions[i].generation - 1);
    }
  }
  Place before = t.place;
  int idle = pick_idle(s, t);
  if (idle >= 0) {
    if (queue_locked(s, idle)) return;
    u8 counted = static_cast<u8>(1 + t.cpu);  // the CPU that it was on is the one that is counted
    t.cpu = static_cast<u8>(idle);
    enqueue_begins(s, task, true);
    enter(s, task, {At::kLocal, counted});
    t.to = local_queue_of(idle);
    t.enter = Enter::kInserts;
    t.slice_left = 1;
    return emit(s, Actor::kWorld, {"task %d wakes: CPU %d is idle", task, idle});
  }
  if (s.cpus[t.cpu].at == Cpu::kOffline && t.allowed == 1u << t.cpu) t.allowed = 3;
  if (!may_run(t, t.cpu) || s.cpus[t.cpu].at == Cpu::kOffline) t.cpu = 1 - t.cpu;
  CpuState& c = s.cpus[t.cpu];
  if (queue_locked(s, t.cpu) || !between_locks(c.at)) return;
  State standing = s;
  enqueue_begins(s, task, true);
  emit(s, Actor::kWorld, {"task %d wakes", task});
  if (!scenario_.standing || before.at != At::kNone) return;
  enqueue_begins(standing, task, true);
  Task& urgent = standing.tasks[task];
  enter(standing, task, {At::kLocal, static_cast<u8>(1 + urgent.cpu)});
  urgent.to = local_queue_of(urgent.cpu);
  urgent.enter = Enter::kInserts;
  urgent.slice_left = 1;
  kick(standing, urgent.cpu, true);
  emit(standing, Actor::kWorld, {"task %d wakes by standing order on CPU %d", task, urgent.cpu});
}

// set_cpus_allowed_ptr(): off its queue and on again; for who runs and may go on where it does, ops.running is all that says so.
void Rules::change_affinity(const State& from, int task) {
  for (u8 allowed = 1; allowed <= 3; ++allowed) {
    State s = from;
    Task& t = s.tasks[task];
    if (allowed == t.allowed || t.enter != Enter::kNo || !exists(t)) continue;
    if (queue_locked(s, t.cpu) || !between_locks(s.cpus[t.cpu].at)) return;
    if (s.cpus[1].at == Cpu::kOffline && allowed == 2) continue;
    t.allowed = allowed;
    --s.changes_left;
    Label label{"task %d may run on CPUs of mask %d now", task, allowed};
    if (t.where == Where::kAsleep) {
      emit(s, Actor::kWorld, label);
      continue;
    }
    bool runs = is_on_cpu(t.where), stays = may_run(t, t.cpu);
    if (runs && s.cpus[t.cpu].at != Cpu::kRuns) return;
    if (!runs) take_off(s, task);
    if (runs && !stays) {
      s.cpus[t.cpu].runs = 0;
      (void)schedule(s, t.cpu);
    }
    if (!stays) {
      t.cpu = 1 - t.cpu;
      if (queue_locked(s, t.cpu) || !between_locks(s.cpus[t.cpu].at)) return;
    }
    if (runs && stays)
      run_begins(s, t.cpu, task);
    else
      enqueue_begins(s, task, true);
    emit(s, Actor::kWorld, label);
  }
}

// CPU 1 goes off line: the kernel pushes away what runs there and what is on its own queue, and waits for the rest.
void Rules::hotplug(const State& from) {
  const CpuState& was = from.cpus[1];
  auto push = [&](State& s, int task) {
    Task& t = s.tasks[task];
    if (t.allowed == 2) t.allowed = 3;
    t.cpu = 0;
    t.slice_left = 0;
    enqueue_begins(s, task, true);
  };
  bool can_push = !queue_locked(from, 0) && between_locks(from.cpus[0].at);
  if (from.offlines_left && (was.at == Cpu::kIdle || was.at == Cpu::kRuns) && !queue_locked(from, 1) &&
      (!was.runs || (can_push && !owes(from, was.runs - 1)))) {
    State s = from;
    CpuState& c = s.cpus[1];
    --s.offlines_left;
    if (was.runs) push(s, was.runs - 1);
    c = {};
    c.at = Cpu::kOffline;
    c.idle = 0;
    c.leaving = 1;
    kick(s, 0, false);
    emit(s, Actor::kWorld, {"CPU 1 goes off line"});
  }
  if (was.at != Cpu::kOffline) return;
  bool left = false;
  for (int task = 0; task < scenario_.tasks; ++task) {
    const Task& t = from.tasks[task];
    left |= runnable(t) && t.cpu == 1;
    if (t.where != Where::kLocal1 || t.enter != Enter::kNo) continue;
    State s = from;
    take_off(s, task);
    push(s, task);
    emit(s, Actor::kPush, {"the kernel pushes task %d to CPU 0", task});
  }
  State s = from;
  CpuState& c = s.cpus[1];
  if (was.leaving && !left) {
    c.leaving = 0;
    emit(s, Actor::kPush, {"CPU 1 is off line"});
  } else if (!was.leaving) {
    c = {};
    c.kick = 1;
    emit(s, Actor::kWorld, {"CPU 1 comes back"});
  }
}

}  // namespace mus::model

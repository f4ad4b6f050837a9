// SPDX-License-Identifier: GPL-2.0-only
// A CPU takes its next task: bpf/dispatch.bpf.h, with rescue and hand back, and what the kernel does around it.
#include <climits>

#include "rules.h"

namespace mus::model {
namespace {

Actor cpu_actor(int cpu) { return cpu ? Actor::kCpu1 : Actor::kCpu0; }

/// The first task on `queue` that may run on `cpu` (any: -1); -1: none.
int first_on(const State& s, Where queue, int cpu) {
  int best = -1;
  for (int i = 0; i < kTasks; ++i) {
    const Task& t = s.tasks[i];
    if (t.where != queue || (cpu >= 0 && !may_run(t, cpu))) continue;
    if (best < 0) {
      best = i;
      continue;
    }
    const Task& b = s.tasks[best];
    if (is_run_queue(queue) && t.order != b.order ? t.order < b.order : t.pos < b.pos) best = i;
  }
  return best;
}

int first_order(const State& s, Where queue) {
  int task = first_on(s, queue, -1);
  return task < 0 ? INT_MAX : s.tasks[task].order;
}

bool in_own(const State& s, int cpu) { return s.queued[cpu] + s.resumed[cpu] != 0; }

/// The CPU has what it runs: a kick that came meanwhile counts now.
void settles(CpuState& c) {
  c.at = Cpu::kRuns;
  if (c.kick == 2) c.over = 1;
  c.kick = 0;
}

}  // namespace

// __schedule(): the kernel's own queue first, then ops.dispatch.
Label Rules::schedule(State& s, int cpu) const {
  CpuState& c = s.cpus[cpu];
  c.over = c.kick = c.idle = 0;
  return switches(s, cpu) ? Label{"CPU %d takes from its own queue", cpu} : dispatch(s, cpu);
}

// Something is on the kernel's own queue: what ran is put, which may take some steps.
bool Rules::switches(State& s, int cpu) const {
  CpuState& c = s.cpus[cpu];
  if (first_on(s, local_queue_of(cpu), -1) < 0) return false;
  if (c.runs) enqueue_begins(s, c.runs - 1, false);
  c.runs = 0;
  c.at = Cpu::kSwitches;
  return true;
}

void Rules::cpu_step(const State& from, int cpu) {
  const CpuState& was = from.cpus[cpu];
  if (queue_locked(from, cpu) || was.at == Cpu::kOffline || was.at == Cpu::kDrains) return;
  if (was.at == Cpu::kIdle ? !was.kick : was.at == Cpu::kRuns && !was.over) return;
  State s = from;
  CpuState& c = s.cpus[cpu];
  Label label;
  switch (was.at) {
    case Cpu::kIdle:
    case Cpu::kRuns:
      if (c.runs && owes(s, c.runs - 1)) return;  // time_passes() did not let the slice end
      label = schedule(s, cpu);
      break;
    case Cpu::kDispatch: label = dispatch(s, cpu); break;
    case Cpu::kDispatch2: label = after_drain(s, cpu); break;
    case Cpu::kHeld:
      if (alike_.clock && s.daemon != Daemon::kDead) {
        State late = s;
        label = held(late, cpu, true);
        emit(late, cpu_actor(cpu), label);
      }
      label = held(s, cpu, false);
      break;
    case Cpu::kPulls:
      label = {"CPU %d: task %d is moved, if it is still there", cpu, c.pulled - 1};
      pulled(s, cpu);
      break;
    case Cpu::kGoesIdle:
      c.at = Cpu::kIdle;
      c.idle = 1;
      label = {"CPU %d is idle", cpu};
      break;
    case Cpu::kSwitches: {
      int task = first_on(s, local_queue_of(cpu), -1);
      if (task < 0) {
        label = dispatch(s, cpu);
        break;
      }
      take_off(s, task);
      run_begins(s, cpu, task);
      if (c.at == Cpu::kRuns) settles(c);
      label = {"CPU %d: task %d runs", cpu, task};
      break;
    }
    case Cpu::kAnnounces:
    case Cpu::kFlags:
      announce(s, cpu);
      label = {"CPU %d announces the next slice of task %d", cpu, c.runs - 1};
      break;
    case Cpu::kOffline:
    case Cpu::kDrains: return;
  }
  emit(s, cpu_actor(cpu), label);
}

// announce_ahead() of ahead.bpf.h, in two steps: what the task's context says, and the event.
void Rules::announce(State& s, int cpu) const {
  CpuState& c = s.cpus[cpu];
  int task = c.runs - 1;
  Task& t = s.tasks[task];
  bool late = mutated(Mutation::kFlagAfterEvent);
  if (c.at == Cpu::kAnnounces) {
    raise_generation(s, task);
    t.ahead_known = 1;
    if (!late) t.ahead = 1;
    c.at = Cpu::kFlags;
    if (late && !post(s, Event::kRunning, task)) settles(c);
    return;
  }
  if (late)
    t.ahead = t.ahead_known = 1;
  else if (!post(s, Event::kRunning, task))
    t.ahead = 0;
  settles(c);
}

// Rescue, and the tasks of a CPU that is off line: the place is changed first, the move comes in the next step.
bool Rules::pull(State& s, int cpu) const {
  for (int i = 0; i < kTasks; ++i) {
    Task& t = s.tasks[i];
    bool hand_back = on_queue(t.where) && s.cpus[t.cpu].at == Cpu::kOffline && t.place.at != At::kNone &&
                     !mutated(Mutation::kNoHandBack);
    bool rescue = t.where == Where::kHeld && t.overdue && may_run(t, cpu) && t.place.at == At::kHeld;
    if (!hand_back && !rescue) continue;
    CpuState& c = s.cpus[cpu];
    c.pulled = static_cast<u8>(1 + i);
    c.pulled_from = t.place;
    c.pulled_to = hand_back ? t.cpu : static_cast<u8>(cpu);
    c.pulled_newer = 0;
    c.at = Cpu::kPulls;
    t.place = {At::kLocal, static_cast<u8>(1 + c.pulled_to)};
    count_place(s, c.pulled_from, -1);
    count_place(s, t.place, 1);
    return true;
  }
  return false;
}

void Rules::pulled(State& s, int cpu) const {
  CpuState& c = s.cpus[cpu];
  int task = c.pulled - 1;
  Task& t = s.tasks[task];
  Place local{At::kLocal, static_cast<u8>(1 + c.pulled_to)};
  c.at = Cpu::kDispatch;
  if (on_queue(t.where) && !c.pulled_newer) {
    take_off(s, task);
    t.where = Where::kEntering;
    put(s, task, local_queue_of(c.pulled_to));
    t.cpu = c.pulled_to;
    if (c.pulled_to == cpu) switches(s, cpu);
  } else if (t.place == local) {
    count_place(s, local, -1);
    t.place = c.pulled_from;
    count_place(s, t.place, 1);
  }
  c.pulled = c.pulled_to = c.pulled_newer = 0;
  c.pulled_from = {};
}

bool Rules::move_to_local(State& s, Where queue, int cpu) const {
  int task = first_on(s, queue, cpu);
  if (task < 0) return false;
  take_off(s, task);
  s.tasks[task].where = Where::kEntering;
  put(s, task, local_queue_of(cpu));
  s.tasks[task].cpu = static_cast<u8>(cpu);
  return switches(s, cpu);
}

bool Rules::take_decided(State& s, int cpu) const {
  Where own = own_queue_of(cpu);
  bool any = s.shared + s.in_turn != 0;
  if (in_own(s, cpu) && (!any || first_order(s, own) <= first_order(s, Where::kShared)) && move_to_local(s, own, cpu))
    return true;
  return (any && move_to_local(s, Where::kShared, cpu)) || (in_own(s, cpu) && move_to_local(s, own, cpu));
}

bool Rules::steal(State& s, int cpu) const {
  int other = 1 - cpu;
  return in_own(s, other) && move_to_local(s, own_queue_of(other), cpu);
}

bool Rules::continue_decided(State& s, int cpu) const {
  CpuState& c = s.cpus[cpu];
  if (!c.runs) return false;
  Task& t = s.tasks[c.runs - 1];
  if (!t.next || (t.next_target && t.next_target != cpu + 1) ||
      (in_own(s, cpu) && first_order(s, own_queue_of(cpu)) < t.next_order) ||
      (s.shared + s.in_turn && first_order(s, Where::kShared) < t.next_order))
    return false;
  t.next = 0;
  t.slice_left = 1;
  t.ahead = 0;
  c.starved = 0;
  if (!in_own(s, cpu) && s.shared <= 0 && s.held) wake_userspace(s);
  if (t.is_long && scenario_.ahead)
    c.at = Cpu::kAnnounces;
  else
    settles(c);
  return true;
}

Label Rules::dispatch(State& s, int cpu) const {
  CpuState& c = s.cpus[cpu];
  if (pull(s, cpu)) return {"CPU %d: task %d is overdue, or its CPU is off line", cpu, c.pulled - 1};
  if (continue_decided(s, cpu)) return {"CPU %d: task %d goes on, as decided", cpu, c.runs - 1};
  if (take_decided(s, cpu)) {
    c.starved = 0;
    return {"CPU %d takes from its run queues", cpu};
  }
  c.at = Cpu::kDispatch2;
  if (s.drain.owner || !s.decision_count || s.decisions[0].busy)  // -EBUSY, or nothing to apply
    return {"CPU %d finds nothing decided", cpu};
  drain_begins(s, static_cast<u8>(1 + cpu));
  c.at = Cpu::kDrains;
  return {"CPU %d drains the decision ring", cpu};
}

Label Rules::after_drain(State& s, int cpu) const {
  CpuState& c = s.cpus[cpu];
  if (continue_decided(s, cpu)) return {"CPU %d: task %d goes on, as decided", cpu, c.runs - 1};
  if (take_decided(s, cpu) || steal(s, cpu)) {
    c.starved = 0;
    return {"CPU %d takes from a run queue", cpu};
  }
  c.at = Cpu::kHeld;
  return {"CPU %d has nothing decided to run", cpu};
}

// dispatch() from nothing_decided on, but for stealing.
Label Rules::held(State& s, int cpu, bool late) const {
  CpuState& c = s.cpus[cpu];
  if (s.held && !c.useless) {
    bool stalled = late || s.asked == 2;
    bool bound = c.starved == 2 && !mutated(Mutation::kNoHoldBound);
    if (!stalled && !bound) {
      if (!c.starved) {
        c.starved = 1;
        wake_userspace(s);
      }
      if (c.runs) {
        settles(c);
        return {"CPU %d: task %d goes on until userspace has decided", cpu, c.runs - 1};
      }
      if (!mutated(Mutation::kNoHoldTimer)) s.hold_armed = 1;
      c.at = Cpu::kGoesIdle;
      return {"CPU %d waits for userspace", cpu};
    }
    if (move_to_local(s, Where::kHeld, cpu)) {
      c.starved = 0;
      wake_userspace(s);
      return {"CPU %d takes the head of the held queue", cpu};
    }
    c.useless = 1;
  }
  c.starved = 0;
  if (c.runs) {
    s.tasks[c.runs - 1].slice_left = 1;
    settles(c);
    return {"CPU %d: task %d goes on", cpu, c.runs - 1};
  }
  c.at = Cpu::kGoesIdle;
  return {"CPU %d finds nothing to run", cpu};
}

}  // namespace mus::model

// SPDX-License-Identifier: GPL-2.0-only
// A task enters (bpf/enqueue.bpf.h) and begins to run (bpf/run.bpf.h).
#include "rules.h"

namespace mus::model {
namespace {

Actor queue_actor(int cpu) { return cpu ? Actor::kQueue1 : Actor::kQueue0; }

}  // namespace

void Rules::enqueue_begins(State& s, int task, bool wakes) const {
  Task& t = s.tasks[task];
  t.where = Where::kEntering;
  t.pos = 0;
  t.enter = Enter::kBegins;
  t.wakes = wakes;
}

bool Rules::posts(State& s, int task) const {
  Task& t = s.tasks[task];
  bool posted = post(s, Event::kRunnable, task);
  if (posted && !mutated(Mutation::kPlainFlags)) t.announced = 1;  // nobody looks before it is on its queue
  if (s.shared <= 0) wake_userspace(s);
  t.enter = Enter::kInserts;
  return posted;
}

void Rules::enqueue_step(const State& from, int task) {
  const Task& was = from.tasks[task];
  if (was.enter == Enter::kNo) {
    if (owes(from, task)) {
      State s = from;
      pay(s, task);
      emit(s, queue_actor(was.cpu), {"task %d: counted", task});
    }
    return;
  }
  State s = from;
  Task& t = s.tasks[task];
  Actor actor = queue_actor(t.cpu);
  if (owes(from, task)) {
    pay(s, task);
    return emit(s, actor, {"task %d: counted", task});
  }
  u8 own = static_cast<u8>(1 + t.cpu);
  switch (t.enter) {
    case Enter::kNo: return;
    case Enter::kBegins: {
      if (t.place.at != At::kNone && t.place.at != At::kRunning) leaves(s, task);
      bool ran = t.place.at == At::kRunning;
      if (ran && t.slice_left) {
        t.order = 0;
        t.enter = Enter::kInserts;
        if (t.allowed == 3) {  // by one that keeps this CPU
          State anywhere = s;
          enter(anywhere, task, {At::kResumed});
          anywhere.tasks[task].to = Where::kShared;
          emit(anywhere, actor, {"task %d was interrupted: RESUMED on any CPU", task});
        }
        enter(s, task, {At::kResumed, own});
        t.to = own_queue_of(t.cpu);
        return emit(s, actor, {"task %d was interrupted: RESUMED on CPU %d", task, t.cpu});
      }
      if (ran && scenario_.ahead) t.is_long = 1;
      t.known_ahead = ran && t.ahead && (t.ahead_known || mutated(Mutation::kResyncIgnored));
      if (!t.known_ahead) raise_generation(s, task);
      t.to = Where::kHeld;
      if (mutated(Mutation::kPlaceAfterInsert)) {
        t.enter = Enter::kPosts;
        return emit(s, actor, {"task %d enters; its place is not written yet", task});
      }
      enter(s, task, {At::kHeld});
      if (!mutated(Mutation::kUselessStays)) s.cpus[t.cpu].useless = 0;
      t.enter = Enter::kLooksAhead;
      if (!scenario_.ahead && !scenario_.split_counts) posts(s, task);  // nothing can come between
      return emit(s, actor, {"task %d enters: its place is HELD", task});
    }
    case Enter::kLooksAhead: {
      bool next = t.next;
      t.next = 0;
      if (t.known_ahead && next) {
        enter(s, task, {At::kQueued, t.next_target});
        t.to = t.next_target ? own_queue_of(t.next_target - 1) : Where::kShared;
        t.order = t.next_order;
        t.enter = Enter::kInserts;
        return emit(s, actor, {"task %d was decided on while it ran: QUEUED", task});
      }
      if (!t.known_ahead) t.ahead = 0;
      t.enter = t.known_ahead ? Enter::kInserts : Enter::kPosts;
      return emit(s, actor, {t.known_ahead ? "task %d: userspace knows of it" : "task %d: no decision ahead", task});
    }
    case Enter::kPosts: {
      bool posted = posts(s, task);
      return emit(s, actor, {posted ? "event: task %d RUNNABLE" : "event lost: task %d RUNNABLE", task});
    }
    case Enter::kInserts: {
      bool wakes = t.wakes;
      Where to = t.to;
      if (mutated(Mutation::kPlainFlags)) t.announced = 1;
      put(s, task, to);
      if (mutated(Mutation::kPlaceAfterInsert) && to == Where::kHeld) {
        t.enter = Enter::kLate;
        return emit(s, actor, {"task %d is on its queue", task});
      }
      t.enter = Enter::kNo;
      if (wakes && s.cpus[t.cpu].at == Cpu::kIdle) kick(s, t.cpu, false);
      return emit(s, actor, {"task %d is on its queue", task});
    }
    case Enter::kLate:
      enter(s, task, {At::kHeld});
      t.enter = Enter::kNo;
      return emit(s, actor, {"task %d: its place is HELD", task});
  }
}

// run_begins(): the CPU announces the slice next, if it is worth it.
void Rules::run_begins(State& s, int cpu, int task) const {
  Task& t = s.tasks[task];
  CpuState& c = s.cpus[cpu];
  if (!may_run(t, cpu)) s.error = kWrongCpu;
  if (c.runs && c.runs != task + 1) s.error = kTwoOnCpu;
  Place from = enter(s, task, {At::kRunning, static_cast<u8>(1 + cpu)});
  t.where = on(cpu);
  t.cpu = static_cast<u8>(cpu);
  t.slice_left = 1;
  t.overdue = 0;
  c.runs = static_cast<u8>(1 + task);
  c.over = 0;
  c.starved = 0;
  c.idle = 0;
  c.at = Cpu::kRuns;
  bool decided_or_held = from.at == At::kHeld || from.at == At::kQueued;
  if (!decided_or_held) return;
  bool worth = t.ahead || s.held > 0 || s.shared + s.in_turn > 0 || s.queued[cpu] + s.resumed[cpu] > 0;
  t.ahead = 0;
  if (scenario_.ahead && t.is_long && worth) c.at = Cpu::kAnnounces;
  if (s.queued[cpu] + s.resumed[cpu] <= 0 && s.shared <= 0 && s.held > 0) wake_userspace(s);
}

}  // namespace mus::model

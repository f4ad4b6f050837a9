// SPDX-License-Identifier: GPL-2.0-only
// What the rooms share: bpf/state.bpf.h, bpf/events.bpf.h, and the kernel's queues.
#include <algorithm>
#include <utility>

#include "rules.h"

namespace mus::model {

const std::vector<Successor>& Rules::successors(const State& from) {
  out_.clear();
  for (int task = 0; task < scenario_.tasks; ++task)
    enqueue_step(from, task);
  for (int cpu = 0; cpu < kCpus; ++cpu)
    cpu_step(from, cpu);
  drain_step(from);
  if (scenario_.any_userspace)
    any_userspace(from);
  else
    daemon_step(from);
  time_passes(from);
  world_acts(from);
  return out_;
}

void Rules::emit(State& s, Actor actor, Label label) {
  canonicalize(s, alike_);
  out_.push_back({s, label, actor});
}

// ---- state.bpf.h

void Rules::count_place(State& s, Place at, int n) const {
  auto add = [n](std::int8_t& count) { count = static_cast<std::int8_t>(count + n); };
  switch (at.at) {
    case At::kNone: return;
    case At::kHeld: return add(s.held);
    case At::kQueued: return add(at.cpu ? s.queued[at.cpu - 1u] : s.shared);
    case At::kResumed: return add(at.cpu ? s.resumed[at.cpu - 1u] : s.in_turn);
    case At::kLocal: return add(s.local[at.cpu - 1u]);
    case At::kRunning: return add(s.running[at.cpu - 1u]);
  }
}

Place Rules::enter(State& s, int task, Place to) const {
  Task& t = s.tasks[task];
  Place from = std::exchange(t.place, to);
  if (scenario_.split_counts) {
    t.owed_from = from;
    t.owed_to = to;
  } else {
    count_place(s, from, -1);
    count_place(s, to, 1);
  }
  return from;
}

bool Rules::owes(const State& s, int task) const {
  const Task& t = s.tasks[task];
  return t.owed_from.at != At::kNone || t.owed_to.at != At::kNone;
}

// One count at a time: out of where it was, then into where it is.
void Rules::pay(State& s, int task) const {
  Task& t = s.tasks[task];
  if (t.owed_from.at != At::kNone)
    count_place(s, std::exchange(t.owed_from, {}), -1);
  else
    count_place(s, std::exchange(t.owed_to, {}), 1);
}

// ---- events.bpf.h

void Rules::wake_userspace(State& s) const {
  if (!s.asked) s.asked = 1;
}

bool Rules::post(State& s, u8 kind, int task, bool resync) const {
  if (s.event_count == scenario_.event_room) {
    s.lossy = 1;
    if (!mutated(Mutation::kNoResyncAfterLoss)) s.resync_wanted = 1;
    wake_userspace(s);
    return false;
  }
  if (scenario_.any_userspace) return true;
  Event e{.kind = kind, .task = static_cast<u8>(task), .generation = s.tasks[task].generation, .resync = resync, .stale = 0};
  s.events[s.event_count++] = e;
  return true;
}

// The ghost marks: what was written about an earlier stay on the held queue is out of date from now on.
void Rules::raise_generation(State& s, int task) const {
  ++s.tasks[task].generation;
  for (int i = 0; i < s.event_count; ++i)
    if (s.events[i].task == task) s.events[i].stale = 1;
  for (int i = 0; i < s.decision_count; ++i)
    if (s.decisions[i].task == task) s.decisions[i].stale = 1;
  if (s.drain.decision.task == task) s.drain.decision.stale = 1;
  if (s.view[task].state != View::kAway) s.view[task].stale = 1;
}

// ---- the kernel's queues

// ops.enqueue runs for a task of this CPU: the lock of the CPU's run queue is taken.
bool Rules::queue_locked(const State& s, int cpu) const {
  return std::ranges::any_of(s.tasks, [&](const Task& t) { return t.enter != Enter::kNo && t.cpu == cpu; });
}

void Rules::take_off(State& s, int task) const {
  Task& t = s.tasks[task];
  for (Task& other : s.tasks)
    if (other.where == t.where && other.pos > t.pos) --other.pos;
  s.resync_left &= static_cast<u8>(~(1u << task));
  t.pos = 0;
}

void Rules::put(State& s, int task, Where where) const {
  Task& t = s.tasks[task];
  if (t.where != Where::kEntering) s.error = kTwoQueues;
  u8 pos = 0;
  for (const Task& other : s.tasks)
    pos = static_cast<u8>(pos + (other.where == where));
  t.where = where;
  t.pos = pos;
  s.resync_missed &= static_cast<u8>(~(1u << task));
  if (s.drain.decision.task == task && (s.drain.at == Drain::kChanges || s.drain.at == Drain::kMoves)) s.drain.newer = 1;
  for (CpuState& c : s.cpus)
    if (c.pulled == task + 1) c.pulled_newer = 1;
}

// scx_bpf_kick_cpu(): a CPU that schedules right now is told when it has done so.
void Rules::kick(State& s, int cpu, bool preempt) const {
  CpuState& c = s.cpus[cpu];
  if (c.at == Cpu::kOffline) return;
  if (c.at == Cpu::kRuns) {
    if (preempt) c.over = 1;
  } else {
    c.kick = std::max<u8>(c.kick, preempt ? 2 : 1);
  }
}

int Rules::pick_idle(State& s, const Task& t) const {
  for (int cpu = 0; cpu < kCpus; ++cpu) {
    CpuState& c = s.cpus[cpu];
    if (!may_run(t, cpu) || !c.idle || c.leaving || c.at == Cpu::kOffline) continue;
    c.idle = 0;
    return cpu;
  }
  return -1;
}

// leaves() of enqueue.bpf.h.
void Rules::leaves(State& s, int task) const {
  enter(s, task, {});
  s.tasks[task].ahead = 0;
  s.tasks[task].next = 0;
}

}  // namespace mus::model

// SPDX-License-Identifier: GPL-2.0-only
// Userspace: userspace/loop.cc, userspace/core/policy_driver.cc; the resync program of bpf/mus.bpf.c.
#include <algorithm>
#include <bit>

#include "rules.h"

namespace mus::model {

void Rules::on_event(State& s) const {
  Event e = s.events[0];
  std::shift_left(s.events.begin(), s.events.begin() + s.event_count, 1);
  --s.event_count;
  View& v = s.view[e.task];
  switch (e.kind) {
    case Event::kRunnable:
      if (e.resync && v.state == View::kWaiting && v.generation == e.generation) return;
      [[fallthrough]];
    case Event::kRunning: v = {View::kWaiting, e.generation, e.stale}; return;
    case Event::kRefused:
      if (v.state == View::kDecided && v.generation == e.generation) v.state = View::kWaiting;
      return;
    default: v = {}; return;
  }
}

// What comes while it drains is as if it had come before.
void Rules::drain_events(State& s) const {
  while (s.event_count)
    on_event(s);
}

void Rules::daemon_step(const State& from) {
  if (from.daemon == Daemon::kDead) return life_and_death(from);
  State s = from;
  switch (from.daemon) {
    case Daemon::kWaits: {
      bool waiting = std::ranges::any_of(s.view, [](const View& v) { return v.state == View::kWaiting; });
      if (!alike_.clock && !s.asked && !s.event_count && !s.resync_wanted && !waiting) break;
      s.asked = 0;
      drain_events(s);
      s.daemon = Daemon::kDecides;
      if (s.resync_wanted || (s.resync_again && !s.resync_missed)) {
        s.resync_again = s.resync_wanted && !mutated(Mutation::kResyncOnce);
        s.resync_wanted = s.resync_missed = 0;
        s.lossy = 1;
        for (int i = 0; i < kTasks; ++i) {
          s.tasks[i].ahead_known = 0;
          if (s.tasks[i].where == Where::kHeld) s.resync_left |= static_cast<u8>(1u << i);
          if (s.tasks[i].where == Where::kEntering && s.resync_again) s.resync_missed |= static_cast<u8>(1u << i);
        }
        s.daemon = Daemon::kIterates;
      }
      emit(s, Actor::kDaemon, {s.daemon == Daemon::kIterates ? "userspace drains; resync begins" : "userspace drains"});
      break;
    }
    case Daemon::kIterates:
    case Daemon::kPosts: iterate(from); break;
    case Daemon::kDecides: decide(from); break;
    case Daemon::kAdopts:
      s.event_count = 0;
      s.daemon = Daemon::kRepairs;
      emit(s, Actor::kDaemon, {"a new process adopts: it skips what is in the event ring"});
      break;
    case Daemon::kRepairs:
      if (!mutated(Mutation::kBusyNotRepaired) || !s.decision_count || !s.decisions[0].busy) s.decision_count = 0;
      s.asked = 0;
      s.resync_wanted = 1;
      s.daemon = Daemon::kWaits;
      emit(s, Actor::kDaemon, {"it empties the decision ring"});
      break;
    default: break;
  }
  life_and_death(from);
}

// mus_resync(): one task at a time.
void Rules::iterate(const State& from) {
  State s = from;
  if (from.daemon == Daemon::kIterates) {
    if (!s.resync_left) {
      s.daemon = Daemon::kDecides;
      drain_events(s);
      return emit(s, Actor::kDaemon, {"resync ends; userspace drains"});
    }
    int task = std::countr_zero(s.resync_left);
    s.resync_left &= static_cast<u8>(~(1u << task));
    At at = s.tasks[task].place.at;
    if (at == At::kHeld || (at == At::kQueued && !mutated(Mutation::kResyncSkips))) {
      s.resync_task = static_cast<u8>(task);
      s.daemon = Daemon::kPosts;
    }
    return emit(s, Actor::kDaemon, {"resync looks at task %d", task});
  }
  int task = s.resync_task;
  s.tasks[task].announced = 1;
  s.resync_task = 0;
  s.daemon = Daemon::kIterates;
  if (!post(s, Event::kRunnable, task, true)) s.resync_left = 0;
  emit(s, Actor::kDaemon, {"resync: task %d RUNNABLE", task});
}

State Rules::written(const State& from, int task, u8 target, u8 generation, u8 stale) const {
  State s = from;
  u8 order = s.drain.decision.order;
  for (const Task& t : s.tasks)
    order = std::max({order, t.next_order, t.order});
  for (int i = 0; i < s.decision_count; ++i)
    order = std::max(order, s.decisions[i].order);
  s.decisions[s.decision_count++] = {static_cast<u8>(task), generation, target, static_cast<u8>(order + 1), 0, stale};
  return s;
}

// PolicyDriver::decide(), as any policy may: whom, where to, and how many of those that wait.
void Rules::decide(const State& from) {
  bool room = from.decision_count < scenario_.decision_room;
  for (int task = 0; room && task < scenario_.tasks; ++task) {
    const View& v = from.view[task];
    if (v.state != View::kWaiting || !(scenario_.decides >> task & 1)) continue;
    for (u8 target = 0; target <= (scenario_.own_targets ? kCpus : 0); ++target) {
      State s = written(from, task, target, v.generation, v.stale);
      s.wrote = 1;
      s.view[task].state = View::kDecided;
      emit(s, Actor::kDaemon, {target ? "userspace decides: task %d, CPU %d" : "userspace decides: task %d", task, target - 1});
    }
  }
  State s = from;
  if (!s.wrote || s.drain.owner) {  // nothing written; or -EBUSY
    s.wrote = 0;
    s.daemon = Daemon::kWaits;
    return emit(s, Actor::kDaemon, {"userspace ends its pass"});
  }
  s.wrote = 0;
  s.daemon = Daemon::kCommits;
  drain_begins(s, 1 + kCpus);
  emit(s, Actor::kDaemon, {"userspace runs the commit program"});
}

void Rules::any_userspace(const State& from) {
  if (scenario_.ring_fills) {
    State s = from;
    s.event_count = s.event_count ? 0 : static_cast<u8>(scenario_.event_room);
    emit(s, Actor::kWorld, {s.event_count ? "the event ring is full" : "the event ring is read"});
  }
  if (from.daemon != Daemon::kDecides) return;
  if (from.asked) {
    State s = from;
    s.asked = 0;
    emit(s, Actor::kDaemon, {"userspace looks"});
  }
  bool room = from.decision_count < scenario_.decision_room;
  for (int task = 0; room && task < scenario_.tasks; ++task) {
    if (!decidable(from, task)) continue;
    for (u8 target = 0; scenario_.decides >> task & 1 && target <= (scenario_.own_targets ? kCpus : 0); ++target) {
      State s = written(from, task, target, from.tasks[task].generation, 0);
      emit(s, Actor::kDaemon, {target ? "userspace decides: task %d, CPU %d" : "userspace decides: task %d", task, target - 1});
    }
  }
  if (from.decision_count && !from.drain.owner && !from.decisions[0].busy) {
    State s = from;
    s.daemon = Daemon::kCommits;
    drain_begins(s, 1 + kCpus);
    emit(s, Actor::kDaemon, {"userspace runs the commit program"});
  }
  if (from.kills_left) kill(from, {"userspace is killed"});
}

void Rules::kill(State s, Label label) {
  --s.kills_left;
  s.lossy = 1;
  s.daemon = Daemon::kDead;
  s.wrote = 0;
  s.view = {};
  s.resync_again = s.resync_missed = 0;
  emit(s, Actor::kWorld, label);
}

// Killed anywhere but inside a program, which the kernel finishes; a new process, while one may be killed still.
void Rules::life_and_death(const State& from) {
  if (!from.kills_left) return;
  State s = from;
  switch (from.daemon) {
    case Daemon::kDead:
      s.daemon = Daemon::kAdopts;
      return emit(s, Actor::kWorld, {"a new process starts"});
    case Daemon::kCommits:
    case Daemon::kIterates:
    case Daemon::kPosts: return;
    case Daemon::kDecides:
      if (s.decision_count < scenario_.decision_room) {
        State busy = from;
        busy.decisions[busy.decision_count++] = {.busy = 1};
        kill(busy, {"userspace is killed while it writes a decision"});
      }
      [[fallthrough]];
    default: kill(s, {"userspace is killed"});
  }
}

}  // namespace mus::model

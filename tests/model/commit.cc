// SPDX-License-Identifier: GPL-2.0-only
// A decision is applied: bpf/commit.bpf.h and decide_ahead() of bpf/ahead.bpf.h. One at a time drains the ring.
#include <algorithm>

#include "rules.h"

namespace mus::model {
namespace {

bool in_slice(const Task& t) { return t.place.at == At::kRunning || t.place.at == At::kResumed; }

}  // namespace

void Rules::drain_begins(State& s, u8 owner) const {
  s.drain = {};
  s.drain.owner = owner;
  s.drain.left = s.decision_count;
  next_decision(s);
}

// The last decision is done with: the next one, or the end.
void Rules::next_decision(State& s) const {
  Drain& d = s.drain;
  u8 owner = d.owner, left = d.left;
  d = {};
  if (left && s.decision_count && !s.decisions[0].busy) {
    d.owner = owner;
    d.left = static_cast<u8>(left - 1);
    d.decision = s.decisions[0];
    std::shift_left(s.decisions.begin(), s.decisions.begin() + s.decision_count, 1);
    --s.decision_count;
  } else if (owner <= kCpus) {
    s.cpus[owner - 1].at = Cpu::kDispatch2;
  } else {
    s.daemon = scenario_.any_userspace ? Daemon::kDecides : Daemon::kWaits;
  }
}

// apply_to(), up to the point where something is written.
Label Rules::checks(State& s) const {
  Drain& d = s.drain;
  int task = d.decision.task, target = d.decision.target;
  const Task& t = s.tasks[task];
  bool right = t.generation == d.decision.generation || mutated(Mutation::kNoGenerationCheck);
  bool ahead = t.ahead && in_slice(t);
  if (!exists(t)) {
    next_decision(s);
    return {"decision on task %d: no such pid", task};
  }
  if (!right || (!ahead && t.place.at != At::kHeld)) {
    next_decision(s);
    return {"decision on task %d: stale", task};
  }
  if (target && (!may_run(t, target - 1) || s.cpus[target - 1].at == Cpu::kOffline)) {
    d.at = Drain::kRefuses;
    return {"decision on task %d: bad CPU %d", task, target - 1};
  }
  if (ahead) {
    d.at = Drain::kStores;
    return {"decision on task %d, which runs", task};
  }
  iterates(s);  // nothing is written yet: all that was read may have been read now
  return {"decision on task %d: there is an iterator, and it is held", task};
}

void Rules::iterates(State& s) const {
  s.drain.at = Drain::kChanges;
  s.drain.newer = 0;
}

// move_decided(): the iterator, the generation, the place, the move; each may fail.
Label Rules::moves(State& s) const {
  Drain& d = s.drain;
  int task = d.decision.task;
  Task& t = s.tasks[task];
  Place queued{At::kQueued, d.decision.target, !mutated(Mutation::kNoMark)};
  switch (d.at) {
    case Drain::kIterates:
      iterates(s);
      if (t.generation == d.decision.generation || mutated(Mutation::kNoGenerationCheck) || mutated(Mutation::kIteratorLate))
        return {"decision: there is an iterator, and task %d is the same", task};
      next_decision(s);
      return {"decision on task %d: stale", task};
    case Drain::kChanges:
      if (t.place.at != At::kHeld) {
        next_decision(s);
        return {"decision on task %d: stale", task};
      }
      t.place = queued;
      d.owes = 1;
      d.at = mutated(Mutation::kIteratorLate) ? Drain::kMutantIterates : Drain::kMoves;
      return {"decision: the place of task %d is QUEUED", task};
    case Drain::kMutantIterates:
      d.newer = 0;
      d.at = Drain::kMoves;
      return {"decision on task %d: an iterator over the held queue", task};
    case Drain::kMoves:
      if (t.where != Where::kHeld || d.newer) {
        d.at = Drain::kFailed;
        return {"decision: task %d is not on the held queue", task};
      }
      if (d.decision.stale) s.error = kStaleMove;
      take_off(s, task);
      t.where = Where::kEntering;
      t.order = d.decision.order;
      put(s, task, queued.cpu ? own_queue_of(queued.cpu - 1) : Where::kShared);
      kick_for(s);
      next_decision(s);
      return {"decision: task %d is moved, and a CPU is told", task};
    default:  // kFailed
      d.at = Drain::kRefuses;
      if (mutated(Mutation::kNoMoveBack)) return {"decision on task %d: not yet", task};
      if (t.place != queued) {
        next_decision(s);
        return {"decision on task %d: stale, it was taken", task};
      }
      t.place = {At::kHeld};
      d.owes = 2;
      if (!mutated(Mutation::kNoKickBack)) kick(s, t.cpu, false);
      return {"decision on task %d: not yet, its place is HELD again", task};
  }
}

void Rules::kick_for(State& s) const {
  const Decision& d = s.drain.decision;
  Task& t = s.tasks[d.task];
  if (d.target) return kick(s, d.target - 1, s.cpus[d.target - 1].starved);
  int cpu = pick_idle(s, t);
  if (cpu >= 0) return kick(s, cpu, false);
  // A starved CPU is interrupted too. That is as if its slice, or the hold bound, had just ended.
  if (!mutated(Mutation::kKickOnlyIdle)) kick(s, t.cpu, false);
}

// The counts that go with a place that commit has changed.
void Rules::pay_drain(State& s) const {
  Drain& d = s.drain;
  if (!d.owes) return;
  Place held{At::kHeld}, queued{At::kQueued, d.decision.target};
  count_place(s, d.owes == 1 ? held : queued, -1);
  count_place(s, d.owes == 1 ? queued : held, 1);
  d.owes = 0;
}

void Rules::drain_step(const State& from) {
  if (!from.drain.owner) return;
  State s = from;
  Drain& d = s.drain;
  int task = d.decision.task;
  Task& t = s.tasks[task];
  Actor actor = d.owner > kCpus ? Actor::kDaemon : d.owner == 1 ? Actor::kCpu0 : Actor::kCpu1;
  if (d.owes) {
    pay_drain(s);
    return emit(s, actor, {"decision on task %d: counted", task});
  }
  Label label;
  switch (d.at) {
    case Drain::kChecks: label = checks(s); break;
    case Drain::kStores:
      t.next = 1;
      t.next_target = d.decision.target;
      t.next_order = d.decision.order;
      d.at = Drain::kLooksAgain;
      label = {"decision on task %d: stored for its next slice", task};
      break;
    case Drain::kLooksAgain:
      label = {"decision on task %d: in time", task};
      if (in_slice(t) || mutated(Mutation::kNoLookAfterStore) || !t.next) {
        next_decision(s);
        break;
      }
      t.next = 0;
      d.at = Drain::kIterates;
      label = {"decision on task %d: its slice has ended", task};
      break;
    case Drain::kRefuses:
      if (t.generation == d.decision.generation) post(s, Event::kRefused, task);
      wake_userspace(s);
      label = {"event: task %d REFUSED", task};
      if (!mutated(Mutation::kPlainFlags)) {
        next_decision(s);
        break;
      }
      d.flags = static_cast<u8>(t.announced | t.ahead << 1 | t.is_long << 2);
      d.at = Drain::kWritesBack;
      break;
    case Drain::kWritesBack:
      t.announced = d.flags & 1;
      t.ahead = d.flags >> 1 & 1;
      t.is_long = d.flags >> 2;
      next_decision(s);
      label = {"the flags of task %d are written back", task};
      break;
    default: label = moves(s); break;
  }
  if (!scenario_.split_counts) pay_drain(s);
  emit(s, actor, label);
}

}  // namespace mus::model

// SPDX-License-Identifier: GPL-2.0-only
#include "state.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace mus::model {
namespace {

/// Numbers anew, in the same order, what `visit` goes over.
template <typename Visit>
void renumber(Visit visit, u8 first) {
  std::uint32_t used = 0;
  visit([&](u8& value) { used |= 1u << value; });
  visit([&](u8& value) { value = static_cast<u8>(first + std::popcount(used & ((1u << value) - 1))); });
}

void renumber_generations(State& s, int task) {
  renumber(
      [&](auto&& number) {
        number(s.tasks[task].generation);
        for (int i = 0; i < s.event_count; ++i)
          if (s.events[i].task == task && s.events[i].kind) number(s.events[i].generation);
        for (int i = 0; i < s.decision_count; ++i)
          if (s.decisions[i].task == task && !s.decisions[i].busy) number(s.decisions[i].generation);
        if (s.drain.owner && s.drain.decision.task == task) number(s.drain.decision.generation);
        if (s.view[task].state != View::kAway) number(s.view[task].generation);
      },
      0);
}

bool has_order(const Task& t) {
  return (is_run_queue(t.where) || (t.enter == Enter::kInserts && is_run_queue(t.to))) && t.order;
}

// 0 an earlier one, 1 the present one, 2 the next.
void compare_generations(State& s, int task) {
  u8 present = std::exchange(s.tasks[task].generation, 1);
  auto compare = [&](Decision& d) {
    if (d.task == task && !d.busy) d.generation = static_cast<u8>(std::clamp(d.generation - present + 1, 0, 2));
  };
  for (int i = 0; i < s.decision_count; ++i)
    compare(s.decisions[i]);
  if (s.drain.owner) compare(s.drain.decision);
}

void renumber_orders(State& s) {
  renumber(
      [&](auto&& number) {
        for (Task& t : s.tasks) {
          if (t.next) number(t.next_order);
          if (has_order(t)) number(t.order);
        }
        for (int i = 0; i < s.decision_count; ++i)
          if (s.decisions[i].order) number(s.decisions[i].order);
        if (s.drain.owner && s.drain.decision.order) number(s.drain.decision.order);
      },
      1);
}

void clear_idle_fields(State& s) {
  for (Task& t : s.tasks) {
    if (!t.next) t.next_target = t.next_order = 0;
    if (!t.ahead) t.ahead_known = 0;
    if (t.enter == Enter::kNo) {
      t.to = Where::kAsleep;
      t.known_ahead = t.wakes = 0;
      if (!is_run_queue(t.where)) t.order = 0;
    }
    if (!on_queue(t.where) && !is_local(t.where)) t.pos = 0;
    if (!is_on_cpu(t.where) && t.where != Where::kEntering) t.slice_left = 0;
  }
  for (int i = s.event_count; i < kEventRoom; ++i)
    s.events[i] = {};
  for (int i = s.decision_count; i < kDecisionRoom; ++i)
    s.decisions[i] = {};
  if (!s.drain.owner) s.drain = {};
  if (s.daemon == Daemon::kDead && !s.kills_left)  // nobody will ever read them
    for (int i = 0; i < s.event_count; ++i)
      s.events[i] = {};
  for (View& v : s.view)
    if (v.state == View::kAway) v = {};
}

bool useless(const State& s, const Decision& d) { return d.stale || !decidable(s, d.task); }

void forget(Decision& d) { d = {.task = 0, .generation = 0, .target = 0, .order = 0, .busy = 0, .stale = 1}; }

std::uint64_t local_key(const Task& t) {
  std::uint64_t key = 0;
  auto add = [&](auto value, int bits) { key = key << bits | static_cast<std::uint64_t>(value); };
  add(t.where, 4), add(t.pos, 2), add(t.place.at, 3), add(t.place.cpu, 2), add(t.place.moved, 1), add(t.enter, 3), add(t.cpu, 1);
  add(t.order, 5), add(t.next, 1), add(t.next_order, 5), add(t.ahead, 1), add(t.allowed, 2), add(t.is_long, 1);
  add(t.overdue, 1), add(t.slice_left, 1);
  return key;
}

void swap_tasks(State& s) {
  std::swap(s.tasks[1], s.tasks[2]);
  std::swap(s.view[1], s.view[2]);
  auto swap = [](u8& task) { task = task == 0 ? 0 : static_cast<u8>(3 - task); };
  auto swap_from_one = [&](u8& task) {
    if (task > 1) task = static_cast<u8>(5 - task);
  };
  auto swap_bits = [](u8& mask) { mask = static_cast<u8>((mask & 1) | (mask >> 1 & 2) | (mask & 2) << 1); };
  for (CpuState& c : s.cpus)
    swap_from_one(c.runs), swap_from_one(c.pulled);
  for (int i = 0; i < s.event_count; ++i)
    swap(s.events[i].task);
  for (int i = 0; i < s.decision_count; ++i)
    swap(s.decisions[i].task);
  if (s.drain.owner) swap(s.drain.decision.task);
  swap(s.resync_task);
  swap_bits(s.resync_left), swap_bits(s.resync_missed);
}

/// One list of all fields, for packing and unpacking alike.
template <typename S, typename F>
void fields(S& s, F&& f) {
  for (auto& t : s.tasks) {
    f(t.where, 4), f(t.place.at, 3), f(t.place.cpu, 2), f(t.place.moved, 1), f(t.cpu, 1), f(t.allowed, 2), f(t.pos, 2), f(t.order, 3);
    f(t.generation, 3), f(t.announced, 1), f(t.ahead, 1), f(t.ahead_known, 1), f(t.is_long, 1), f(t.slice_left, 1);
    f(t.next, 1), f(t.next_target, 2), f(t.next_order, 3), f(t.overdue, 1), f(t.enter, 3), f(t.to, 4);
    f(t.known_ahead, 1), f(t.wakes, 1);
    f(t.owed_from.at, 3), f(t.owed_from.cpu, 2), f(t.owed_to.at, 3), f(t.owed_to.cpu, 2);
  }
  for (auto& c : s.cpus) {
    f(c.at, 4), f(c.runs, 2), f(c.over, 1), f(c.kick, 2), f(c.idle, 1), f(c.starved, 2), f(c.useless, 1);
    f(c.leaving, 1), f(c.keeps, 1), f(c.pulled, 2), f(c.pulled_from.at, 3), f(c.pulled_from.cpu, 2), f(c.pulled_from.moved, 1);
    f(c.pulled_to, 1), f(c.pulled_newer, 1);
  }
  auto decision = [&](auto& d) {
    f(d.task, 2), f(d.generation, 3), f(d.target, 2), f(d.order, 3), f(d.busy, 1), f(d.stale, 1);
  };
  f(s.drain.owner, 2), f(s.drain.at, 4), f(s.drain.newer, 1), f(s.drain.left, 2), f(s.drain.owes, 2), f(s.drain.flags, 3);
  decision(s.drain.decision);
  for (auto& e : s.events)
    f(e.kind, 3), f(e.task, 2), f(e.generation, 3), f(e.resync, 1), f(e.stale, 1);
  for (auto& d : s.decisions)
    decision(d);
  f(s.event_count, 2), f(s.decision_count, 2), f(s.daemon, 4), f(s.wrote, 1);
  f(s.resync_left, 3), f(s.resync_task, 2), f(s.resync_again, 1), f(s.resync_missed, 3);
  for (auto& v : s.view)
    f(v.state, 2), f(v.generation, 3), f(v.stale, 1);
  f(s.asked, 2), f(s.resync_wanted, 1), f(s.hold_armed, 1);
  f(s.held, -3), f(s.shared, -3), f(s.in_turn, -3);
  for (auto* counts : {&s.queued, &s.resumed, &s.local, &s.running})
    for (auto& n : *counts)
      f(n, -3);
  f(s.wakes_left, 2), f(s.changes_left, 2), f(s.kills_left, 2), f(s.exits_left, 2), f(s.offlines_left, 1);
  f(s.sleeps_left, 2), f(s.lossy, 1), f(s.error, 4);
}

}  // namespace

bool decidable(const State& s, int task) {
  const Task& t = s.tasks[task];
  if (t.ahead || t.place.at == At::kHeld) return true;
  bool under_way = s.drain.owner && s.drain.at != Drain::kChecks && s.drain.decision.task == task;
  for (const CpuState& c : s.cpus)
    under_way |= c.pulled == task + 1;
  return under_way;
}

void canonicalize(State& s, const Alike& alike) {
  clear_idle_fields(s);
  for (int task = 0; task < kTasks; ++task) {
    if (alike.any)
      compare_generations(s, task);
    else
      renumber_generations(s, task);
  }
  if (alike.any) {
    s.resync_wanted = s.lossy = 0;
    for (Task& t : s.tasks)
      t.announced = 0;
  }
  if (alike.stale) {
    for (int i = 0; i < s.decision_count; ++i)
      if (useless(s, s.decisions[i])) forget(s.decisions[i]);
    if (s.drain.owner && s.drain.at == Drain::kChecks && useless(s, s.drain.decision)) forget(s.drain.decision);
  }
  if (alike.clock && s.daemon != Daemon::kDead) {
    s.asked = 0;
    for (CpuState& c : s.cpus)
      c.starved = c.starved && (c.at == Cpu::kIdle || c.at == Cpu::kGoesIdle);
  }
  if (alike.tasks && local_key(s.tasks[2]) < local_key(s.tasks[1])) swap_tasks(s);
  renumber_orders(s);
}

// A width below 0: of a number that may be -2 or more (a count that is written late).
Key pack(const State& s) {
  Key key;
  unsigned at = 0;
  fields(s, [&](const auto& field, int width) {
    auto value = static_cast<std::uint64_t>(static_cast<int>(field) + (width < 0 ? 2 : 0));
    unsigned bits = static_cast<unsigned>(width < 0 ? -width : width);
    if (value >> bits) __builtin_trap();  // the field is too narrow: the search would not be exact
    key.words[at / 64] |= value << at % 64;
    if (at % 64 + bits > 64) key.words[at / 64 + 1] |= value >> (64 - at % 64);
    at += bits;
  });
  return key;
}

State unpack(const Key& key) {
  State s;
  unsigned at = 0;
  fields(s, [&]<typename T>(T& field, int width) {
    unsigned bits = static_cast<unsigned>(width < 0 ? -width : width);
    std::uint64_t value = key.words[at / 64] >> at % 64;
    if (at % 64 + bits > 64) value |= key.words[at / 64 + 1] << (64 - at % 64);
    value &= (1u << bits) - 1;
    field = static_cast<T>(static_cast<int>(value) - (width < 0 ? 2 : 0));
    at += bits;
  });
  return s;
}

}  // namespace mus::model

// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <vector>

#include "scenario.h"

namespace mus::model {

/// The steps: one function for each piece of bpf/ (or of the kernel, or of userspace) that is atomic there.
/// docs/model.md has the table of which is which.
/// Threads: one object a thread.
class Rules {
 public:
  Rules(const Scenario& scenario, Mutation mutation)
      : scenario_(scenario), mutation_(mutation), alike_(alike(scenario, mutation)) {}

  /// All that may happen next; valid until the next call.
  const std::vector<Successor>& successors(const State& from);

 private:
  void emit(State& s, Actor actor, Label label);
  [[nodiscard]] bool mutated(Mutation m) const { return mutation_ == m; }

  // kernel.cc: what the rooms share
  void count_place(State& s, Place at, int n) const;
  Place enter(State& s, int task, Place to) const;
  [[nodiscard]] bool owes(const State& s, int task) const;
  void pay(State& s, int task) const;
  [[nodiscard]] bool queue_locked(const State& s, int cpu) const;
  bool post(State& s, u8 kind, int task, bool resync = false) const;
  void wake_userspace(State& s) const;
  void raise_generation(State& s, int task) const;
  void take_off(State& s, int task) const;
  void put(State& s, int task, Where where) const;
  void kick(State& s, int cpu, bool preempt) const;
  [[nodiscard]] int pick_idle(State& s, const Task& t) const;
  void leaves(State& s, int task) const;

  // enqueue.cc
  void enqueue_begins(State& s, int task, bool wakes) const;
  void enqueue_step(const State& from, int task);
  bool posts(State& s, int task) const;
  void run_begins(State& s, int cpu, int task) const;

  // dispatch.cc
  void cpu_step(const State& from, int cpu);
  Label schedule(State& s, int cpu) const;
  Label dispatch(State& s, int cpu) const;
  bool switches(State& s, int cpu) const;
  Label after_drain(State& s, int cpu) const;
  Label held(State& s, int cpu, bool late) const;
  bool pull(State& s, int cpu) const;
  void pulled(State& s, int cpu) const;
  bool continue_decided(State& s, int cpu) const;
  bool take_decided(State& s, int cpu) const;
  bool steal(State& s, int cpu) const;
  bool move_to_local(State& s, Where queue, int cpu) const;
  void announce(State& s, int cpu) const;

  // commit.cc
  void drain_step(const State& from);
  void drain_begins(State& s, u8 owner) const;
  void next_decision(State& s) const;
  void iterates(State& s) const;
  Label checks(State& s) const;
  Label moves(State& s) const;
  void kick_for(State& s) const;
  void pay_drain(State& s) const;

  // daemon.cc
  void daemon_step(const State& from);
  void drain_events(State& s) const;
  void on_event(State& s) const;
  void decide(const State& from);
  void iterate(const State& from);
  void life_and_death(const State& from);
  void any_userspace(const State& from);
  void kill(State s, Label label);
  [[nodiscard]] State written(const State& from, int task, u8 target, u8 generation, u8 stale) const;

  // world.cc
  void time_passes(const State& from);
  void world_acts(const State& from);
  void wake(const State& from, int task);
  void stop(const State& from, int cpu, bool exits);
  void change_affinity(const State& from, int task);
  void hotplug(const State& from);

  const Scenario& scenario_;
  Mutation mutation_;
  Alike alike_;
  std::vector<Successor> out_;
};

}  // namespace mus::model

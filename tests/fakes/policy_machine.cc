// SPDX-License-Identifier: GPL-2.0-only
#include "policy_machine.h"

#include <algorithm>

#include "events.h"

namespace mus::fakes {

PolicyMachine::PolicyMachine(PolicyDriver& driver, unsigned cpus)
    : driver_(driver), running_(cpus, kNobody), views_(cpus, CpuView{.online = true, .queued = 0}) {
  add_cgroup(1, 0, Weight::kDefault);
}

void PolicyMachine::add_cgroup(std::uint64_t id, std::uint64_t parent, std::uint32_t weight) {
  driver_.on_event(cgroup_event(MUS_EVENT_CGROUP_NEW, id, parent, weight));
}

void PolicyMachine::set_cgroup_weight(std::uint64_t id, std::uint32_t weight) {
  driver_.on_event(cgroup_event(MUS_EVENT_CGROUP_WEIGHT, id, 0, weight));
}

int PolicyMachine::spawn(const TaskSpec& spec) {
  std::size_t task = tasks_.size();
  tasks_.push_back({.spec = spec, .work_left = spec.work, .woke = now_});
  announce(task, {}, false);
  return pid_of(task);
}

Duration PolicyMachine::run_time(int pid) const {
  const MachineTask& t = tasks_.at(task_of(pid));
  return t.total + (t.where == Where::kRunning ? now_ - t.began : Duration::zero());
}

void PolicyMachine::post(mus_event_kind kind, std::size_t task, Duration ran, bool woke) {
  const MachineTask& t = tasks_[task];
  mus_event e = task_event(kind, pid_of(task), t.generation, t.spec.cgroup, now_);
  e.weight = t.spec.weight;
  e.allowed_count = static_cast<std::uint32_t>(running_.size());
  e.run_ns = to_ns(ran);
  e.wake_ns = to_ns(t.woke);
  e.sleep_ns = to_ns(t.slept);
  if (woke) e.flags |= MUS_EVENT_WAKEUP;
  driver_.on_event(e);
}

void PolicyMachine::announce(std::size_t task, Duration ran, bool woke) {
  MachineTask& t = tasks_[task];
  t.where = Where::kWaiting;
  ++t.generation;
  post(MUS_EVENT_RUNNABLE, task, ran, woke);
}

// The run on `cpu` has ended: it sleeps, or waits for its next.
void PolicyMachine::stop(std::size_t cpu) {
  std::size_t task = std::exchange(running_[cpu], kNobody);
  MachineTask& t = tasks_[task];
  Duration ran = now_ - t.began;
  bool sleeps = ran >= t.work_left;
  if (sleeps && on_change_) on_change_(pid_of(task), false);
  t.total += ran;
  if (!sleeps) {
    if (t.work_left != Duration::max()) t.work_left -= ran;
    announce(task, ran, false);
    return;
  }
  t.where = Where::kAsleep;
  t.slept = now_;
  t.until = now_ + t.spec.sleep;
  post(MUS_EVENT_SLEEP, task, ran);
}

// Each free CPU asks, one after the other.
void PolicyMachine::fill_cpus() {
  for (std::size_t cpu = 0; cpu < running_.size(); ++cpu) {
    if (running_[cpu] != kNobody) continue;
    // As if the others' queues were full: one decision, no more.
    auto all_but_one = static_cast<std::uint32_t>(running_.size() - 1);
    driver_.decide({.shared = all_but_one, .cpus = views_}, [&](const mus_decision& d) {
      if (!(d.flags & MUS_DECIDE_MOVE)) return true;  // a standing order
      MachineTask& t = tasks_.at(task_of(d.pid));
      if (t.where != Where::kWaiting || running_[cpu] != kNobody) violations_.push_back("pid " + std::to_string(d.pid) + " was decided twice");
      t.where = Where::kRunning;
      t.began = now_;
      t.until = now_ + std::min(Duration{d.slice_ns}, t.work_left);
      running_[cpu] = task_of(d.pid);
      return true;
    });
    if (running_[cpu] == kNobody && std::ranges::any_of(tasks_, [](const MachineTask& t) { return t.where == Where::kWaiting; }))
      violations_.push_back("CPU " + std::to_string(cpu) + " was left idle while tasks waited");
  }
}

Time PolicyMachine::next_moment() const {
  Time next = Time::max();
  for (const MachineTask& t : tasks_)
    if (t.where != Where::kWaiting) next = std::min(next, t.until);
  return next;
}

void PolicyMachine::run_for(Duration time) {
  Time end = now_ + time;
  fill_cpus();
  while (next_moment() <= end) {
    now_ = next_moment();
    for (std::size_t cpu = 0; cpu < running_.size(); ++cpu)
      if (running_[cpu] != kNobody && tasks_[running_[cpu]].until <= now_) stop(cpu);
    for (std::size_t task = 0; task < tasks_.size(); ++task) {
      MachineTask& t = tasks_[task];
      if (t.where != Where::kAsleep || t.until > now_) continue;
      t.work_left = t.spec.work;
      t.woke = now_;
      announce(task, {}, true);
      if (on_change_) on_change_(pid_of(task), true);
    }
    fill_cpus();
  }
  now_ = end;
}

}  // namespace mus::fakes

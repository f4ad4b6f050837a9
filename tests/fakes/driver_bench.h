// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/policy_driver.h"
#include "events.h"

namespace mus::fakes {

/// A policy behind a driver, on one CPU, one decision at a time: what the policy picks is what runs. No kernel, no
/// queues, nothing decided ahead, so that a test sees the policy's order and nothing else.
/// Root cgroup: 1.
template <typename P>
class DriverBench {
 public:
  explicit DriverBench(const PolicyConfig& config = {}, PolicyDriver::Ahead ahead = {.horizon = 0ns, .min_per_cpu = 1, .max_per_cpu = 1})
      : slice(config.slice), policy(config), driver(policy, config, ahead, {.tasks = 256, .cgroups = 64, .cpus = 16}), cpus(config.online) {
    for (CpuView& cpu : cpus) cpu.online = true;
    driver.on_event(cgroup_event(MUS_EVENT_CGROUP_NEW, 1));
  }

  void group(std::uint64_t id, std::uint64_t parent, std::uint32_t weight = Weight::kDefault) {
    driver.on_event(cgroup_event(MUS_EVENT_CGROUP_NEW, id, parent, weight));
  }
  void group_weight(std::uint64_t id, std::uint32_t weight) {
    driver.on_event(cgroup_event(MUS_EVENT_CGROUP_WEIGHT, id, 0, weight));
  }

  /// The task as its events describe it; change it and send() an event to tell the driver.
  mus_event& known(int pid) { return tasks_.at(pid); }
  void send(int pid, mus_event_kind kind, Duration ran = {}, bool woke = false) {
    mus_event e = known(pid);
    e.kind = kind;
    e.flags = woke ? static_cast<std::uint32_t>(MUS_EVENT_WAKEUP) : 0u;
    e.run_ns = to_ns(ran);
    e.now_ns = to_ns(now);
    driver.on_event(e);
  }
  void announce(int pid, Duration ran = {}, bool woke = false) {
    ++known(pid).generation;
    send(pid, MUS_EVENT_RUNNABLE, ran, woke);
  }
  int spawn(std::uint64_t cgroup, std::uint32_t weight = Weight::kDefault, bool woke = false) {
    int pid = next_pid_++;
    mus_event e = task_event(MUS_EVENT_RUNNABLE, pid, 0, cgroup);
    e.weight = weight;
    e.allowed_count = static_cast<std::uint32_t>(cpus.size());
    tasks_[pid] = e;
    announce(pid, {}, woke);
    return pid;
  }
  int spawn_on(std::uint64_t cgroup, int cpu, std::uint32_t weight = Weight::kDefault) {
    int pid = next_pid_++;
    mus_event e = task_event(MUS_EVENT_RUNNABLE, pid, 0, cgroup);
    e.weight = weight;
    e.affinity = MUS_AFFINITY_ONE;
    e.allowed_cpu = e.cpu = cpu;
    tasks_[pid] = e;
    announce(pid);
    return pid;
  }

  /// Who is decided on next; 0: nobody. The record is in `last`.
  int next() {
    last.reset();
    driver.decide({.shared = 0, .cpus = cpus}, [&](const mus_decision& d) { return last = d, true; });
    return last && last->flags & MUS_DECIDE_MOVE ? last->pid : 0;
  }
  /// The decided task runs for its slice and is announced again.
  int turn() {
    int pid = next();
    if (!pid) return 0;
    run(pid, Duration{last->slice_ns});
    return pid;
  }
  void run(int pid, Duration ran) {
    now += ran;
    time[pid] += ran;
    announce(pid, ran);
  }
  void sleep(int pid, Duration ran = {}) {
    now += ran;
    time[pid] += ran;
    known(pid).sleep_ns = to_ns(now);
    send(pid, MUS_EVENT_SLEEP, ran);
  }
  void wake(int pid) {
    known(pid).wake_ns = to_ns(now);
    announce(pid, {}, true);
  }
  void turns(int count) {
    for (int i = 0; i < count; ++i) turn();
  }
  Duration time_of(const std::vector<int>& pids) {
    Duration sum{};
    for (int pid : pids) sum += time[pid];
    return sum;
  }

  Duration slice;
  P policy;
  PolicyDriver driver;
  std::vector<CpuView> cpus;
  std::optional<mus_decision> last;
  std::map<int, Duration> time;
  Time now = Time{1s};

 private:
  std::map<int, mus_event> tasks_;
  int next_pid_ = 100;
};

}  // namespace mus::fakes

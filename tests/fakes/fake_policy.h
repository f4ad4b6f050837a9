// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <mus/policy.h>

namespace mus::fakes {

/// A policy that does as little as it can, writes down what it is told, and answers what the test wants.
class FakePolicy : public Policy {
 public:
  std::vector<std::string> log;       ///< "runnable 7 woke", "stopped 7", "ran 7 1000", "changed 7 weight", ...
  std::deque<Task*> waiting;          ///< first come, first decided
  StandingOrder standing;             ///< for every task
  std::function<void(Decision&)> spoil;  ///< changes each decision before it is handed over
  std::uint64_t decide_calls = 0;
  std::optional<Cpu> pinned;             ///< where those go that are asked for by decide_pinned(); none: it has none

  [[nodiscard]] std::string_view name() const override { return "fake"; }
  [[nodiscard]] std::uint32_t wanted_events() const override { return ~0u; }

  void task_runnable(Task& task, bool woke, Time) override {
    note("runnable", task, woke ? " woke" : "");
    waiting.push_back(&task);
  }
  void task_stopped(Task& task, Time) override {
    note("stopped", task);
    std::erase(waiting, &task);
  }
  [[nodiscard]] bool decide(const Room&, Decision& decision, Time) override {
    ++decide_calls;
    if (waiting.empty()) return false;
    decision.task = waiting.front();
    decision.slice = 1ms;
    waiting.pop_front();
    if (spoil) spoil(decision);
    return true;
  }
  [[nodiscard]] bool decide_pinned(const Room& room, Decision& decision, Time now) override {
    if (!pinned || !decide(room, decision, now)) return false;
    decision.cpu = pinned;
    return true;
  }
  void task_ran(Task& task, Duration ran, Time) override { note("ran", task, " " + std::to_string(ran.count())); }
  [[nodiscard]] StandingOrder standing_order(Task&, Time) override { return standing; }
  void task_changed(Task& task, Change change, Cgroup* from, Time) override {
    static constexpr const char* kNames[] = {" weight", " affinity", " cgroup"};
    std::string what = kNames[static_cast<std::size_t>(change)];
    if (from) what += " from " + std::to_string(raw(from->id));
    note("changed", task, what);
  }
  void cgroup_changed(Cgroup& cgroup, CgroupChange change, Time) override {
    static constexpr const char* kNames[] = {"added", "weight", "removed"};
    log.push_back(std::string(kNames[static_cast<std::size_t>(change)]) + " cgroup " + std::to_string(raw(cgroup.id)));
  }

 private:
  void note(const char* what, const Task& task, const std::string& more = {}) {
    log.push_back(what + (" " + std::to_string(raw(task.pid))) + more);
  }
};

}  // namespace mus::fakes

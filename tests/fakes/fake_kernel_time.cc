// SPDX-License-Identifier: GPL-2.0-only
// The fake kernel's clock: what is due next, and what came of it.
#include <algorithm>

#include "fake_kernel.h"

namespace mus::fakes {
namespace {

constexpr Time kNever = Time::max();
constexpr std::size_t kMaxStepsAtOnce = 100000;

}  // namespace

Time FakeKernel::next_pump() const {
  if (!alive_) return kNever;
  if (asked_ != Time{}) return std::max(now_, asked_ + spec_.answer);
  return held_.empty() ? kNever : std::max(now_, looked_ + spec_.look);
}

Time FakeKernel::next_moment() const {
  Time next = kNever;
  auto at = [&](Time t) { next = std::min(next, t); };
  for (const FakeCpu& c : cpus_) {
    if (const FakeTask* t = c.running) {
      at(now_ + std::min({t->slice_left, t->work_left, t->spec.exit_after - t->total}));
      if (c.preempt_at != Time{}) at(std::max(now_, c.preempt_at));
    } else if (c.starved_since != Time{} && c.online) {
      at(std::max(now_, c.starved_since + spec_.hold));
    }
  }
  for (const auto& [pid, t] : tasks_)
    if (t.where == Where::kAsleep) at(t.wake_at);
  at(next_pump());
  return next;
}

void FakeKernel::advance_to(Time t) {
  Duration passed = t - now_;
  now_ = t;
  for (FakeCpu& c : cpus_) {
    FakeTask* r = c.running;
    if (!r) continue;
    r->used += passed;
    r->total += passed;
    r->slice_left -= passed;
    r->work_left -= r->spec.work == Duration::max() ? Duration::zero() : passed;
    busy_ += passed;
    group_time_[r->spec.cgroup] += passed;
  }
}

void FakeKernel::handle_due() {
  for (FakeCpu& c : cpus_) {
    bool preempt = c.preempt_at != Time{} && c.preempt_at <= now_;
    if (preempt) c.preempt_at = {};
    FakeTask* t = c.running;
    if (!t) {
      if (c.starved_since != Time{} && now_ - c.starved_since >= spec_.hold) reschedule(c, false);
      continue;
    }
    if (t->total >= t->spec.exit_after) {
      fall_asleep(*t, true);
    } else if (t->work_left <= Duration::zero()) {
      fall_asleep(*t, false);
    } else if (t->slice_left <= Duration::zero()) {
      reschedule(c, false);
    } else if (preempt && !urgent(c) && (c.turn_waits == Duration::zero() || waits_for_turn(c))) {
      reschedule(c, true);
      ++counters_.preemptions;
    }
  }
  for (auto& [pid, t] : tasks_)
    if (t.where == Where::kAsleep && t.wake_at <= now_) wake(t, false);
}

void FakeKernel::run_for(Duration time) {
  Time end = now_ + time;
  for (std::size_t steps = 0;;) {
    if (next_pump() <= now_) pump();
    handle_due();
    check();
    Time next = next_moment();
    steps = next > now_ ? 0 : steps + 1;
    if (steps > kMaxStepsAtOnce) {
      violation("time stands still");
      return;
    }
    if (next >= end) break;
    advance_to(next);
  }
  advance_to(end);
}

// ---- what came of it ----------------------------------------------------------------------------------

Duration FakeKernel::group_time(std::uint64_t cgroup) const {
  auto it = group_time_.find(cgroup);
  return it == group_time_.end() ? Duration::zero() : it->second;
}

Duration FakeKernel::longest_wait(int pid) const {
  const FakeTask& t = find(pid);
  bool waits = t.where == Where::kHeld || t.where == Where::kQueued || t.where == Where::kLocal;
  return waits ? std::max(t.longest_wait, now_ - t.runnable_since) : t.longest_wait;
}

std::vector<int> FakeKernel::alive_pids() const {
  std::vector<int> pids;
  for (const auto& [pid, t] : tasks_)
    if (t.where != Where::kGone) pids.push_back(pid);
  return pids;
}

}  // namespace mus::fakes

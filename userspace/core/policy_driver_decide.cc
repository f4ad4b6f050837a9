// SPDX-License-Identifier: GPL-2.0-only
// From the policy's decisions to records.
#include <algorithm>

#include "core/policy_driver.h"

namespace mus {
namespace {

constexpr Duration kFurthest{MUS_ORDER_SPAN_NS};
constexpr std::uint64_t kUrgentOrder = 1;  // as early as the kernel half takes it
constexpr double kMostRate = double{MUS_STANDING_RATE_MAX} / MUS_STANDING_RATE_ONE;
constexpr std::uint32_t kPatience = 64;  // bad decisions in a row before the policy is given up

}  // namespace

bool PolicyDriver::acceptable(const Decision& d) const {
  return d.task && d.task->state == Task::State::kWaiting && d.slice >= Duration{MUS_SLICE_MIN_NS} &&
         d.slice <= Duration{MUS_SLICE_MAX_NS} && (!d.cpu || index(*d.cpu) < cpus_.size());
}

void PolicyDriver::fill_standing(mus_decision& record, Task& task) {
  StandingOrder s;
  ask([&] { s = policy_->standing_order(task, now_); });
  record.flags |= MUS_DECIDE_STANDING;
  if (s.slice <= Duration::zero()) return;
  constexpr Duration kMax{MUS_SLICE_MAX_NS};
  record.standing_slice_ns = to_ns(std::clamp(s.slice, Duration{MUS_SLICE_MIN_NS}, kMax));
  if (s.in_turn) record.standing_flags |= MUS_STANDING_IN_TURN;
  if (s.returns) record.standing_flags |= MUS_STANDING_RETURNS;
  if (s.again) record.standing_flags |= MUS_STANDING_AGAIN;
  record.standing_min_run_ns = to_ns(std::clamp(s.min_run, Duration::zero(), kMax));
  record.standing_budget_ns = to_ns(std::clamp(s.budget, Duration::zero(), kMax));
  record.standing_valid_ns = to_ns(std::clamp(s.valid_for, Duration::zero(), 60 * kMax));
  double rate = s.rate > 0 ? std::min(s.rate, kMostRate) : 0;  // what is not a number is none either
  record.standing_rate = static_cast<std::uint32_t>(rate * MUS_STANDING_RATE_ONE);
}

mus_decision PolicyDriver::to_record(const Decision& d) {
  mus_decision record{};
  record.pid = raw(d.task->pid);
  record.flags = MUS_DECIDE_MOVE;
  record.generation = d.task->generation;
  record.target = d.cpu ? raw(*d.cpu) : MUS_TARGET_ANY;
  record.slice_ns = to_ns(d.slice);
  order_ = std::max(order_ + 1, to_ns(now_));
  record.order = order_ - static_cast<std::uint64_t>(std::clamp(d.early, -kFurthest, kFurthest).count());
  fill_standing(record, *d.task);
  if (d.urgent && record.standing_slice_ns) {
    record.flags |= MUS_DECIDE_URGENT;
    record.order = kUrgentOrder;
  }
  return record;
}

// A CPU whose own task goes on takes nothing of what is decided for any: one more would be decided before it need be.
bool PolicyDriver::enough(std::uint32_t queued, Duration ahead) const {
  std::uint32_t cpus = online_ > kept_cpus_ ? online_ - kept_cpus_ : 1;
  if (queued < ahead_.min_per_cpu * cpus) return false;
  return queued >= ahead_.max_per_cpu * cpus || ahead >= ahead_.horizon * cpus;
}

std::size_t PolicyDriver::decide(const Queues& queues, const std::function<bool(const mus_decision&)>& send) {
  std::size_t sent = 0;
  if (!unsent_.empty()) {
    if (!send(unsent_.back())) return 0;
    unsent_.clear();
    ++sent;
  }
  for (Pid pid : refresh_) {
    Task* task = tasks_.find(pid);
    if (!task) continue;
    mus_decision record{};
    record.pid = raw(pid);
    record.generation = task->generation;
    record.target = MUS_TARGET_ANY;
    fill_standing(record, *task);
    if (!send(record)) break;  // an order that is not renewed runs out: no harm
    ++sent;
  }
  refresh_.clear();

  online_ = 0;
  std::uint32_t queued = queues.shared + going_on_;
  std::size_t n = std::min(queues.cpus.size(), cpus_.size());
  for (std::size_t i = 0; i < n; ++i) {
    cpus_[i] = queues.cpus[i];
    cpus_[i].queued += going_on_at_[i];
    online_ += cpus_[i].online && !cpus_[i].taken;
  }
  online_ = std::max(1u, online_);
  Duration ahead = average_run_ * queues.shared + ahead_.horizon * going_on_;

  while (waiting_ && unsent_.empty()) {
    bool pinned = enough(queued, ahead), decided = false;
    Room room{.cpus = {cpus_.data(), n}, .online = online_, .queued = queued, .full = queued >= ahead_.max_per_cpu * online_};
    Decision decision;
    ask([&] { decided = pinned ? policy_->decide_pinned(room, decision, now_) : policy_->decide(room, decision, now_); });
    if (!decided) break;
    bool goes_first = !room.full && decision.early > Duration::zero();
    if (!acceptable(decision) || (pinned && !decision.cpu && !goes_first)) {
      ++counters_.bad_decisions;  // the kernel half's bound moves the task on
      failed_ = failed_ || ++nonsense_ >= kPatience;
      break;
    }
    nonsense_ = 0;
    Task& task = *decision.task;
    mus_decision record = to_record(decision);
    task.goes_on = decision.cpu;
    task.goes_first = decision.early > Duration::zero();
    set_state(task, Task::State::kDecided);
    ++counters_.decisions;
    Duration run = std::min(std::max(task.expected_run, task.burst), decision.slice);
    // Of those who use their slices, one is enough; and one that has never slept may be one of them.
    if (2 * run > decision.slice || task.slept_at == Time{}) run = std::max(run, ahead_.horizon);
    average_run_ = average(average_run_, run);
    if (decision.cpu) {
      ++cpus_[index(*decision.cpu)].queued;
    } else {
      ++queued;
      ahead += run;
    }
    if (send(record))
      ++sent;
    else
      unsent_.push_back(record);
  }
  return sent;
}

}  // namespace mus

// SPDX-License-Identifier: GPL-2.0-only
#include "fake_kernel.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace mus::fakes {
namespace {

constexpr Duration kResumeMin = 100us;  // MUS_RESUME_MIN_NS in bpf/standing.bpf.h
constexpr int kReportSlices = 8;        // MUS_REPORT_SLICES in bpf/ahead.bpf.h

}  // namespace

FakeKernel::FakeKernel(PolicyDriver& driver, const KernelSpec& spec)
    : driver_(driver), spec_(spec), random_(spec.seed), cpus_(spec.cpus), views_(spec.cpus) {
  for (unsigned i = 0; i < spec.cpus; ++i) cpus_[i].id = static_cast<int>(i);
  driver.look_up_in(*this);
  add_cgroup(1, 0);
}

// ---- a task becomes runnable --------------------------------------------------------------------------

FakeKernel::FakeCpu& FakeKernel::cpu_for(FakeTask& t) {
  FakeCpu* c = &cpus_[static_cast<std::size_t>(t.cpu)];
  if (!c->online || !may_run(t, *c))
    c = &*std::ranges::find_if(cpus_, [&](const FakeCpu& other) { return other.online && may_run(t, other); });
  t.cpu = c->id;
  return *c;
}

void FakeKernel::wake(FakeTask& t, bool fork) {
  t.work_left = t.spec.work;
  t.woke_at = t.runnable_since = now_;
  if (on_change_) on_change_(t.pid, true);
  FakeCpu* c = &cpu_for(t);
  auto idle = [&](const FakeCpu& other) {
    return other.online && !other.running && other.local.empty() && may_run(t, other);
  };
  if (!idle(*c)) {
    auto other = std::ranges::find_if(cpus_, idle);
    if (other != cpus_.end()) c = &*other;
  }
  bool holds = interrupts(t) && standing_holds(t);
  if (idle(*c)) {
    t.cpu = c->id;
    if (spec_.idle_direct) {
      enqueue_local(t, *c, MUS_ROUTE_IDLE, spec_.slice);
      reschedule(*c, false);
      return;
    }
  } else if (holds) {
    c = &standing_cpu(t, t.standing.min_run, *c);
    t.cpu = c->id;
  }
  enqueue(t, !fork, false);
  if (!c->running) reschedule(*c, false);
}

void FakeKernel::enqueue(FakeTask& t, bool wakeup, bool preempted) {
  FakeCpu& c = cpu_for(t);
  if (wakeup && may_join(t, MUS_STANDING_IN_TURN)) {
    join_in_turn(t, true);
    return;
  }
  if (wakeup && interrupts(t) && has_turn(t, c) && standing_holds(t)) {
    standing_enqueue(t, false, t.standing.min_run, c);
    return;
  }
  if (preempted && t.granted >= kResumeMin) {  // goes on later with what is left
    bool in_turn = t.began_in_turn || takes_turns(t), anywhere = !in_turn && is_kept(t, c);
    t.where = Where::kQueued;
    t.queue_cpu = anywhere ? -1 : c.id;
    t.route = MUS_ROUTE_RESUMED;
    (anywhere ? shared_ : c.queue).emplace(in_turn ? to_ns(t.order) : 0, &t);
    return;
  }
  t.uses_up = !wakeup;
  bool sibling = preempted && sibling_waits(t, c) && has_turn(t, c), waits = !c.local.empty() || (c.begins && c.begins->route == MUS_ROUTE_STANDING);
  if (preempted && !t.ahead && interrupts(t) && (!waits || sibling) && may_join(t, MUS_STANDING_RETURNS)) {
    report_use(t);
    standing_enqueue(t, sibling, return_min_run(t.standing), c);
    return;
  }
  if (preempted && !t.ahead && may_join(t, MUS_STANDING_AGAIN)) {
    join_in_turn(t, false);
    return;
  }
  enqueue_held(t, wakeup ? static_cast<std::uint32_t>(MUS_EVENT_WAKEUP) : 0u);
}

void FakeKernel::enqueue_held(FakeTask& t, std::uint32_t flags) {
  (void)cpu_for(t);
  bool announced = t.ahead;
  if (Duration next = std::exchange(t.next_slice, Duration::zero()); announced && next > Duration::zero()) {
    t.where = Where::kQueued;
    t.route = MUS_ROUTE_DECIDED;
    t.granted = next;
    t.queue_cpu = t.next_target;
    (t.next_target < 0 ? shared_ : cpus_[static_cast<std::size_t>(t.next_target)].queue).emplace(t.next_order, &t);
    return;
  }
  t.where = Where::kHeld;
  t.route = MUS_ROUTE_HELD;
  t.granted = spec_.slice;
  t.held_since = now_;
  t.generation += !announced;
  held_.push_back(&t);
  if (!announced && post_task(MUS_EVENT_RUNNABLE, flags, t)) t.announced = true;
  if (!announced && (decided_for_any() <= spec_.low_water || now_ - looked_ > spec_.batch)) ask();
}

// After a change: held anew, and its CPU looks if it has nothing better to do.
void FakeKernel::requeue(FakeTask& t) {
  enqueue_held(t, 0);
  FakeCpu& c = cpus_[static_cast<std::size_t>(t.cpu)];
  if (!c.running) reschedule(c, false);
}

void FakeKernel::enqueue_local(FakeTask& t, FakeCpu& c, mus_route route, Duration slice) {
  t.where = Where::kLocal;
  t.cpu = c.id;
  t.route = route;
  t.granted = slice;
  c.local.push_back(&t);
}

void FakeKernel::take_off(FakeTask& t) {
  auto from = [&](RunQueue& queue) { std::erase_if(queue, [&](const auto& entry) { return entry.second == &t; }); };
  if (t.where == Where::kHeld) std::erase(held_, &t);
  if (t.where == Where::kLocal) std::erase(cpus_[static_cast<std::size_t>(t.cpu)].local, &t);
  if (t.where == Where::kQueued) from(t.queue_cpu < 0 ? shared_ : cpus_[static_cast<std::size_t>(t.queue_cpu)].queue);
}

// ---- a CPU takes its next task: bpf/dispatch.bpf.h ----------------------------------------------------

FakeKernel::FakeTask* FakeKernel::take(RunQueue& queue, const FakeCpu& c) {
  auto it = std::ranges::find_if(queue, [&](const auto& entry) { return may_run(*entry.second, c); });
  if (it == queue.end()) return nullptr;
  FakeTask* t = it->second;
  if (t->route == MUS_ROUTE_DECIDED) t->order = time_from_ns(it->first);
  queue.erase(it);
  return t;
}

FakeKernel::FakeTask* FakeKernel::take_held(const FakeCpu& c) {
  auto it = std::ranges::find_if(held_, [&](const FakeTask* t) { return may_run(*t, c); });
  if (it == held_.end()) return nullptr;
  FakeTask* t = *it;
  held_.erase(it);
  return t;
}

FakeKernel::FakeTask* FakeKernel::take_decided(FakeCpu& c) {
  bool own_first = !c.queue.empty() && (shared_.empty() || c.queue.begin()->first <= shared_.begin()->first);
  if (own_first)
    if (FakeTask* t = take(c.queue, c)) return t;
  if (FakeTask* t = take(shared_, c)) return t;
  return take(c.queue, c);
}

FakeKernel::FakeTask* FakeKernel::steal(FakeCpu& c) {
  for (std::size_t i = 1; i < cpus_.size(); ++i)
    if (FakeTask* t = take(cpus_[(static_cast<std::size_t>(c.id) + i) % cpus_.size()].queue, c)) return t;
  return nullptr;
}

// Who runs next on `c`; `prev`: it goes on; null: nobody.
FakeKernel::FakeTask* FakeKernel::choose(FakeCpu& c, FakeTask* prev) {
  if (!c.local.empty()) {
    FakeTask* t = c.local.front();
    c.local.pop_front();
    return t;
  }
  if (now_ - c.rescued_at >= spec_.rescue / 4 && !held_.empty()) {
    c.rescued_at = now_;
    if (now_ - held_.front()->held_since > spec_.rescue)
      if (FakeTask* t = take_held(c)) return ++counters_.rescued, t;
  }
  if (prev && !may_run(*prev, c)) prev = nullptr;
  if (prev) account(*prev);
  if (prev && continue_decided(c, *prev)) return c.starved_since = {}, prev;
  FakeTask* t = take_decided(c);
  if (t) {
    c.starved_since = {};
    return t;
  }
  t = steal(c);
  if (t) return c.starved_since = {}, t;
  if (!held_.empty()) {
    ask();
    bool stalled = now_ - asked_ > spec_.stall;
    if (stalled || (c.starved_since != Time{} && now_ - c.starved_since >= spec_.hold)) {
      c.starved_since = {};
      if ((t = take_held(c))) return t;
    } else {
      if (c.starved_since == Time{}) c.starved_since = now_;
      starved_cpu_ = c.id;
      if (prev) prev->slice_left = spec_.hold;
      return prev;
    }
  }
  c.starved_since = {};
  if (prev) goes_on(c, *prev, spec_.slice);
  return prev;
}

void FakeKernel::reschedule(FakeCpu& c, bool preempt) {
  if (!c.online) return;
  FakeTask* prev = c.running;
  if (prev && !preempt && prev->slice_left > Duration::zero()) return;
  FakeTask* next = choose(c, prev);
  if (next == prev) return;
  if (prev) {
    stop_running(*prev);
    if (!prev->runnable_since.time_since_epoch().count()) prev->runnable_since = now_;
    c.begins = next;
    enqueue(*prev, false, true);
    c.begins = nullptr;
  }
  if (next) start(c, *next);
}

void FakeKernel::start(FakeCpu& c, FakeTask& t) {
  if (!may_run(t, c) || !c.online) violation("pid " + std::to_string(t.pid) + " runs on CPU " + std::to_string(c.id));
  if (c.running) violation("two tasks run on CPU " + std::to_string(c.id));
  t.longest_wait = std::max(t.longest_wait, now_ - t.runnable_since);
  if (t.route == MUS_ROUTE_IN_TURN)
    overtaken_ += static_cast<std::uint64_t>(std::ranges::count_if(
        shared_, [&](const RunQueue::value_type& entry) { return waits_since_it_woke(entry) && entry.second->woke_at < t.woke_at; }));
  t.where = Where::kRunning;
  t.cpu = c.id;
  t.slice_left = t.granted;
  t.used = {};
  c.running = &t;
  c.since = now_;
  if (t.route != MUS_ROUTE_RESUMED) t.began_in_turn = t.route == MUS_ROUTE_IN_TURN;
  if (t.route != MUS_ROUTE_DECIDED && t.route != MUS_ROUTE_IN_TURN && t.route != MUS_ROUTE_RESUMED) t.order = now_;
  c.starved_since = {};
  note_turn(c, t);
  ++counters_.runs[t.route];
  if (t.route == MUS_ROUTE_DECIDED || t.route == MUS_ROUTE_HELD || t.route == MUS_ROUTE_IN_TURN) {
    tell_begin(t, waits_elsewhere(c));
    want_more(c, t);
  }
  if (!c.local.empty() && c.min_run > Duration::zero()) preempt_later(c, c.min_run);
}

// Charges what it has used since its run began, or since this was called last.
void FakeKernel::account(FakeTask& t) {
  t.unreported += t.used;
  t.granted -= std::min(t.used, t.granted);
  standing_drain(t.standing, t.used);
  t.used = {};
}

// ---- it is decided on while it runs: bpf/ahead.bpf.h --------------------------------------------------

void FakeKernel::announce_ahead(FakeTask& t, bool worth) {
  t.ahead = false;
  if (!t.uses_up || !wanted(MUS_EVENT_RUNNING) || !worth) return;
  ++t.generation;
  t.ahead = post_task(MUS_EVENT_RUNNING, 0, t);
}

void FakeKernel::report_in_turn(FakeTask& t) {
  bool ahead = std::exchange(t.ahead, false);
  if (!wanted(MUS_EVENT_REPORT) || !t.known || (!ahead && now_ - t.reported_at < kReportSlices * spec_.slice)) return;
  post_task(MUS_EVENT_REPORT, MUS_EVENT_STANDING, t);
  if (now_ - looked_ > 2 * kReportSlices * spec_.slice) ask();
}

void FakeKernel::tell_begin(FakeTask& t, bool worth) {
  if (may_join(t, MUS_STANDING_AGAIN))
    report_in_turn(t);
  else
    announce_ahead(t, worth || t.ahead);
}

void FakeKernel::want_more(const FakeCpu& c, const FakeTask& t) {
  bool others = !c.queue.empty() || !shared_.empty() || !held_.empty();
  if ((c.queue.empty() && decided_for_any() <= spec_.low_water && !held_.empty()) ||
      (t.ahead && others && std::has_single_bit(t.spec.allowed)))
    ask();
}

bool FakeKernel::continue_decided(FakeCpu& c, FakeTask& t) {
  if (t.next_slice == Duration::zero() || (t.next_target >= 0 && t.next_target != c.id) ||
      (!c.queue.empty() && c.queue.begin()->first < t.next_order) || (!shared_.empty() && shared_.begin()->first < t.next_order))
    return false;
  renew_slice(c, t, std::exchange(t.next_slice, Duration::zero()));
  ++counters_.runs[MUS_ROUTE_DECIDED];
  tell_begin(t, true);
  want_more(c, t);
  return true;
}

void FakeKernel::renew_slice(FakeCpu& c, FakeTask& t, Duration slice) {
  t.granted = t.slice_left = slice;
  c.since = t.order = now_;
  ++counters_.kept;
}

void FakeKernel::goes_on(FakeCpu& c, FakeTask& t, Duration slice) {
  renew_slice(c, t, slice);
  report_use(t);
}

void FakeKernel::report_use(FakeTask& t) {
  if (t.known && wanted(MUS_EVENT_REPORT) && t.unreported >= spec_.report)
    post_task(MUS_EVENT_REPORT, MUS_EVENT_STANDING, t);
}

void FakeKernel::stop_running(FakeTask& t) {
  FakeCpu& c = cpus_[static_cast<std::size_t>(t.cpu)];
  c.running = nullptr;
  c.since = {};
  c.idle_since = now_;
  t.runnable_since = now_;
  account(t);
}

void FakeKernel::fall_asleep(FakeTask& t, bool exits) {
  FakeCpu& c = cpus_[static_cast<std::size_t>(t.cpu)];
  if (on_change_) on_change_(t.pid, false);
  stop_running(t);
  t.where = exits ? Where::kGone : Where::kAsleep;
  t.uses_up = t.ahead = false;
  t.next_slice = {};
  t.slept_at = now_;
  t.wake_at = now_ + t.spec.sleep;
  if (t.announced && wanted(MUS_EVENT_SLEEP)) {
    if (post_task(MUS_EVENT_SLEEP, 0, t)) t.announced = false;
  } else if (t.known && wanted(MUS_EVENT_REPORT) &&
             (t.unreported >= spec_.report ||
              (by_standing_order(t) && now_ - t.reported_at > kReportSlices * spec_.slice))) {
    post_task(MUS_EVENT_REPORT, by_standing_order(t) ? static_cast<std::uint32_t>(MUS_EVENT_STANDING) : 0u, t);
  }
  if (exits && t.known) post_task(MUS_EVENT_EXIT, 0, t);
  reschedule(c, false);
}

}  // namespace mus::fakes

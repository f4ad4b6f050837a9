// SPDX-License-Identifier: GPL-2.0-only
// What goes between the fake kernel and the driver, after bpf/events.bpf.h and bpf/commit.bpf.h; and the checks.
#include <algorithm>
#include <bit>
#include <cstring>

#include "fake_kernel.h"

namespace mus::fakes {

// ---- events -------------------------------------------------------------------------------------------

void FakeKernel::ask() {
  if (asked_ != Time{}) return;
  asked_ = now_;
  ++counters_.wakes;
}

bool FakeKernel::wanted(mus_event_kind kind) const {
  return driver_.policy().wanted_events() & MUS_EVENT_BIT(kind);
}

bool FakeKernel::post(mus_event event) {
  event.now_ns = to_ns(now_);
  bool about_task = event.pid != 0;
  if (events_.size() >= spec_.event_room || to_lose_) {
    to_lose_ -= to_lose_ ? 1 : 0;
    ++counters_.events_lost;
    resync_wanted_ = true;
    ask();
    return false;
  }
  events_.push_back(event);
  ++counters_.events;
  if (!about_task || events_.size() > spec_.event_room / 2) ask();
  return true;
}

bool FakeKernel::post_task(mus_event_kind kind, std::uint32_t flags, FakeTask& t, std::uint64_t arg) {
  std::uint64_t all = cpus_.size() >= 64 ? ~0ull : (1ull << cpus_.size()) - 1, allowed = t.spec.allowed & all;
  auto online = static_cast<unsigned>(std::ranges::count(cpus_, true, &FakeCpu::online));
  auto count = static_cast<unsigned>(std::popcount(allowed));
  mus_event e{};
  e.kind = kind;
  e.flags = flags | (t.known ? 0u : static_cast<std::uint32_t>(MUS_EVENT_NEW_TASK));
  e.pid = e.tgid = t.pid;
  e.generation = t.generation;
  e.cgroup_id = t.spec.cgroup;
  e.run_ns = to_ns(t.unreported);
  e.wake_ns = to_ns(t.woke_at);
  e.sleep_ns = to_ns(t.slept_at);
  e.cpu = t.cpu;
  e.weight = t.spec.weight;
  e.affinity = count == 1 ? MUS_AFFINITY_ONE : count >= online ? MUS_AFFINITY_ALL : MUS_AFFINITY_SOME;
  e.allowed_cpu = std::countr_zero(allowed);
  e.allowed_count = count;
  e.arg = arg;
  if (!post(e)) return false;
  t.unreported = {};
  t.reported_at = now_;
  t.known = true;
  return true;
}

bool FakeKernel::has_task(Pid pid) {
  auto it = tasks_.find(raw(pid));
  return it != tasks_.end() && it->second.where != Where::kGone && it->second.known;
}

std::optional<KernelFacts::CgroupFacts> FakeKernel::cgroup(CgroupId id) {
  auto it = cgroups_.find(raw(id));
  return it == cgroups_.end() ? std::nullopt : std::optional(it->second);
}

// ---- userspace has its turn ---------------------------------------------------------------------------

void FakeKernel::deliver() {
  while (!events_.empty()) {
    mus_event e = events_.front();
    events_.pop_front();
    driver_.on_event(e);
  }
}

void FakeKernel::resync() {
  for (FakeTask* t : held_) {
    if (!post_task(MUS_EVENT_RUNNABLE, MUS_EVENT_RESYNC, *t)) break;
    t->announced = true;
  }
}

PolicyDriver::Queues FakeKernel::queues() {
  for (std::size_t i = 0; i < cpus_.size(); ++i)
    views_[i] = {.online = cpus_[i].online, .queued = static_cast<std::uint32_t>(cpus_[i].queue.size())};
  return {.shared = static_cast<std::uint32_t>(decided_for_any()), .cpus = views_};
}

void FakeKernel::pump() {
  ++pumps_;
  asked_ = {};
  looked_ = now_;
  deliver();
  if (resync_wanted_) {
    resync_wanted_ = false;
    resync();
    deliver();
    driver_.catch_up_from_start();
    while (driver_.catch_up()) {
    }
  }
  driver_.set_now(now_);
  for (bool full = true; full;) {
    full = false;
    driver_.decide(queues(), [&](const mus_decision& d) {
      full = decisions_.size() >= spec_.decision_room;
      if (!full) decisions_.push_back(d);
      return !full;
    });
    commit();
  }
}

// ---- decisions ----------------------------------------------------------------------------------------

void FakeKernel::commit() {
  committing_ = true;
  while (!decisions_.empty()) {
    mus_decision d = decisions_.front();
    decisions_.pop_front();
    apply(d);
  }
  committing_ = false;
}

void FakeKernel::apply_record(std::span<const std::byte> record) {
  mus_decision d;
  if (record.size() != sizeof(d)) {
    ++counters_.refused[MUS_REFUSED_BAD_RECORD];
    return;
  }
  std::memcpy(&d, record.data(), sizeof(d));
  apply(d);
}

void FakeKernel::apply(const mus_decision& d) {
  mus_refusal refusal = MUS_REFUSED_UNKNOWN_PID;
  if (d.flags & ~static_cast<std::uint32_t>(MUS_DECIDE_FLAGS) || d.reserved || !standing_valid(d))
    refusal = MUS_REFUSED_BAD_FIELD;
  auto it = tasks_.find(d.pid);
  if (it != tasks_.end() && it->second.where != Where::kGone) {
    FakeTask& t = it->second;
    if (refusal != MUS_REFUSED_BAD_FIELD) refusal = apply_to(t, d);
    if (refusal != MUS_REFUSED_NONE && refusal != MUS_REFUSED_STALE && t.generation == d.generation)
      post_task(MUS_EVENT_REFUSED, 0, t, refusal);
  }
  if (refusal != MUS_REFUSED_NONE) ++counters_.refused[refusal];
}

// bpf/commit.bpf.h: nobody goes before a task for ever.
std::uint64_t FakeKernel::bounded_order(std::uint64_t order) const {
  constexpr auto kSpan = static_cast<std::int64_t>(MUS_ORDER_SPAN_NS);
  auto later = static_cast<std::int64_t>(order - to_ns(now_));
  return to_ns(now_) + static_cast<std::uint64_t>(std::clamp(later, -kSpan, kSpan));
}

mus_refusal FakeKernel::apply_to(FakeTask& t, const mus_decision& d) {
  if (d.flags & MUS_DECIDE_MOVE) {
    bool any = d.target == MUS_TARGET_ANY;
    bool ahead = t.ahead && (t.where == Where::kRunning || (t.where == Where::kQueued && t.route == MUS_ROUTE_RESUMED));
    if (t.generation != d.generation || (t.where != Where::kHeld && !ahead)) return MUS_REFUSED_STALE;
    if (d.slice_ns < MUS_SLICE_MIN_NS || d.slice_ns > MUS_SLICE_MAX_NS) return MUS_REFUSED_BAD_SLICE;
    if (!any && (d.target < 0 || d.target >= static_cast<int>(cpus_.size()) ||
                 !cpus_[static_cast<std::size_t>(d.target)].online ||
                 !may_run(t, cpus_[static_cast<std::size_t>(d.target)])))
      return MUS_REFUSED_BAD_CPU;
    if (spec_.not_yet_chance > 0 && std::bernoulli_distribution(spec_.not_yet_chance)(random_))
      return MUS_REFUSED_NOT_YET;
    ++counters_.decisions;
    if (ahead) {
      t.next_slice = Duration{d.slice_ns};
      t.next_order = bounded_order(d.order);
      t.next_target = d.target;
      if (d.flags & MUS_DECIDE_STANDING) standing_set(t, d);
      return MUS_REFUSED_NONE;
    }
    take_off(t);
    t.where = Where::kQueued;
    t.queue_cpu = d.target;
    t.granted = Duration{d.slice_ns};
    t.route = MUS_ROUTE_DECIDED;
    (any ? shared_ : cpus_[static_cast<std::size_t>(d.target)].queue).emplace(bounded_order(d.order), &t);
  }
  if (d.flags & MUS_DECIDE_STANDING) standing_set(t, d);
  if (d.flags & MUS_DECIDE_MOVE) kick_for(t, d);
  return MUS_REFUSED_NONE;
}

// An idle CPU takes it, or one that had nothing decided to run, or, if it is urgent, one that can be interrupted.
void FakeKernel::kick_for(FakeTask& t, const mus_decision& d) {
  FakeCpu* c = d.target >= 0 ? &cpus_[static_cast<std::size_t>(d.target)] : nullptr;
  if (c) {
    if (c->starved_since != Time{} || !c->running) {
      reschedule(*c, true);
      return;
    }
  } else {
    auto idle = std::ranges::find_if(
        cpus_, [&](const FakeCpu& other) { return other.online && !other.running && other.local.empty() && may_run(t, other); });
    if (idle != cpus_.end()) {
      reschedule(*idle, false);
      return;
    }
    if (starved_cpu_ >= 0 && cpus_[static_cast<std::size_t>(starved_cpu_)].starved_since != Time{}) {
      reschedule(cpus_[static_cast<std::size_t>(std::exchange(starved_cpu_, -1))], true);
      return;
    }
  }
  if (!(d.flags & MUS_DECIDE_URGENT)) return;
  Duration min_run{d.standing_min_run_ns};
  if (!c) c = &standing_cpu(t, min_run, cpus_[static_cast<std::size_t>(t.cpu)]);
  if (interruptible(*c, min_run)) {
    ++counters_.preemptions;
    c->since = {};
    reschedule(*c, true);
  } else {
    preempt_later(*c, min_run);
  }
}

// ---- checks -------------------------------------------------------------------------------------------

void FakeKernel::violation(const std::string& what) {
  if (violations_.size() < 10) violations_.push_back("at " + std::to_string(to_ns(now_)) + ": " + what);
}

void FakeKernel::check() {
  auto see = [&](FakeTask* t, Where where, const char* name) {
    ++t->seen;
    if (t->where != where) violation("pid " + std::to_string(t->pid) + " is on the " + name + " by mistake");
  };
  for (FakeTask* t : held_) see(t, Where::kHeld, "held queue");
  for (auto& [order, t] : shared_) see(t, Where::kQueued, "shared run queue");
  for (FakeCpu& c : cpus_) {
    for (auto& [order, t] : c.queue) see(t, Where::kQueued, "run queue of a CPU");
    for (FakeTask* t : c.local) see(t, Where::kLocal, "local queue of a CPU");
    if (c.running) see(c.running, Where::kRunning, "CPU");
    bool idle = spec_.expect_busy && c.online && !c.running && c.starved_since == Time{};
    for (FakeTask* t : held_)
      if (idle && alive_ && may_run(*t, c) && now_ - std::max(t->held_since, c.idle_since) > spec_.look + spec_.hold)
        violation("CPU " + std::to_string(c.id) + " is idle while pid " + std::to_string(t->pid) + " is held");
  }
  for (auto& [pid, t] : tasks_) {
    unsigned wanted_times = t.where != Where::kAsleep && t.where != Where::kGone;
    if (t.seen != wanted_times)
      violation("pid " + std::to_string(pid) + " is in " + std::to_string(t.seen) + " places");
    t.seen = 0;
  }
}

}  // namespace mus::fakes

// SPDX-License-Identifier: GPL-2.0-only
// The fake kernel's standing orders, after bpf/standing.bpf.h, bpf/siblings.bpf.h and bpf/turns.bpf.h.
#include <algorithm>
#include <bit>
#include <ranges>

#include "fake_kernel.h"

namespace mus::fakes {
namespace {

constexpr int kEarlySlices = 1;  // MUS_EARLY_SLICES in bpf/turns.bpf.h

}  // namespace

bool FakeKernel::standing_valid(const mus_decision& d) const {
  return !(d.standing_flags & ~static_cast<std::uint32_t>(MUS_STANDING_FLAGS)) &&
         d.standing_rate <= MUS_STANDING_RATE_MAX &&
         (!d.standing_slice_ns ||
          (d.standing_slice_ns >= MUS_SLICE_MIN_NS && d.standing_slice_ns <= MUS_SLICE_MAX_NS)) &&
         d.standing_budget_ns <= MUS_SLICE_MAX_NS && d.standing_min_run_ns <= MUS_SLICE_MAX_NS &&
         d.standing_valid_ns <= 60 * MUS_SLICE_MAX_NS;
}

void FakeKernel::standing_set(FakeTask& t, const mus_decision& d) {
  Standing& s = t.standing;
  if (s.refilled != Time{}) {
    standing_refill(s, now_);
  } else {
    s.budget = Duration{d.standing_budget_ns};
    s.refilled = now_;
  }
  s.min_run = Duration{d.standing_min_run_ns};
  s.budget_max = Duration{d.standing_budget_ns};
  s.rate = d.standing_rate;
  s.until = now_ + Duration{d.standing_valid_ns};
  s.flags = d.standing_flags;
  s.slice = Duration{d.standing_slice_ns};
  ++counters_.standing_set;
}

void FakeKernel::standing_refill(Standing& s, Time now) {
  Duration passed = std::min(now - s.refilled, Duration{MUS_SLICE_MAX_NS});
  if (passed <= Duration::zero()) return;
  s.refilled = now;
  s.budget = std::min(s.budget + passed * s.rate / MUS_STANDING_RATE_ONE, s.budget_max);
}

void FakeKernel::standing_drain(Standing& s, Duration used) const {
  if (s.refilled == Time{}) return;
  standing_refill(s, now_ - used);
  s.budget -= used;
  standing_refill(s, now_);
  s.budget = std::max(s.budget, -s.budget_max);
}

bool FakeKernel::standing_holds(FakeTask& t) {
  Standing& s = t.standing;
  if (!spec_.standing_orders || s.slice == Duration::zero()) return false;
  standing_refill(s, now_);
  if ((s.budget > Duration::zero() || s.flags & MUS_STANDING_IN_TURN) && s.until > now_) return true;
  ++counters_.standing_spent;
  return false;
}

bool FakeKernel::interruptible(const FakeCpu& c, Duration min_run) const {
  return c.running && !urgent(c) && c.since != Time{} && now_ - c.since >= min_run;
}

unsigned FakeKernel::standing_rank(const FakeTask& t, const FakeCpu& c, Duration min_run) const {
  if (urgent(c) || !c.local.empty()) return 4;
  return (c.running && c.running->spec.cgroup == t.spec.cgroup ? 2 : 0) + !interruptible(c, min_run);
}

FakeKernel::FakeCpu& FakeKernel::standing_cpu(const FakeTask& t, Duration min_run, FakeCpu& prev) {
  FakeCpu* best = &prev;
  for (std::size_t i = 1; i < std::min<std::size_t>(cpus_.size(), 16); ++i) {
    FakeCpu& c = cpus_[(static_cast<std::size_t>(prev.id) + i) % cpus_.size()];
    if (c.online && may_run(t, c) && standing_rank(t, c, min_run) < standing_rank(t, *best, min_run)) best = &c;
  }
  return *best;
}

// Whether another CPU takes from the run queues, where nothing is for `c` alone.
bool FakeKernel::served_elsewhere(const FakeCpu& c) const {
  return c.queue.empty() && !keeps_out_held() && now_ - c.standing_since < spec_.rescue / 4 &&
         std::ranges::any_of(cpus_, [&](const FakeCpu& o) { return &o != &c && o.online && looks_at_queues(o); });
}

void FakeKernel::note_turn(FakeCpu& c, const FakeTask& t) {
  if (t.route != MUS_ROUTE_STANDING || !waits_elsewhere(c))
    c.standing_since = {};
  else if (c.standing_since == Time{})
    c.standing_since = now_;
  if (t.route == MUS_ROUTE_DECIDED || held_.empty())
    undecided_since_ = {};
  else if (undecided_since_ == Time{})
    undecided_since_ = now_;
}

// Who is on `c` next, or begins there, by a standing order that returns.
const FakeKernel::FakeTask* FakeKernel::returning(const FakeCpu& c) {
  const FakeTask* next = c.begins ? c.begins : c.local.empty() ? nullptr : c.local.back();
  return next && next->route == MUS_ROUTE_STANDING && next->standing.flags & MUS_STANDING_RETURNS ? next : nullptr;
}

bool FakeKernel::sibling_waits(const FakeTask& t, const FakeCpu& c) {
  const FakeTask* next = returning(c);
  return next && next->spec.cgroup == t.spec.cgroup;
}

// Whether `c`, where `t` was interrupted, is not soon free again.
bool FakeKernel::is_kept(const FakeTask& t, const FakeCpu& c) const {
  const FakeTask* next = returning(c);
  return next && next->spec.cgroup != t.spec.cgroup && (t.spec.allowed & online_mask()) == online_mask();
}

void FakeKernel::preempt_later(FakeCpu& c, Duration delay) {
  c.turn_waits = {};
  if (c.running && !urgent(c) && c.preempt_at == Time{}) c.preempt_at = now_ + delay;
}

Duration FakeKernel::return_min_run(const Standing& s) {
  Duration others = s.rate && s.rate < MUS_STANDING_RATE_ONE ? s.slice * (MUS_STANDING_RATE_ONE - s.rate) / s.rate : Duration::zero();
  return std::max({others, s.min_run, Duration{MUS_SLICE_MIN_NS}});
}

// SCX_ENQ_PREEMPT: to the head of what waits for that CPU.
void FakeKernel::interrupt_with(FakeTask& t, FakeCpu& c) {
  ++counters_.preemptions;
  c.since = {};
  t.where = Where::kLocal;
  c.local.push_front(&t);
  reschedule(c, true);
}

void FakeKernel::standing_enqueue(FakeTask& t, bool sibling, Duration min_run, FakeCpu& c) {
  bool now = !sibling && interruptible(c, min_run);
  if (!now) {
    c.min_run = min_run;
    if (c.since != Time{}) preempt_later(c, std::max(c.since + min_run - now_, Duration::zero()));
  }
  t.route = MUS_ROUTE_STANDING;
  t.granted = sibling ? spec_.slice : t.standing.slice;
  if (now) {
    interrupt_with(t, c);
    return;
  }
  t.where = Where::kLocal;
  c.local.push_back(&t);
}

bool FakeKernel::may_join(FakeTask& t, mus_standing_flag flag) {
  bool stalled = asked_ != Time{} && now_ - asked_ > spec_.stall;
  bool anywhere = (t.spec.allowed & online_mask()) == online_mask() || std::has_single_bit(t.spec.allowed);
  return t.standing.flags & flag && anywhere && !stalled && !keeps_out_held() && standing_holds(t);
}

Time FakeKernel::turn_order(const Standing& s) const {
  Duration left = s.budget < Duration::zero() ? -s.budget : s.budget;
  Duration ago = s.rate ? std::min(left * MUS_STANDING_RATE_ONE / s.rate, Duration{MUS_SLICE_MAX_NS}) : Duration::zero();
  return now_ - s.slice + (s.budget < Duration::zero() ? ago : -ago);
}

// Whether the first on the shared run queue should have come before who runs on `c`; or somebody waits for `c` itself.
bool FakeKernel::waits_for_turn(const FakeCpu& c) const {
  auto first = [&](const RunQueue& queue) { return !queue.empty() && comes_before(time_from_ns(queue.begin()->first), c, c.turn_waits); };
  return first(c.queue) || first(shared_);
}

Duration FakeKernel::turn_margin(const Standing& s) { return s.rate ? s.min_run * MUS_STANDING_RATE_ONE / s.rate : s.min_run; }

// Whether it may interrupt its only CPU at once, since it comes before who runs on some other.
bool FakeKernel::pinned_is_due(const FakeTask& t, Time order) const {
  auto pinned = [](const FakeTask& task) { return std::has_single_bit(task.spec.allowed); };
  const FakeCpu& here = cpus_[static_cast<std::size_t>(t.cpu)];
  auto first = [&](const RunQueue& queue) { return queue.empty() || to_ns(order) < queue.begin()->first; };
  if (!pinned(t) || !interruptible(here, t.standing.min_run) || pinned(*here.running) || !here.local.empty() || !first(here.queue) || !first(shared_))
    return false;
  return std::ranges::any_of(cpus_ | std::views::take(16), [&](const FakeCpu& c) {
    return c.online && c.running && c.since != Time{} && !urgent(c) && !pinned(*c.running) && comes_before(order, c, turn_margin(t.standing));
  });
}

void FakeKernel::interrupt_for_turn(const FakeTask& t, Time order) {
  Duration min_run = t.standing.min_run, margin = turn_margin(t.standing);
  FakeCpu* soonest = nullptr;
  std::size_t looks = std::has_single_bit(t.spec.allowed) ? 1 : std::min<std::size_t>(cpus_.size(), 16);
  for (std::size_t i = 0; i < looks; ++i) {
    FakeCpu& c = cpus_[(static_cast<std::size_t>(t.cpu) + i) % cpus_.size()];
    if (!c.online || !c.running || urgent(c) || c.since == Time{} || !comes_before(order, c, margin)) continue;
    if (interruptible(c, min_run)) {
      ++counters_.preemptions;
      c.since = {};
      reschedule(c, true);
      return;
    }
    if (!soonest || c.since < soonest->since) soonest = &c;
  }
  if (!soonest || soonest->preempt_at != Time{}) return;
  soonest->min_run = min_run;
  preempt_later(*soonest, std::max(soonest->since + soonest->min_run - now_, Duration::zero()));
  soonest->turn_waits = std::max(margin, 1ns);
}

// Whether it is early: it has waited in turn since it woke up.
bool FakeKernel::waits_since_it_woke(const RunQueue::value_type& entry) {
  return entry.second->route == MUS_ROUTE_IN_TURN && time_from_ns(entry.first) < entry.second->order;
}

// The place of one that wakes: behind who woke up before it and waits first, unless its turn comes more than a slice before the other's.
Time FakeKernel::woken_order(Time turn, const RunQueue& queue) const {
  Time order = turn - kEarlySlices * spec_.slice;
  if (queue.empty() || !waits_since_it_woke(*queue.begin())) return order;
  Time first = time_from_ns(queue.begin()->first);
  return first > order && first - order < spec_.slice ? first + 1ns : order;
}

void FakeKernel::join_in_turn(FakeTask& t, bool woke) {
  t.order = turn_order(t.standing);
  RunQueue& queue = std::has_single_bit(t.spec.allowed) ? cpus_[static_cast<std::size_t>(t.cpu)].queue : shared_;
  Time order = woke ? woken_order(t.order, queue) : t.order;
  t.route = MUS_ROUTE_IN_TURN;
  t.granted = t.standing.slice;
  if (woke && pinned_is_due(t, order)) {
    interrupt_with(t, cpus_[static_cast<std::size_t>(t.cpu)]);
    return;
  }
  t.where = Where::kQueued;
  t.queue_cpu = std::has_single_bit(t.spec.allowed) ? t.cpu : -1;
  queue.emplace(to_ns(order), &t);
  if (woke) interrupt_for_turn(t, order);
}

std::size_t FakeKernel::decided_for_any() const {
  return static_cast<std::size_t>(std::ranges::count_if(shared_, [](const auto& entry) { return entry.second->route == MUS_ROUTE_DECIDED; }));
}

}  // namespace mus::fakes

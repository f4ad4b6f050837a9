/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Standing orders: what userspace said, ahead of time, about the next wakeups of a task. A token bucket
 * bounds them: run time drains it, passing time refills it, and a task that empties it goes back to
 * the held queue like every other. Here is only the mechanism; who gets an order is the policy's.
 */
#ifndef MUS_STANDING_BPF_H
#define MUS_STANDING_BPF_H

#include "events.bpf.h"
#include "fallback.bpf.h"

#define MUS_RESUME_MIN_NS 100000 /* less than this of a slice is not worth going on with: ask for a new one */
#define MUS_LAST_ORDER ((s64)(~0ull >> 1))

static __always_inline bool standing_valid(const struct mus_decision *d)
{
	return !(d->standing_flags & ~MUS_STANDING_FLAGS) && d->standing_rate <= MUS_STANDING_RATE_MAX &&
	       (!d->standing_slice_ns ||
		(d->standing_slice_ns >= MUS_SLICE_MIN_NS && d->standing_slice_ns <= MUS_SLICE_MAX_NS)) &&
	       d->standing_budget_ns <= MUS_SLICE_MAX_NS && d->standing_min_run_ns <= MUS_SLICE_MAX_NS &&
	       d->standing_valid_ns <= 60 * MUS_SLICE_MAX_NS;
}

static __always_inline void standing_refill(struct standing_order *s, u64 now)
{
	u64 passed = now - s->refilled_ns;

	if ((s64)passed <= 0)
		return;
	if (passed > MUS_SLICE_MAX_NS)
		passed = MUS_SLICE_MAX_NS;
	s->refilled_ns = now;
	s->budget_ns += passed * s->rate / MUS_STANDING_RATE_ONE;
	if (s->budget_ns > (s64)s->budget_max_ns)
		s->budget_ns = s->budget_max_ns;
}

/* @used_ns have been used just now. While they were, time went on refilling the budget: it was not full any more. */
static __always_inline void standing_drain(struct standing_order *s, u64 used_ns, u64 now)
{
	if (!s->refilled_ns)
		return;
	standing_refill(s, now - used_ns);
	s->budget_ns -= used_ns;
	standing_refill(s, now);
	if (s->budget_ns < -(s64)s->budget_max_ns)
		s->budget_ns = -(s64)s->budget_max_ns;
}

static __always_inline void standing_set(struct standing_order *s, const struct mus_decision *d, u64 now)
{
	if (s->refilled_ns) {
		standing_refill(s, now); /* at the rate that it had until now */
	} else {
		s->budget_ns = d->standing_budget_ns;
		s->refilled_ns = now;
	}
	s->min_run_ns = d->standing_min_run_ns;
	s->budget_max_ns = d->standing_budget_ns;
	s->rate = d->standing_rate;
	s->until_ns = now + d->standing_valid_ns;
	s->flags = d->standing_flags;
	s->slice_ns = d->standing_slice_ns;
	count(standing_set);
}

/* Whether the standing order of @t holds now. In turn, who has emptied its budget comes later, and that is all. */
static __always_inline bool standing_holds(struct task_ctx *t, u64 now)
{
	struct standing_order *s = &t->standing;

	if (!s->slice_ns)
		return false;
	standing_refill(s, now);
	if ((s->budget_ns > 0 || s->flags & MUS_STANDING_IN_TURN) && (s64)(s->until_ns - now) > 0)
		return true;
	count(standing_spent);
	return false;
}

/* Whether the standing order of @t, while it holds, has it interrupt others when it wakes, and not take turns with them. */
static __always_inline bool interrupts(const struct task_ctx *t)
{
	return !(t->standing.flags & MUS_STANDING_IN_TURN);
}

static __always_inline bool standing_route(u32 route)
{
	return route == MUS_ROUTE_STANDING || route == MUS_ROUTE_IN_TURN;
}

/* Runs that nobody may interrupt by standing order. */
static __always_inline bool urgent(u32 route)
{
	return route == MUS_ROUTE_STANDING || route == MUS_ROUTE_KERNEL || route == MUS_ROUTE_DAEMON;
}

/* Whether who runs is about to sleep by itself, as far as can be known: it does not pay to interrupt it any more. */
static __always_inline bool sleeps_at_once(const struct mus_cpu *slot, u64 now)
{
	return (s64)(slot->sleeps_by_ns - now) > 0 && slot->sleeps_by_ns - now < MUS_RESUME_MIN_NS;
}

/* Whether what runs on @cpu may be interrupted now by a task that grants @min_run_ns. */
static __always_inline bool interruptible(const struct mus_cpu *slot, u64 min_run_ns, u64 now)
{
	return !urgent(slot->route) && slot->running_since_ns && !slot->taken && !sleeps_at_once(slot, now) &&
	       (s64)(now - slot->running_since_ns) >= (s64)min_run_ns;
}

/* How well a task of @cgroup_id that wakes is placed on @slot, where it would interrupt what runs: the less the better. */
static __always_inline u32 standing_rank(const struct mus_cpu *slot, u64 cgroup_id, u64 min_run_ns, u64 now)
{
	if (slot->taken || urgent(slot->route) || slot->local_count)
		return 4;
	return (slot->cgroup_id == cgroup_id ? 2 : 0) + !interruptible(slot, min_run_ns, now);
}

/*
 * The CPU for waking @p, of @cgroup_id, by its standing order. Best one where another cgroup's task can be interrupted, or soon will
 * have run long enough: its own cgroup gains nothing by what it takes from itself. Of equals, its own last CPU.
 */
static __always_inline s32 standing_cpu(struct task_struct *p, u64 cgroup_id, u64 min_run_ns, s32 prev, u64 now)
{
	u32 n = shared.cpu_count, i, least = standing_rank(cpu_slot(prev), cgroup_id, min_run_ns, now);
	s32 best = prev;

	bpf_for(i, 1, n < 16 ? n : 16) {
		s32 cpu = (prev + i) % n;
		struct mus_cpu *slot = cpu_slot(cpu);
		u32 rank;

		if (!least)
			break;
		if (!slot->online || slot->shard != cpu_slot(prev)->shard || !may_run(p, cpu))
			continue;
		rank = standing_rank(slot, cgroup_id, min_run_ns, now);
		if (rank < least) {
			least = rank;
			best = cpu;
		}
	}
	return best;
}

/*
 * The order of @p on the queue that it is first on. Of those that come @early, since they woke up and wait in turn: the largest there is if it does
 * not. Signed, as the kernel compares them: resumed_order().
 */
static __always_inline s64 order_of(struct task_struct *p, bool early)
{
	s64 order = (s64)p->scx.dsq_vtime;
	struct task_ctx *t;

	if (!early)
		return order;
	t = task_ctx(p);
	return t && place_state(t->at) == MUS_STATE_IN_TURN && (s64)(t->order - (u64)order) > 0 ? order : MUS_LAST_ORDER;
}

/* The same of the first task on @queue; the largest there is when it is empty. */
static __always_inline s64 first_of(u64 queue, bool early)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	s64 order = MUS_LAST_ORDER;

	if (bpf_ksym_exists(scx_bpf_dsq_peek)) { /* from 6.19 on: without a lock */
		p = scx_bpf_dsq_peek(queue);
		return p ? order_of(p, early) : order;
	}
	if (!bpf_iter_scx_dsq_new(&it, queue, 0)) {
		p = bpf_iter_scx_dsq_next(&it);
		if (p)
			order = order_of(p, early);
	}
	bpf_iter_scx_dsq_destroy(&it);
	return order;
}

static __always_inline s64 first_order(u64 queue)
{
	return first_of(queue, false);
}

/* Whether a task that has the place @order should have come before the one that runs on @slot, by more than @margin. */
static __always_inline bool comes_before(u64 order, const struct mus_cpu *slot, u64 margin)
{
	return (s64)(slot->order - order) > (s64)margin;
}

static __always_inline bool waits_locally(s32 cpu)
{
	return scx_bpf_dsq_nr_queued(SCX_ENUM(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON) | cpu) > 0;
}

static __always_inline bool waits_elsewhere(const struct mus_cpu *slot)
{
	const struct mus_shard *shard = shard_slot(slot->shard);

	return own_queue(slot) || shared_queue(shard) || shard->held_count || shard->kernel_count;
}

/* Whether none but those wait for @slot who take turns by standing order, as the one who runs there does. */
static __always_inline bool in_turn_alone(const struct mus_cpu *slot)
{
	const struct mus_shard *shard = shard_slot(slot->shard);

	return slot->route == MUS_ROUTE_IN_TURN && !own_queue(slot) && !shard->queued_count && !shard->held_count &&
	       !shard->kernel_count;
}

/* Whether those who are held have waited for so long for who runs by standing order that userspace must have forgotten them. */
static __always_inline bool keeps_out_held(const struct mus_cpu *slot, u64 now)
{
	u64 since = shard_slot(slot->shard)->undecided_since_ns;

	return since && now - since > shared.stall_ns;
}

/* Whether standing orders alone have not kept @slot for as long as a slice while others wait. */
static __always_inline bool looks_at_queues(const struct mus_cpu *slot, u64 now)
{
	return !slot->standing_since_ns || now - slot->standing_since_ns < shared.slice_ns;
}

/*
 * Whether another CPU of the shard takes from the run queues, where nothing is for @slot, that of @cpu, alone. The kernel's threads may be
 * pinned; and who is pinned here may be held and forgotten, and is rescued here: so not for longer than between two looks for such.
 */
static __always_inline bool served_elsewhere(s32 cpu, const struct mus_cpu *slot, u64 now)
{
	u32 n = shared.cpu_count, i;

	if (own_queue(slot) || shard_slot(slot->shard)->kernel_count || keeps_out_held(slot, now) ||
	    now - slot->standing_since_ns >= shared.rescue_ns / 4)
		return false;
	bpf_for(i, 1, n < 16 ? n : 16) {
		const struct mus_cpu *other = cpu_slot((cpu + i) % n);

		if (other->shard == slot->shard && other->online && !other->taken && looks_at_queues(other, now))
			return true;
	}
	return false;
}

/*
 * Whether @s may go on before those that wait for @slot. By standing orders alone it could be kept for as long as the budgets
 * last, while what is on the run queues is not looked at: after a slice of that, the next who wakes waits like every other; but for who is
 * owed most of a CPU, while the others have another one.
 */
static __always_inline bool has_turn(const struct standing_order *s, s32 cpu, u64 now)
{
	const struct mus_cpu *slot = cpu_slot(cpu);

	return looks_at_queues(slot, now) || !waits_elsewhere(slot) || (s->flags & MUS_STANDING_RETURNS && served_elsewhere(cpu, slot, now));
}

/* A run by @route begins on @slot. The kernel's own and the daemon tell nothing about the others. */
static __always_inline void note_turn(struct mus_cpu *slot, u32 route, u64 now)
{
	struct mus_shard *shard = shard_slot(slot->shard);

	if (route == MUS_ROUTE_KERNEL || route == MUS_ROUTE_DAEMON)
		return;
	if (route != MUS_ROUTE_STANDING || !waits_elsewhere(slot))
		slot->standing_since_ns = 0;
	else if (!slot->standing_since_ns)
		slot->standing_since_ns = now;
	if (route != MUS_ROUTE_DECIDED && shard->held_count) {
		if (!shard->undecided_since_ns)
			shard->undecided_since_ns = now;
	} else if (shard->undecided_since_ns) { /* written when it changes only: others read it */
		shard->undecided_since_ns = 0;
	}
}

#endif /* MUS_STANDING_BPF_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Standing orders in turn: a task waits on the shared run queue, at a place that its budget gives it, instead of interrupting. If it woke
 * up, it comes early there, and may interrupt who should have come after it.
 */
#ifndef MUS_TURNS_BPF_H
#define MUS_TURNS_BPF_H

#include "watch.bpf.h"

#define MUS_EARLY_SLICES 1 /* by how much a task that wakes comes before its turn */

/* Whether the standing order of @t lets it wait beside those that are decided on now, by @flag. While userspace is stalled, weights count. */
static __always_inline bool may_join(const struct task_struct *p, struct task_ctx *t, u32 flag, u64 now)
{
	return t->standing.flags & flag && (p->nr_cpus_allowed == 1 || (u64)p->nr_cpus_allowed >= shared.online_count) && !userspace_stalled(now) &&
	       !keeps_out_held(cpu_slot(task_cpu(p)), now) && standing_holds(t, now);
}

/*
 * Where @s puts a task on the shared run queue, in the time that decisions are ordered by: as if it had been decided on a slice ago,
 * and the earlier the more of its budget is left. A budget that time refills at the rate that the task is owed says how far it is
 * behind its share, or ahead: divided by that rate, how long ago, or when, its turn is.
 */
static __always_inline u64 turn_order(const struct standing_order *s, u64 now)
{
	u64 left = s->budget_ns < 0 ? -s->budget_ns : s->budget_ns, ago = s->rate ? left * MUS_STANDING_RATE_ONE / s->rate : 0;

	if (ago > MUS_SLICE_MAX_NS)
		ago = MUS_SLICE_MAX_NS;
	return now - s->slice_ns + (s->budget_ns < 0 ? ago : -ago);
}

/* Where a task comes that wakes, if its turn is @turn. */
static __always_inline u64 early(u64 turn)
{
	return turn - MUS_EARLY_SLICES * shared.slice_ns;
}

/* Whether who runs on @slot, or has just been interrupted there, has woken another so lately that it is about to sleep, as wakers are. */
static __always_inline bool has_just_woken(const struct mus_cpu *slot, u64 now)
{
	return now - slot->woke_other_ns < MUS_RESUME_MIN_NS;
}

/*
 * The place on @queue of a task that wakes: behind who woke up before it and is the first that waits, unless its turn comes more than a slice
 * before the other's. Who has had a little less of its share would else, each time it wakes, go before one that waits already.
 */
static __always_inline u64 woken_order(u64 turn, u64 queue)
{
	s64 order = early(turn), first = first_of(queue, true);

	return first != MUS_LAST_ORDER && first > order && first - order < (s64)shared.slice_ns ? first + 1 : order;
}

/* By how much a waking task must come before one that runs, to interrupt it: as far as that gets by its minimum run. */
static __always_inline u64 turn_margin(const struct standing_order *s)
{
	return s->rate ? s->min_run_ns * MUS_STANDING_RATE_ONE / s->rate : s->min_run_ns;
}

/* Whether nobody that waits for @cpu comes before @order. */
static __always_inline bool first_in_turn(s32 cpu, const struct mus_cpu *slot, u64 order)
{
	return !waits_locally(cpu) && (!own_queue(slot) || (s64)order < first_order(queue_id(MUS_QUEUE_CPU, cpu))) &&
	       (!shared_queue(shard_slot(slot->shard)) || (s64)order < first_order(queue_id(MUS_QUEUE_SHARED, slot->shard)));
}

/*
 * @t woke up and waits by @order: interrupts who runs, has had its minimum and should have come after it. Where nobody has had that
 * yet, one is looked at again when it has.
 */
static __always_inline void interrupt_for_turn(const struct task_struct *p, const struct task_ctx *t, s32 prev, u64 order,
					       u64 now)
{
	u64 min_run = t->standing.min_run_ns, margin = turn_margin(&t->standing), earliest = ~0ull;
	u32 n = shared.cpu_count, i, looks = p->nr_cpus_allowed == 1 ? 1 : n < 16 ? n : 16;
	s32 soonest = -1;

	bpf_for(i, 0, looks) {
		s32 cpu = (prev + i) % n;
		struct mus_cpu *slot = cpu_slot(cpu);

		if (!slot->online || slot->taken || slot->shard != cpu_slot(prev)->shard || urgent(slot->route) ||
		    !slot->running_since_ns || !comes_before(order, slot, margin))
			continue;
		if (interruptible(slot, min_run, now)) {
			slot->running_since_ns = 0; /* on its way out: once is enough */
			count(preemptions);
			scx_bpf_kick_cpu(cpu, SCX_ENUM(scx_kick_flags, SCX_KICK_PREEMPT));
			return;
		}
		if (slot->running_since_ns < earliest) {
			earliest = slot->running_since_ns;
			soonest = cpu;
		}
	}
	if (soonest >= 0 && (!cpu_slot(soonest)->min_run_ns || cpu_slot(soonest)->turn_waits)) {
		interrupt_later(soonest, cpu_slot(soonest), min_run, now);
		cpu_slot(soonest)->turn_waits = margin ?: 1;
	}
}

/*
 * Whether a task with the place @order should have come, by more than @margin, before one that runs on @cpu; or, if it may run nowhere
 * else, before any of those that run in its shard: it is one of the first as many as there are CPUs, and who runs on @cpu could be elsewhere.
 */
static __always_inline bool is_due(u64 order, s32 cpu, bool pinned, u64 margin)
{
	u32 n = shared.cpu_count, i, shard = cpu_slot(cpu)->shard;

	if (comes_before(order, cpu_slot(cpu), margin))
		return true;
	if (!pinned || cpu_slot(cpu)->pinned)
		return false;
	bpf_for(i, 1, n < 16 ? n : 16) {
		struct mus_cpu *slot = cpu_slot((cpu + i) % n);

		if (slot->online && !slot->taken && !slot->pinned && slot->shard == shard && slot->running_since_ns && !urgent(slot->route) &&
		    comes_before(order, slot, margin))
			return true;
	}
	return false;
}

/*
 * Obeys a standing order in turn: @p waits on the shared run queue, where it comes before those that have had more of their share. If it
 * woke up, it comes a slice before its turn, until it runs: from then on it is its turn that counts. So it soon has a CPU, at the cost of
 * one who has had its CPU for a while since it woke up itself and waits for no longer than that slice.
 */
static __always_inline void join_in_turn(struct task_struct *p, struct task_ctx *t, bool woke, u64 enq_flags, u64 now)
{
	s32 cpu = task_cpu(p), idle;
	struct mus_cpu *slot = cpu_slot(cpu);
	bool pinned = p->nr_cpus_allowed == 1;
	u32 shard = slot->shard;
	u64 turn = turn_order(&t->standing, now), order = turn;
	u64 queue = pinned ? queue_id(MUS_QUEUE_CPU, cpu) : queue_id(MUS_QUEUE_SHARED, shard);

	if (woke)
		order = (pinned ? own_queue(slot) : shared_queue(shard_slot(shard))) ? woken_order(turn, queue) : early(turn);
	t->route = MUS_ROUTE_IN_TURN;
	t->order = turn;
	t->slice_ns = t->standing.slice_ns;
	if (woke && interruptible(slot, t->standing.min_run_ns, now) && is_due(order, cpu, pinned, turn_margin(&t->standing)) &&
	    first_in_turn(cpu, slot, order)) { /* by way of the queue it would come to the same, later */
		slot->running_since_ns = 0;
		count(preemptions);
		enter(t, place(MUS_STATE_LOCAL, shard, cpu));
		dsq_insert(p, SCX_ENUM(scx_dsq_id_flags, SCX_DSQ_LOCAL), t->slice_ns, enq_flags | SCX_ENUM(scx_enq_flags, SCX_ENQ_PREEMPT));
		return;
	}
	enter(t, place(MUS_STATE_IN_TURN, shard, pinned ? cpu : -1));
	dsq_insert_vtime(p, queue, t->slice_ns, order, enq_flags);
	idle = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, SCX_ENUM(scx_kick_flags, SCX_KICK_IDLE));
	else if (woke)
		interrupt_for_turn(p, t, cpu, order, now);
}

#endif /* MUS_TURNS_BPF_H */

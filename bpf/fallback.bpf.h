/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The order that the held queue keeps, so that the system goes on fairly when userspace does not decide.
 * Each cgroup has one virtual clock, which runs slower the larger its weight. A task that is held takes
 * the clock's value as its place and moves the clock on by what it is expected to run at once (so sixteen tasks of a
 * group get sixteen places, not one); what it really used is settled when it stops. Not by a slice whoever it is: places
 * that were taken are not settled, and the last of many short sleepers that wake together would come after as many slices.
 */
#ifndef MUS_FALLBACK_BPF_H
#define MUS_FALLBACK_BPF_H

#include "cgroups.bpf.h"

static __always_inline u32 fallback_weight(const struct mus_cgroup *cg)
{
	u32 weight = cg->effective_weight ?: cg->weight;

	return weight ?: MUS_WEIGHT_DEFAULT;
}

/* How long @p may run when taken without a decision: nice weighs here, within its cgroup. */
static __always_inline u64 fallback_slice(const struct task_struct *p)
{
	u64 slice = shared.slice_ns * (p->scx.weight ?: MUS_WEIGHT_DEFAULT) / MUS_WEIGHT_DEFAULT;

	if (slice > 2 * shared.slice_ns)
		slice = 2 * shared.slice_ns;
	return slice < MUS_SLICE_MIN_NS ? MUS_SLICE_MIN_NS : slice;
}

/*
 * The same for a task that is held: half of it, so that turns come twice as often. Whoever has waited while userspace was stalled
 * may have to wait again for the order that userspace keeps when it is back.
 */
static __always_inline u64 held_slice(const struct task_struct *p)
{
	u64 slice = fallback_slice(p) / 2;

	return slice < MUS_SLICE_MIN_NS ? MUS_SLICE_MIN_NS : slice;
}

/* What @t will run of a slice of @slice_ns, as far as can be known: what it ran when it was awake last. */
static __always_inline u64 fallback_expected(const struct task_ctx *t, u64 slice_ns)
{
	u64 run = t->last_burst_ns > t->burst_ns ? t->last_burst_ns : t->burst_ns;

	return t->flags & MUS_TASK_LONG || !t->last_burst_ns || run > slice_ns ? slice_ns : run;
}

/* Settles what was charged ahead with what @t, of @cg, has really used. */
static __always_inline void fallback_settle(struct task_ctx *t, struct mus_cgroup *cg)
{
	s64 delta = (s64)(t->unsettled_ns * MUS_WEIGHT_DEFAULT / fallback_weight(cg)) - (s64)t->upfront_ns;

	t->unsettled_ns = 0;
	t->upfront_ns = 0;
	__sync_fetch_and_add(&cg->fallback_vtime_ns, delta);
}

/* Books with its cgroup what @t has used and waited for since the last time. */
static __always_inline void settle(struct task_ctx *t)
{
	struct mus_cgroup *cg = cgroup_of(t);
	u32 bucket = t->wait_bucket, runs = t->wait_runs;

	t->wait_runs = 0;
	if (!cg)
		return;
	fallback_settle(t, cg);
	barrier_var(bucket); /* checked in the register that is used */
	if (bucket < MUS_WAIT_BUCKETS)
		__sync_fetch_and_add(&cg->waits[bucket], runs);
}

/* Takes a place in the held queue for @t, its expected run charged ahead. Sleepers keep one slice of credit at most. */
static __always_inline void fallback_place(struct task_ctx *t, const struct mus_shard *shard, u64 slice_ns)
{
	struct mus_cgroup *cg = cgroup_of(t);
	u64 floor = shard->fallback_clock_ns, weight, credit, cost, place;

	t->place_ns = floor;
	if (!cg)
		return;
	fallback_settle(t, cg);
	weight = fallback_weight(cg);
	credit = slice_ns * MUS_WEIGHT_DEFAULT / weight;
	cost = fallback_expected(t, slice_ns) * MUS_WEIGHT_DEFAULT / weight;
	floor = floor > credit ? floor - credit : 0;
	place = cg->fallback_vtime_ns;
	if (place < floor) { /* two CPUs may write here at once: either value is within the credit */
		place = floor;
		cg->fallback_vtime_ns = floor;
	}
	__sync_fetch_and_add(&cg->fallback_vtime_ns, cost);
	t->upfront_ns = cost;
	t->place_ns = place;
}

/* @t begins to run: the shard's clock is the furthest place that was served. It bounds what sleepers keep. */
static __always_inline void fallback_advance(const struct task_ctx *t, struct mus_shard *shard)
{
	if ((s64)(t->place_ns - shard->fallback_clock_ns) > 0)
		shard->fallback_clock_ns = t->place_ns;
}

/* Whether userspace was asked and has not looked for stall_ns. */
static __always_inline bool userspace_stalled(u64 now)
{
	u64 asked = shared.asked_ns;

	return asked && (s64)(now - asked) > (s64)shared.stall_ns;
}

#endif /* MUS_FALLBACK_BPF_H */

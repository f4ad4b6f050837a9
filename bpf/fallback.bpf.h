/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The order that the held queue keeps, so that the system goes on fairly when userspace does not decide.
 * Each cgroup has one virtual clock, which runs slower the larger its weight. A task that is held takes
 * the clock's value as its place and moves the clock on by a slice at once (so sixteen tasks of a
 * group get sixteen places, not one); what it really used is settled when it stops.
 */
#ifndef MUS_FALLBACK_BPF_H
#define MUS_FALLBACK_BPF_H

#include "state.bpf.h"

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

/* Takes a place in the held queue for @t, @slice_ns charged ahead. Sleepers keep one slice of credit at most. */
static __always_inline void fallback_place(struct task_ctx *t, const struct mus_shard *shard, u64 slice_ns)
{
	struct mus_cgroup *cg = bpf_map_lookup_elem(&cgroups, &t->cgroup_id);
	u64 floor = shard->fallback_clock_ns, weight, cost, place;

	t->place_ns = floor;
	if (!cg)
		return;
	weight = fallback_weight(cg);
	cost = slice_ns * MUS_WEIGHT_DEFAULT / weight;
	floor = floor > cost ? floor - cost : 0;
	place = cg->fallback_vtime_ns;
	if (place < floor) { /* two CPUs may write here at once: either value is within the credit */
		place = floor;
		cg->fallback_vtime_ns = floor;
	}
	__sync_fetch_and_add(&cg->fallback_vtime_ns, cost);
	t->upfront_ns = cost;
	t->place_ns = place;
}

/* Settles what was charged ahead with the @used_ns that @t really ran: 0 when it left without running. */
static __always_inline void fallback_settle(struct task_ctx *t, u64 used_ns)
{
	struct mus_cgroup *cg = bpf_map_lookup_elem(&cgroups, &t->cgroup_id);
	s64 delta;

	if (!cg)
		return;
	delta = (s64)(used_ns * MUS_WEIGHT_DEFAULT / fallback_weight(cg)) - (s64)t->upfront_ns;
	t->upfront_ns = 0;
	__sync_fetch_and_add(&cg->fallback_vtime_ns, delta);
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

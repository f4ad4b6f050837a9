/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Standing orders that interrupt, and tasks of one cgroup that are owed most of a CPU and wake each other: they hand one CPU to and fro
 * on the kernel's own queue of it, and others have what is left.
 */
#ifndef MUS_SIBLINGS_BPF_H
#define MUS_SIBLINGS_BPF_H

#include "watch.bpf.h"

#define MUS_BRIEF_SLICES 4 /* who works for less than so many before it sleeps hands its CPU to a sibling soon */

/*
 * Whether @t, which is owed most of a CPU, waits behind the one of its cgroup that runs on @slot, and has woken it: where that works briefly
 * they hand one CPU to and fro, nobody is interrupted, and others have what is left.
 */
static __always_inline bool stays_behind(const struct task_ctx *t, const struct mus_cpu *slot)
{
	return t->standing.flags & MUS_STANDING_RETURNS && slot->cgroup_id == t->cgroup_id && slot->running_since_ns && !slot->taken &&
	       !slot->local_count && slot->last_burst_ns && slot->last_burst_ns < MUS_BRIEF_SLICES * shared.slice_ns;
}

/* Whether a sibling of @t that is owed most of a CPU waits on the kernel's own queue of @cpu, and @t, which works briefly, takes turns with it. */
static __always_inline bool takes_turns_with_sibling(const struct task_ctx *t, s32 cpu, u64 now)
{
	const struct mus_cpu *slot = cpu_slot(cpu);

	return slot->local_count && slot->returns_cgroup_id == t->cgroup_id && t->burst_ns < MUS_BRIEF_SLICES * shared.slice_ns &&
	       has_turn(&t->standing, cpu, now);
}

/*
 * Whether @t, interrupted on @slot by a thread of the kernel's or the daemon's, goes on before the sibling that waits behind it: what it was about
 * to hand over whole would else go to and fro in parts, each of which waits for the other.
 */
static __always_inline bool before_sibling(const struct mus_cpu *slot, const struct task_ctx *t)
{
	return slot->privileged_waits && slot->local_count > 1 && slot->returns_cgroup_id == t->cgroup_id;
}

/* Whether @slot, where @p was interrupted, is not soon free again: by one of another cgroup that is owed most of a CPU. */
static __always_inline bool is_kept(const struct mus_cpu *slot, const struct task_struct *p, const struct task_ctx *t)
{
	return slot->local_count && slot->returns_cgroup_id && slot->returns_cgroup_id != t->cgroup_id && !slot->privileged_waits &&
	       (u64)p->nr_cpus_allowed >= shared.online_count;
}

/* What @s leaves to others after a slice of its own, so that it has no more than its rate: something, whatever it says. */
static __always_inline u64 return_min_run(const struct standing_order *s)
{
	u64 others = s->rate && s->rate < MUS_STANDING_RATE_ONE ? s->slice_ns * (MUS_STANDING_RATE_ONE - s->rate) / s->rate : 0;

	if (others < MUS_SLICE_MIN_NS)
		others = MUS_SLICE_MIN_NS;
	return others > s->min_run_ns ? others : s->min_run_ns;
}

/* Obeys the standing order of @p: onto its CPU at once, interrupting what has had @min_run. Behind a @sibling, later, and for all of a slice. */
static __always_inline void standing_enqueue(struct task_struct *p, struct task_ctx *t, bool sibling, u64 min_run, u64 enq_flags, u64 now)
{
	s32 cpu = task_cpu(p);
	struct mus_cpu *slot = cpu_slot(cpu);

	t->slice_ns = sibling ? shared.slice_ns : t->standing.slice_ns;
	if (!sibling && interruptible(slot, min_run, now)) {
		enq_flags |= SCX_ENUM(scx_enq_flags, SCX_ENQ_PREEMPT);
		slot->running_since_ns = 0; /* on its way out: once is enough */
		count(preemptions);
	} else {
		interrupt_later(cpu, slot, min_run, now);
	}
	slot->returns_cgroup_id = t->standing.flags & MUS_STANDING_RETURNS ? t->cgroup_id : 0;
	enter(t, place(MUS_STATE_LOCAL, slot->shard, cpu));
	t->route = MUS_ROUTE_STANDING;
	dsq_insert(p, SCX_ENUM(scx_dsq_id_flags, SCX_DSQ_LOCAL), t->slice_ns, enq_flags);
}

#endif /* MUS_SIBLINGS_BPF_H */

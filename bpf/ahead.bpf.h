/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A task that uses up its slices is announced when it begins to run, not when it stops: so userspace can compare it with
 * those that wait, and decide on its next slice before this one ends. If it comes first it goes on without a switch.
 */
#ifndef MUS_AHEAD_BPF_H
#define MUS_AHEAD_BPF_H

#include "events.bpf.h"
#include "turns.bpf.h"

#define MUS_REPORT_SLICES 8 /* who runs by standing order is told of this often */

/*
 * @t begins a slice: tells userspace of it if it is likely to use all of it, and that is @worth an event: others want the
 * CPU too, or userspace counts the slice among those that have not begun, and has to be told.
 */
static __always_inline void announce_ahead(struct task_struct *p, struct task_ctx *t, bool worth, u64 now)
{
	clear_flag(t, MUS_TASK_AHEAD);
	if (!(t->flags & MUS_TASK_LONG) || !wanted(MUS_EVENT_RUNNING) || !worth)
		return;
	__sync_fetch_and_add(&t->generation, 1);
	t->resyncs = shared.resyncs;
	set_flag(t, MUS_TASK_AHEAD); /* before the event: the answer may come at once */
	if (!post_task_event(MUS_EVENT_RUNNING, 0, p, t, p->cpus_ptr, 0, now))
		clear_flag(t, MUS_TASK_AHEAD);
}

/*
 * @t begins a slice, and its standing order takes it on when that ends: there is nothing to decide on. Userspace is told what
 * it has used, now and then; and if it decided on this slice ahead, that this has begun.
 */
static __always_inline void report_in_turn(struct task_struct *p, struct task_ctx *t, u64 now)
{
	bool ahead = t->flags & MUS_TASK_AHEAD;

	clear_flag(t, MUS_TASK_AHEAD);
	if (!wanted(MUS_EVENT_REPORT) || !(t->flags & MUS_TASK_KNOWN) ||
	    (!ahead && (s64)(now - t->reported_ns) < (s64)(MUS_REPORT_SLICES * shared.slice_ns)))
		return;
	post_task_event(MUS_EVENT_REPORT, MUS_EVENT_STANDING, p, t, p->cpus_ptr, 0, now);
	if ((s64)(now - shared.looked_ns) > (s64)(2 * MUS_REPORT_SLICES * shared.slice_ns))
		wake_userspace(now);
}

/* @t goes on, though nobody has decided so: userspace is told of what it has used, now and then. */
static __always_inline void report_use(struct task_struct *p, struct task_ctx *t, u64 now)
{
	if (t->flags & MUS_TASK_KNOWN && wanted(MUS_EVENT_REPORT) && t->unreported_ns >= shared.report_ns)
		post_task_event(MUS_EVENT_REPORT, MUS_EVENT_STANDING, p, t, p->cpus_ptr, 0, now);
}

/* @t begins a slice: userspace hears of it, if it should. */
static __always_inline void tell_begin(struct task_struct *p, struct task_ctx *t, bool worth, u64 now)
{
	if (may_join(p, t, MUS_STANDING_AGAIN, now))
		report_in_turn(p, t, now);
	else
		announce_ahead(p, t, worth || t->flags & MUS_TASK_AHEAD, now);
}

/*
 * @p has begun what was decided for it: userspace is asked for more, if there is anything to decide on. Not when a task
 * goes on after an interruption: nothing was used up then, and it was the daemon that interrupted it, perhaps. What is
 * pinned here, and wants to go on, is compared in time: when its slice ends, the others' may be decided already.
 */
static __always_inline void want_more(const struct task_struct *p, const struct task_ctx *t, const struct mus_cpu *slot,
				      u64 now)
{
	const struct mus_shard *shard = shard_slot(slot->shard);

	if ((!own_queue(slot) && shard->queued_count <= shared.low_water && shard->held_count) ||
	    (p->nr_cpus_allowed == 1 && t->flags & MUS_TASK_AHEAD && waits_elsewhere(slot)))
		wake_userspace(now);
}

/* Whether userspace knows of @t as one that waits for its next slice. After a resync, it may not. */
static __always_inline bool known_ahead(const struct task_ctx *t)
{
	return t->flags & MUS_TASK_AHEAD && t->resyncs == shared.resyncs;
}

static __always_inline u64 take_ahead(struct task_ctx *t)
{
	return __sync_lock_test_and_set(&t->next_slice_ns, 0);
}

static __always_inline void forget_ahead(struct task_ctx *t)
{
	clear_flag(t, MUS_TASK_AHEAD);
	if (t->next_slice_ns)
		take_ahead(t);
}

/*
 * Its slice has not ended, or it was interrupted and will go on, perhaps from its CPU's local queue: a decision is for the next one.
 * Were one refused here, which userspace does not hear of, both would wait for the other at the end of the slice.
 */
static __always_inline bool in_slice(const struct task_ctx *t)
{
	u32 state = place_state(t->at);

	return state == MUS_STATE_RUNNING || state == MUS_STATE_RESUMED || state == MUS_STATE_LOCAL;
}

/*
 * Stores a decision for the next slice. False: the slice has just ended, and it was too late. The task changes its place
 * first and looks for a decision then, and here it is the other way around: one of the two sees the other.
 */
static __always_inline bool decide_ahead(struct task_ctx *t, const struct mus_decision *d)
{
	t->next_order = d->order;
	t->next_target = d->target;
	__sync_lock_test_and_set(&t->next_slice_ns, d->slice_ns);
	return in_slice(t) || !take_ahead(t);
}

#endif /* MUS_AHEAD_BPF_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A decision is applied: the task is moved from the held queue to a run queue. Nothing that userspace
 * writes is trusted; a decision that is out of date fails here and harms nobody.
 */
#ifndef MUS_COMMIT_BPF_H
#define MUS_COMMIT_BPF_H

#include "ahead.bpf.h"
#include "events.bpf.h"
#include "watch.bpf.h"

/* A CPU that had nothing decided to run, and is not about to look by itself: the daemon, which may be what runs there,
 * leaves it soon. */
static __always_inline bool starved(s32 cpu)
{
	return cpu_slot(cpu)->starved_since_ns && !urgent(cpu_slot(cpu)->route);
}

/* Someone should take what was queued: an idle CPU, one that had nothing decided to run, or, if it is urgent, one
 * that can be interrupted. */
static __always_inline void kick_for(struct task_struct *p, u64 cgroup_id, struct mus_shard *shard,
				     const struct mus_decision *d)
{
	u64 idle = SCX_ENUM(scx_kick_flags, SCX_KICK_IDLE), preempt = SCX_ENUM(scx_kick_flags, SCX_KICK_PREEMPT);
	s32 cpu = d->target;
	u64 now;

	if (cpu >= 0) {
		scx_bpf_kick_cpu(cpu, starved(cpu) ? preempt : idle);
	} else {
		cpu = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
		if (cpu >= 0) {
			scx_bpf_kick_cpu(cpu, idle);
			return;
		}
		/* Its own CPU may be between two tasks: not idle yet, and past the run queues. */
		scx_bpf_kick_cpu(task_cpu(p), idle);
		cpu = shard->starved_cpu - 1;
		if (cpu >= 0 && starved(cpu)) {
			shard->starved_cpu = 0;
			scx_bpf_kick_cpu(cpu, preempt);
			return;
		}
	}
	if (!(d->flags & MUS_DECIDE_URGENT))
		return;
	now = now_ns();
	if (cpu < 0)
		cpu = standing_cpu(p, cgroup_id, d->standing_min_run_ns, task_cpu(p), now);
	if (interruptible(cpu_slot(cpu), d->standing_min_run_ns, now)) {
		cpu_slot(cpu)->running_since_ns = 0;
		scx_bpf_kick_cpu(cpu, preempt);
		count(preemptions);
	} else if (!urgent(cpu_slot(cpu)->route)) {
		interrupt_later(cpu, cpu_slot(cpu), d->standing_min_run_ns, now);
	}
}

static __always_inline u32 check_move(struct task_struct *p, const struct mus_decision *d)
{
	if (d->slice_ns < MUS_SLICE_MIN_NS || d->slice_ns > MUS_SLICE_MAX_NS)
		return MUS_REFUSED_BAD_SLICE;
	if (d->target == MUS_TARGET_ANY)
		return MUS_REFUSED_NONE;
	if (d->target < 0 || d->target >= (s32)shared.cpu_count || d->target >= (s32)MUS_MAX_CPUS ||
	    !cpu_slot(d->target)->online || !may_run(p, d->target))
		return MUS_REFUSED_BAD_CPU;
	return MUS_REFUSED_NONE;
}

static __always_inline void note_decision(void)
{
	count(decisions);
	decided_ns = now_ns();
}

/*
 * Moves @p, which is held at @from, as @d says. The iterator comes first: what comes on the queue after it is not moved, so
 * a task that has run and is held again since its generation was looked at stays. Then its place changes, since @p may begin
 * to run before the move returns; from then on its context is no longer ours. What was granted is read from the task
 * when it runs.
 */
static __always_inline u32 move_decided(struct task_struct *p, struct task_ctx *t, place_t from,
					const struct mus_decision *d)
{
	struct bpf_iter_scx_dsq it;
	u32 shard = place_shard(from), refusal = MUS_REFUSED_STALE;
	place_t queued = place(MUS_STATE_QUEUED, shard, d->target) | MUS_PLACE_BY_COMMIT;
	u64 to = d->target < 0 ? queue_id(MUS_QUEUE_SHARED, shard) : queue_id(MUS_QUEUE_CPU, d->target), cgroup_id = t->cgroup_id;

	if (!bpf_iter_scx_dsq_new(&it, queue_id(MUS_QUEUE_HELD, shard), 0) && t->generation == d->generation &&
	    move(t, from, queued)) {
		if (dsq_move_vtime(&it, p, to, d->slice_ns, d->order))
			refusal = MUS_REFUSED_NONE;
		else if (move(t, queued, from)) /* else taken by fallback this instant */
			refusal = MUS_REFUSED_NOT_YET; /* ops.enqueue has announced it and not returned yet */
	}
	bpf_iter_scx_dsq_destroy(&it);
	if (refusal == MUS_REFUSED_NONE) {
		note_decision();
		kick_for(p, cgroup_id, shard_slot(shard), d);
	} else if (refusal == MUS_REFUSED_NOT_YET) { /* for a moment it did not look held: who looked then looks again */
		scx_bpf_kick_cpu(task_cpu(p), SCX_ENUM(scx_kick_flags, SCX_KICK_IDLE));
	}
	return refusal;
}

static __always_inline u32 apply_to(struct task_struct *p, struct task_ctx *t, const struct mus_decision *d)
{
	u32 refusal = MUS_REFUSED_NONE;
	bool ahead = t->flags & MUS_TASK_AHEAD && in_slice(t);
	place_t at;

	if (d->flags & MUS_DECIDE_MOVE) {
		if (t->generation != d->generation || (!ahead && place_state(t->at) != MUS_STATE_HELD))
			return MUS_REFUSED_STALE;
		refusal = check_move(p, d);
		if (refusal)
			return refusal;
		if (ahead && decide_ahead(t, d)) {
			note_decision();
		} else {
			at = t->at;
			if (place_state(at) != MUS_STATE_HELD)
				return MUS_REFUSED_STALE;
			refusal = move_decided(p, t, at, d);
		}
	}
	if (!refusal && d->flags & MUS_DECIDE_STANDING)
		standing_set(&t->standing, d, now_ns());
	return refusal;
}

static __always_inline u32 apply_decision(const struct mus_decision *d)
{
	struct task_struct *p;
	struct task_ctx *t;
	u32 refusal = MUS_REFUSED_UNKNOWN_PID;

	if (d->flags & ~MUS_DECIDE_FLAGS || d->reserved || !standing_valid(d))
		refusal = MUS_REFUSED_BAD_FIELD;
	p = bpf_task_from_pid(d->pid);
	if (!p)
		return refusal;
	t = task_ctx(p);
	if (t) {
		if (refusal != MUS_REFUSED_BAD_FIELD)
			refusal = apply_to(p, t, d);
		if (refusal && refusal != MUS_REFUSED_STALE && t->generation == d->generation)
			post_task_event(MUS_EVENT_REFUSED, 0, p, t, p->cpus_ptr, refusal, now_ns());
		if (refusal == MUS_REFUSED_NOT_YET) /* by the time that it looks, the task will be there */
			wake_userspace(now_ns());
	}
	bpf_task_release(p);
	return refusal;
}

/* Whatever userspace says of others, what waits on a run queue comes before them in the end. */
static __always_inline u64 bounded_order(u64 order, u64 now)
{
	s64 later = order - now;

	if (later > (s64)MUS_ORDER_SPAN_NS)
		return now + MUS_ORDER_SPAN_NS;
	return later < -(s64)MUS_ORDER_SPAN_NS ? now - MUS_ORDER_SPAN_NS : order;
}

static long drained(struct bpf_dynptr *record, void *nothing)
{
	struct mus_decision d;
	u32 refusal = MUS_REFUSED_BAD_RECORD;

	if (!bpf_dynptr_read(&d, sizeof(d), record, 0, 0) && !bpf_dynptr_data(record, 0, sizeof(d) + 1)) {
		d.order = bounded_order(d.order, now_ns());
		refusal = apply_decision(&d);
	}
	if (refusal)
		count(refused[refusal & (MUS_REFUSALS - 1)]);
	return 0;
}

_Static_assert((MUS_REFUSALS & (MUS_REFUSALS - 1)) == 0, "masked above");

/* Applies what is in the decision ring. -EBUSY: another CPU is at it, which is as good. */
static __always_inline long drain_decisions(void)
{
	return bpf_user_ringbuf_drain(&decisions, drained, NULL, BPF_RB_NO_WAKEUP);
}

#endif /* MUS_COMMIT_BPF_H */

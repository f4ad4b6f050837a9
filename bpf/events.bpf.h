/* SPDX-License-Identifier: GPL-2.0-only */
/* Telling userspace: writing events, and waking it when it is needed and not before. */
#ifndef MUS_EVENTS_BPF_H
#define MUS_EVENTS_BPF_H

#include "state.bpf.h"

/*
 * Wakes userspace, once for each time that it looks. It writes 0 to asked_ns before it drains the ring,
 * so an event written before that is drained, and one written after it finds 0 and wakes it again.
 * A discarded record carries the wakeup, so that no message is needed.
 */
static __always_inline void wake_userspace(u64 now)
{
	void *nothing;

	if (shared.asked_ns || __sync_val_compare_and_swap(&shared.asked_ns, 0, now ?: 1))
		return;
	nothing = bpf_ringbuf_reserve(&events, sizeof(u64), 0);
	if (!nothing)
		return; /* full: userspace looks by itself now and then, and finds resync_wanted */
	bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
	count(wakes);
}

static __always_inline bool wanted(u32 kind)
{
	return shared.event_mask & MUS_EVENT_BIT(kind);
}

static __always_inline struct mus_event *event_reserve(u64 now)
{
	struct mus_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		count(events_lost);
		shared.resync_wanted = 1;
		wake_userspace(now);
	}
	return e;
}

static __always_inline void event_submit(struct mus_event *e, u64 now)
{
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	count(events);
	if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > 2 << 20) /* half of the ring */
		wake_userspace(now);
}

static __always_inline void fill_affinity(struct mus_event *e, const struct task_struct *p,
					  const struct cpumask *allowed)
{
	e->allowed_count = p->nr_cpus_allowed;
	if (migration_disabled(p, 2)) {
		e->affinity = MUS_AFFINITY_ONE;
		e->allowed_count = 1;
		e->allowed_cpu = task_cpu(p);
	} else {
		e->affinity = e->allowed_count >= shared.online_count ? MUS_AFFINITY_ALL
			      : e->allowed_count == 1		       ? MUS_AFFINITY_ONE
								       : MUS_AFFINITY_SOME;
		e->allowed_cpu = bpf_cpumask_first(allowed);
	}
}

/* An event about a task. Returns false if the ring was full: then a resync will repeat it. */
static __always_inline bool post_task_event(u32 kind, u32 flags, struct task_struct *p, struct task_ctx *t,
					    const struct cpumask *allowed, u64 arg, u64 now)
{
	struct mus_event *e = event_reserve(now);

	if (!e)
		return false;
	e->kind = kind;
	e->flags = flags;
	if (!(t->flags & MUS_TASK_KNOWN))
		e->flags |= MUS_EVENT_NEW_TASK;
	if (p->flags & PF_KTHREAD)
		e->flags |= MUS_EVENT_KTHREAD;
	e->pid = p->pid;
	e->tgid = p->tgid;
	e->generation = t->generation;
	e->cgroup_id = t->cgroup_id;
	e->now_ns = now;
	e->run_ns = __sync_lock_test_and_set(&t->unreported_ns, 0);
	e->wake_ns = t->wake_ns;
	e->sleep_ns = t->sleep_ns;
	e->waker_pid = t->waker_pid;
	e->cpu = task_cpu(p);
	e->weight = p->scx.weight;
	fill_affinity(e, p, allowed);
	e->arg = arg;
	t->reported_ns = now;
	if (!(t->flags & MUS_TASK_KNOWN))
		set_flag(t, MUS_TASK_KNOWN);
	event_submit(e, now);
	return true;
}

/* An event that is about a CPU or a cgroup. These are few and always sent. */
static __always_inline void post_event(u32 kind, s32 cpu, u64 cgroup_id, u32 weight, u64 arg)
{
	u64 now = now_ns();
	struct mus_event *e = event_reserve(now);

	if (!e)
		return;
	__builtin_memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->cpu = cpu;
	e->cgroup_id = cgroup_id;
	e->weight = weight;
	e->arg = arg;
	e->now_ns = now;
	event_submit(e, now);
	wake_userspace(now);
}

#endif /* MUS_EVENTS_BPF_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* A task begins to run, stops, goes to sleep: where its CPU time is measured and its standing order drained. */
#ifndef MUS_RUN_BPF_H
#define MUS_RUN_BPF_H

#include "ahead.bpf.h"
#include "events.bpf.h"
#include "fallback.bpf.h"
#include "handover.bpf.h"
#include "watch.bpf.h"

#define MUS_SETTLE_NS 5000000 /* who is not held may run, on and off, for so long before its cgroup is charged with it */

static __always_inline void run_begins(struct task_struct *p, struct task_ctx *t, u64 now)
{
	s32 cpu = task_cpu(p);
	struct mus_cpu *slot = cpu_slot(cpu);
	place_t from = enter(t, place(MUS_STATE_RUNNING, slot->shard, cpu));
	u32 old = place_state(from), route;
	bool in_turn = old == MUS_STATE_IN_TURN || (old == MUS_STATE_LOCAL && t->route == MUS_ROUTE_IN_TURN);

	if (old == MUS_STATE_HELD) { /* nobody decided: the kernel half took it */
		t->route = slot->stalled ? MUS_ROUTE_FALLBACK : MUS_ROUTE_HELD;
		fallback_advance(t, shard_slot(place_shard(from)));
	} else if (old == MUS_STATE_QUEUED) {
		t->route = MUS_ROUTE_DECIDED;
		t->slice_ns = p->scx.slice;
		fallback_advance(t, shard_slot(place_shard(from)));
	} else if (old == MUS_STATE_RESUMED) {
		fallback_advance(t, shard_slot(place_shard(from)));
	} else if (old == MUS_STATE_IN_TURN) {
		t->slice_ns = p->scx.slice;
	} else if (old == MUS_STATE_NONE) { /* the kernel dispatched it by itself: exiting, migration disabled */
		t->route = is_daemon(p) ? MUS_ROUTE_DAEMON : MUS_ROUTE_KERNEL;
		t->slice_ns = p->scx.slice;
	} else if (old == MUS_STATE_RUNNING) { /* a task of a higher class had the CPU, or the kernel took it back itself */
		t->route = MUS_ROUTE_RESUMED;
		t->slice_ns = p->scx.slice;
	}
	if (old == MUS_STATE_QUEUED)
		t->order = p->scx.dsq_vtime;
	else if (!in_turn && old != MUS_STATE_RESUMED && old != MUS_STATE_RUNNING)
		t->order = now;
	if (in_turn)
		set_flag(t, MUS_TASK_IN_TURN);
	else if (old != MUS_STATE_RESUMED && old != MUS_STATE_RUNNING)
		clear_flag(t, MUS_TASK_IN_TURN);
	clear_flag(t, MUS_TASK_YIELDED);
	t->waited_ns = t->ready_ns ? now - t->ready_ns : 0;
	t->ready_ns = 0;
	if (t->route == MUS_ROUTE_IDLE && old == MUS_STATE_LOCAL && !(t->flags & MUS_TASK_HANDED))
		note_idle_wait(t, slot);
	clear_flag(t, MUS_TASK_HANDED);
	t->run_start_ns = p->se.sum_exec_runtime;
	slot->taken = 0;
	slot->route = t->route;
	slot->running_pid = p->pid;
	slot->cgroup_id = t->cgroup_id;
	slot->running_since_ns = now;
	slot->order = t->order;
	slot->pinned = p->nr_cpus_allowed == 1;
	slot->privileged_waits = 0;
	slot->woke_ns = 0;
	slot->woke_other_ns = 0;
	slot->handovers = t->handovers;
	if (t->route != MUS_ROUTE_DAEMON) /* the daemon's run feeds nobody yet */
		slot->starved_since_ns = 0;
	slot->slice_end_ns = now + p->scx.slice;
	slot->last_burst_ns = t->last_burst_ns;
	slot->sleeps_by_ns = t->burst_ns < t->last_burst_ns ? now + t->last_burst_ns - t->burst_ns : 0;
	note_turn(slot, t->route, now);
	watch_run(cpu, slot, now);
	route = t->route;
	barrier_var(route); /* read once, and checked in the register that is used */
	if (route < MUS_ROUTES)
		count(runs[route]);
	if (old == MUS_STATE_HELD || old == MUS_STATE_QUEUED || in_turn) {
		tell_begin(p, t, waits_elsewhere(slot), now);
		want_more(p, t, slot, now);
	}
}

/* Charges what @t has used since its run began, or since this was called last. */
static __always_inline void account_run(struct task_struct *p, struct task_ctx *t, u64 now)
{
	u64 used = p->se.sum_exec_runtime - t->run_start_ns;

	t->run_start_ns += used;
	t->slice_ns -= used < t->slice_ns ? used : t->slice_ns;
	t->burst_ns += used;
	__sync_fetch_and_add(&t->unreported_ns, used);
	if (!is_daemon(p)) /* it takes no place there: not at the cost of whoever shares its cgroup */
		t->unsettled_ns += used;
	standing_drain(&t->standing, used, now);
}

/* How many bits @value has. No loop: the verifier would walk each turn. */
static __always_inline u32 bit_width(u64 value)
{
	u32 bits = value != 0;

	if (value >> 32) {
		value >>= 32;
		bits += 32;
	}
	if (value >> 16) {
		value >>= 16;
		bits += 16;
	}
	if (value >> 8) {
		value >>= 8;
		bits += 8;
	}
	if (value >> 4) {
		value >>= 4;
		bits += 4;
	}
	if (value >> 2) {
		value >>= 2;
		bits += 2;
	}
	return bits + (value >> 1 & 1);
}

/*
 * Books the run of @t that ends, and how long it had waited, with its cgroup. Of short runs and like waits some at a time: finding the
 * cgroup is much of what such a run costs.
 */
static __always_inline void settle_run(struct task_ctx *t, u64 now)
{
	u32 bucket = bit_width(t->waited_ns / 1000);

	if (bucket >= MUS_WAIT_BUCKETS)
		bucket = MUS_WAIT_BUCKETS - 1;
	if (bucket != t->wait_bucket && t->wait_runs)
		settle(t);
	t->wait_bucket = bucket;
	t->wait_runs++;
	if (t->upfront_ns || now - t->settled_ns >= MUS_SETTLE_NS) {
		settle(t);
		t->settled_ns = now;
	}
}

/* The task stops running, and sleeps. */
static __always_inline void falls_asleep(struct task_struct *p, struct task_ctx *t, u64 now)
{
	enter(t, nowhere());
	forget_ahead(t);
	clear_flag(t, MUS_TASK_LONG);
	t->sleep_ns = now;
	t->last_burst_ns = t->burst_ns ?: 1;
	t->burst_ns = 0;
	if (is_daemon(p) || kernel_owned(p, t))
		return;
	if (t->flags & MUS_TASK_ANNOUNCED && wanted(MUS_EVENT_SLEEP)) {
		if (post_task_event(MUS_EVENT_SLEEP, 0, p, t, p->cpus_ptr, 0, now))
			clear_flag(t, MUS_TASK_ANNOUNCED);
	} else if (t->flags & MUS_TASK_KNOWN && wanted(MUS_EVENT_REPORT) &&
		   (t->unreported_ns >= shared.report_ns ||
		    (standing_route(t->route) && (s64)(now - t->reported_ns) > (s64)(MUS_REPORT_SLICES * shared.slice_ns)))) {
		post_task_event(MUS_EVENT_REPORT, standing_route(t->route) ? MUS_EVENT_STANDING : 0, p, t, p->cpus_ptr, 0,
				now);
	}
}

/* ops.stopping. Who is not @runnable any more sleeps, or is changed while it runs (by sched_setaffinity(), say) and goes on. */
static __always_inline void run_ends(struct task_struct *p, struct task_ctx *t, bool runnable, u64 now)
{
	struct mus_cpu *slot = cpu_slot(task_cpu(p));
	bool sleeps = !runnable && p->__state != TASK_RUNNING;

	judge_handover(t, slot, !sleeps, now);
	slot->running_pid = 0;
	slot->running_since_ns = 0;
	account_run(p, t, now);
	settle_run(t, now);
	if (sleeps)
		falls_asleep(p, t, now);
}

/* At the end of its slice @p begins another of @slice_ns. */
static __always_inline void renew_slice(struct task_struct *p, struct task_ctx *t, struct mus_cpu *slot, u64 slice_ns,
					u64 now)
{
	set_slice(p, slice_ns);
	t->slice_ns = slice_ns;
	t->route = slot->route = MUS_ROUTE_RESUMED; /* whatever it began as: it may be interrupted now */
	slot->slice_end_ns = now + slice_ns;
	slot->running_since_ns = now;
	slot->order = t->order = now;
	count(kept);
	watch_run(task_cpu(p), slot, now);
}

/* Nobody has said so, but it may go on. Userspace is told of what it has used, now and then. */
static __always_inline void goes_on(struct task_struct *p, struct task_ctx *t, struct mus_cpu *slot, u64 slice_ns,
				    u64 now)
{
	renew_slice(p, t, slot, slice_ns, now);
	report_use(p, t, now);
}

static __always_inline void changed(struct task_struct *p, u32 kind, const struct cpumask *allowed)
{
	struct task_ctx *t = task_ctx(p);

	if (t && t->flags & MUS_TASK_KNOWN && wanted(kind))
		post_task_event(kind, 0, p, t, allowed, 0, now_ns());
}

#endif /* MUS_RUN_BPF_H */

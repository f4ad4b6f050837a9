/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A task enters. In this order: an idle CPU, the daemon itself, the kernel's own threads, a slice that was
 * interrupted, a standing order; every other task goes to the held queue and is announced to userspace.
 */
#ifndef MUS_ENQUEUE_BPF_H
#define MUS_ENQUEUE_BPF_H

#include "ahead.bpf.h"
#include "cgroups.bpf.h"
#include "events.bpf.h"
#include "fallback.bpf.h"
#include "handover.bpf.h"
#include "siblings.bpf.h"
#include "turns.bpf.h"

#define MUS_SHORT_SLICE_NS 1000000 /* an interruption may leave nothing of less than this */

/* @cpu: where that is. From ops.select_cpu: what it returns. */
static __always_inline void insert_local(struct task_struct *p, struct task_ctx *t, s32 cpu, u32 route, u64 slice_ns,
					 u64 enq_flags)
{
	enter(t, place(MUS_STATE_LOCAL, shard_of_cpu(cpu), cpu));
	t->route = route;
	t->slice_ns = slice_ns;
	dsq_insert(p, SCX_ENUM(scx_dsq_id_flags, SCX_DSQ_LOCAL), slice_ns, enq_flags);
}

/* Whether @t is woken by one that says that it is about to wait: they are better off beside each other (take_far()). */
static __always_inline void note_sync(struct task_ctx *t, bool sync)
{
	if (shared.shard_count <= 1)
		return;
	if (!sync)
		clear_flag(t, MUS_TASK_SYNC);
	else if (!(t->flags & MUS_TASK_SYNC))
		set_flag(t, MUS_TASK_SYNC);
}

static __always_inline void note_wakeup(struct task_ctx *t, u64 now)
{
	t->wake_ns = now;
	t->ready_ns = now;
	t->waker_pid = current_pid();
	cpu_slot(bpf_get_smp_processor_id())->woke_other_ns = now;
}

/*
 * Where the daemon interrupts: not its own kind or the kernel's, nor one of short slice, who might get nowhere, and else
 * where a slice is about to end anyway.
 */
static __always_inline s32 daemon_cpu(struct task_struct *p, s32 prev)
{
	u32 n = shared.cpu_count, i;
	u64 earliest = ~0ull;
	s32 best = prev;

	bpf_for(i, 0, n < 16 ? n : 16) {
		s32 cpu = ((u32)prev + i) % n;
		struct mus_cpu *slot = cpu_slot(cpu);

		if (!slot->online || slot->taken || slot->shard != cpu_slot(prev)->shard || urgent(slot->route) ||
		    !may_run(p, cpu) || slot->slice_end_ns >= earliest ||
		    slot->slice_end_ns - slot->running_since_ns < MUS_SHORT_SLICE_NS)
			continue;
		earliest = slot->slice_end_ns;
		best = cpu;
	}
	return best;
}

/* Whether there is an idle CPU at all: on a busy machine, looking for the best one is half of what ops.select_cpu costs. */
static __always_inline bool any_idle(void)
{
	const struct cpumask *idle = scx_bpf_get_idle_cpumask();
	bool any = !bpf_cpumask_empty(idle);

	scx_bpf_put_idle_cpumask(idle);
	return any;
}

/* ops.select_cpu: a waking task. Takes an idle CPU at once if there is one. */
static __always_inline s32 select_cpu(struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	struct task_ctx *t = task_ctx(p);
	bool idle = false, sync = wake_flags & SCX_ENUM(scx_wake_flags, SCX_WAKE_SYNC);
	s32 waker = bpf_get_smp_processor_id(), cpu = waker;
	u64 now = now_ns();

	if (t)
		note_sync(t, sync);
	if (t && sync && shared.flags & MUS_CONFIG_IDLE_DIRECT && takes_over(p, cpu, now)) {
		note_wakeup(t, now);
		set_flag(t, MUS_TASK_HANDED);
		insert_local(p, t, cpu, MUS_ROUTE_IDLE, shared.slice_ns, 0);
		return cpu;
	}
	cpu = prev_cpu;
	/* Without SCX_WAKE_SYNC, by which the kernel would call the waker's CPU idle, whether or not the waker is about to sleep. */
	if (any_idle())
		cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags & ~(u64)SCX_ENUM(scx_wake_flags, SCX_WAKE_SYNC), &idle);
	if (!t)
		return cpu;
	note_wakeup(t, now);
	if (idle && !higher_class_runs(cpu)) { /* the kernel takes all CPUs for idle when we come */
		if (is_daemon(p))
			insert_local(p, t, cpu, MUS_ROUTE_DAEMON, shared.slice_ns, 0);
		else if (shared.flags & MUS_CONFIG_IDLE_DIRECT || kernel_owned(p, t))
			insert_local(p, t, cpu, MUS_ROUTE_IDLE, shared.slice_ns, 0);
		return cpu;
	}
	if (is_daemon(p))
		cpu = daemon_cpu(p, cpu);
	else if (cpu_taken(cpu) || (interrupts(t) && standing_holds(t, now)))
		cpu = stays_behind(t, cpu_slot(waker)) && may_run(p, waker)
			      ? waker
			      : standing_cpu(p, t->cgroup_id, t->standing.min_run_ns, cpu, now);
	return cpu;
}

/* How much of its slice @t has left: it was interrupted. 0: it used it up, or gave it up. */
static __always_inline u64 slice_left(const struct task_ctx *t)
{
	return t->flags & MUS_TASK_YIELDED || t->slice_ns < MUS_RESUME_MIN_NS ? 0 : t->slice_ns;
}

/* Waits with the kernel's own for any CPU, which takes turns between them and everybody else. */
static __always_inline void queue_kernel(struct task_struct *p, struct task_ctx *t, u32 route, u64 enq_flags)
{
	u32 shard = shard_of_cpu(task_cpu(p));
	s32 idle;

	t->route = route;
	t->slice_ns = shared.slice_ns;
	enter(t, place(MUS_STATE_KERNEL, shard, -1));
	dsq_insert(p, queue_id(MUS_QUEUE_KERNEL, shard), t->slice_ns, enq_flags);
	idle = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0); /* the CPU that it was on may have been taken */
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, SCX_ENUM(scx_kick_flags, SCX_KICK_IDLE));
}

/*
 * Its end is the kernel's own work, which others may wait for. Userspace can not decide on it: it has no pid any more.
 */
static __always_inline void enqueue_exiting(struct task_struct *p, struct task_ctx *t, bool wakeup, u64 enq_flags)
{
	s32 cpu = task_cpu(p);

	if (!cpu_slot(cpu)->taken && (wakeup || slice_left(t)))
		insert_local(p, t, cpu, MUS_ROUTE_KERNEL, slice_left(t) ?: shared.slice_ns, enq_flags);
	else
		queue_kernel(p, t, MUS_ROUTE_KERNEL, enq_flags);
}

/*
 * The kernel's and the daemon's own: next on their CPU when they wake. One that used up its slice takes
 * turns with everybody else, so that a thread that spins cannot starve a CPU.
 */
static __always_inline void enqueue_privileged(struct task_struct *p, struct task_ctx *t, u32 route, bool wakeup,
					       u64 enq_flags)
{
	s32 cpu = task_cpu(p);
	bool taken = cpu_slot(cpu)->taken;

	if (wakeup && (!taken || p->nr_cpus_allowed == 1)) {
		cpu_slot(cpu)->privileged_waits = 1;
		insert_local(p, t, cpu, route, shared.slice_ns, enq_flags | SCX_ENUM(scx_enq_flags, SCX_ENQ_PREEMPT));
		return;
	}
	/* Interrupted, by another of its kind: it goes on next, not when some task's slice ends. */
	if (place_state(t->at) == MUS_STATE_RUNNING && slice_left(t) && !taken) {
		insert_local(p, t, cpu, route, slice_left(t), enq_flags | SCX_ENUM(scx_enq_flags, SCX_ENQ_HEAD));
		return;
	}
	queue_kernel(p, t, route, enq_flags);
}

/*
 * The place of one that was interrupted: before whatever was decided. If it was by a thread of the kernel's or the daemon's, also before
 * those that were interrupted earlier: by this one, perhaps, which would wait for the rest of their slices.
 */
static __always_inline u64 resumed_order(const struct mus_cpu *slot, u64 now)
{
	return slot->privileged_waits ? -now : 0;
}

/*
 * Its decision still stands: at the head of its CPU's queue, or of the shared one, with what is left of its slice. Where turns are taken, at its place:
 * who interrupts it may still be waiting, if a thread of the kernel's or the daemon came first. A slice earlier, as if it woke, if it has just woken
 * another, which interrupts it perhaps: it is about to wait for what that does.
 */
static __always_inline void enqueue_resumed(struct task_struct *p, struct task_ctx *t, u64 left_ns, u64 enq_flags, u64 now)
{
	s32 cpu = task_cpu(p);
	struct mus_cpu *slot = cpu_slot(cpu);
	bool in_turn = t->flags & MUS_TASK_IN_TURN || (t->standing.slice_ns && !interrupts(t));
	bool anywhere = !in_turn && is_kept(slot, p, t);

	if (before_sibling(slot, t)) {
		insert_local(p, t, cpu, MUS_ROUTE_RESUMED, left_ns, enq_flags | SCX_ENUM(scx_enq_flags, SCX_ENQ_HEAD));
		return;
	}
	t->route = MUS_ROUTE_RESUMED;
	t->slice_ns = left_ns;
	enter(t, place(MUS_STATE_RESUMED, slot->shard, anywhere ? -1 : cpu));
	dsq_insert_vtime(p, anywhere ? queue_id(MUS_QUEUE_SHARED, slot->shard) : queue_id(MUS_QUEUE_CPU, cpu), left_ns,
			 !in_turn ? resumed_order(slot, now) : has_just_woken(slot, now) ? early(t->order) : t->order, enq_flags);
}

/* Its next slice was decided on while it ran. */
static __always_inline void enqueue_decided(struct task_struct *p, struct task_ctx *t, u32 shard, u64 slice_ns,
					    u64 enq_flags)
{
	s32 target = t->next_target;

	enter(t, place(MUS_STATE_QUEUED, shard, target));
	dsq_insert_vtime(p, target < 0 ? queue_id(MUS_QUEUE_SHARED, shard) : queue_id(MUS_QUEUE_CPU, target), slice_ns,
			 t->next_order, enq_flags);
}

/* The ordinary case: held, in fallback order, and announced. The task is safe before userspace hears of it. */
static __always_inline void enqueue_held(struct task_struct *p, struct task_ctx *t, u32 event_flags, u64 enq_flags,
					 u64 now)
{
	s32 cpu = task_cpu(p);
	u32 index = shard_of_cpu(cpu);
	struct mus_shard *shard = shard_slot(index);
	bool announced = place_state(t->at) == MUS_STATE_RUNNING && known_ahead(t), wake = false;
	bool used_up = place_state(t->at) == MUS_STATE_RUNNING && t->route == MUS_ROUTE_STANDING;
	u64 next;

	t->route = MUS_ROUTE_HELD;
	t->slice_ns = held_slice(p);
	t->held_since_ns = now;
	if (!announced)
		__sync_fetch_and_add(&t->generation, 1);
	fallback_place(t, shard, t->slice_ns);
	enter(t, place(MUS_STATE_HELD, index, -1));
	cpu_slot(cpu)->useless_until_ns = 0; /* this one may run there */
	next = take_ahead(t); /* after the change of place: decide_ahead() */
	if (announced && next) {
		enqueue_decided(p, t, index, next, enq_flags);
		return;
	}
	if (!announced) {
		clear_flag(t, MUS_TASK_AHEAD);
		if (post_task_event(MUS_EVENT_RUNNABLE, event_flags, p, t, p->cpus_ptr, 0, now))
			set_flag(t, MUS_TASK_ANNOUNCED);
		/* One whose standing slice is used up, owed more perhaps, may go before what is decided. */
		wake = used_up || shard->queued_count <= shared.low_water || (s64)(now - shared.looked_ns) > (s64)shared.batch_ns;
	}
	dsq_insert_vtime(p, queue_id(MUS_QUEUE_HELD, index), t->slice_ns, t->place_ns, enq_flags);
	if (wake)
		wake_userspace(now);
}

/* The task is off the queue on which it waited, if it did: something about it was changed meanwhile. Nothing says so when that happens. */
static __always_inline void leaves(struct task_ctx *t)
{
	if (place_state(enter(t, nowhere())) == MUS_STATE_HELD)
		settle(t);
	forget_ahead(t);
}

static __always_inline bool waits(const struct task_ctx *t)
{
	u32 state = place_state(t->at);

	return state != MUS_STATE_NONE && state != MUS_STATE_RUNNING;
}

/* No callback says so when @p moves to another cgroup. */
static __always_inline void find_cgroup(struct task_struct *p, struct task_ctx *t)
{
	u64 id = p->cgroups->dfl_cgrp->kn->id;

	if (t->cgroup_id == id)
		return;
	settle(t);
	t->cgroup_id = id;
	if (!bpf_map_lookup_elem(&cgroups, &id))
		learn_cgroups((u64)BPF_CORE_READ(p, cgroups, dfl_cgrp)); /* a number: it is read by probing */
}

/*
 * Whether @p, which has used up a slice, waits as if it had woken up: behind who was taken from the run queues for this CPU, until that
 * has had its minimum run. Not behind another that waits here by standing order: nothing was taken from them then. But a @sibling
 * takes turns with it: takes_turns_with_sibling().
 */
static __always_inline bool may_return(struct task_struct *p, struct task_ctx *t, bool sibling, u64 now)
{
	const struct mus_cpu *slot = cpu_slot(task_cpu(p));

	return interrupts(t) && !(t->flags & MUS_TASK_YIELDED) && !known_ahead(t) && (!slot->local_count || slot->privileged_waits || sibling) &&
	       may_join(p, t, MUS_STANDING_RETURNS, now);
}

/* ops.enqueue: a task that did not take an idle CPU, or whose slice ended. */
static __always_inline void enqueue(struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *t = task_ctx(p);
	bool wakeup = enq_flags & SCX_ENUM(scx_enq_flags, SCX_ENQ_WAKEUP);
	bool selected = enq_flags & SCX_ENUM(scx_enq_flags, SCX_ENQ_CPU_SELECTED);
	s32 cpu = task_cpu(p);
	bool taken = cpu_taken(cpu), sibling;
	u32 event_flags = 0;
	u64 now = now_ns(), left;

	if (!t) {
		scx_error("no context for pid %d", p->pid);
		return;
	}
	if (waits(t))
		leaves(t);
	if (wakeup && !selected)
		note_wakeup(t, now);
	if (!t->ready_ns)
		t->ready_ns = now;
	if (shared.flags & MUS_CONFIG_DFL_CGROUPS)
		find_cgroup(p, t);

	/* For a moment, in the kernel: nobody else can run it, and others may wait for it. */
	if (migration_disabled(p, enq_flags & SCX_ENUM(scx_enq_flags, SCX_ENQ_REENQ) ? 2 : 1)) {
		insert_local(p, t, cpu, MUS_ROUTE_KERNEL, slice_left(t) ?: shared.slice_ns, enq_flags);
		return;
	}
	if (is_daemon(p)) {
		enqueue_privileged(p, t, MUS_ROUTE_DAEMON, wakeup, enq_flags);
		return;
	}
	if (p->flags & PF_EXITING) {
		enqueue_exiting(p, t, wakeup, enq_flags);
		return;
	}
	if (kernel_owned(p, t)) {
		enqueue_privileged(p, t, MUS_ROUTE_KERNEL, wakeup, enq_flags);
		return;
	}
	/* select_cpu was not asked (one allowed CPU, or a queued wakeup): look for idleness here. */
	if (!selected && !taken && shared.flags & MUS_CONFIG_IDLE_DIRECT &&
	    scx_bpf_test_and_clear_cpu_idle(cpu)) {
		insert_local(p, t, cpu, MUS_ROUTE_IDLE, shared.slice_ns, enq_flags);
		return;
	}
	if (wakeup) {
		bool had = t->standing.slice_ns;

		event_flags = MUS_EVENT_WAKEUP;
		if (!taken && may_join(p, t, MUS_STANDING_IN_TURN, now)) {
			join_in_turn(p, t, true, enq_flags, now);
			return;
		}
		/* One at a time: many that wake each other would run in turns of one message each. */
		if (interrupts(t) && !taken && !waits_locally(cpu) && has_turn(&t->standing, cpu, now) && standing_holds(t, now)) {
			bool behind = stays_behind(t, cpu_slot(cpu));

			standing_enqueue(p, t, behind, behind ? t->standing.slice_ns : t->standing.min_run_ns, enq_flags, now);
			return;
		}
		if (had)
			event_flags |= MUS_EVENT_STANDING;
	} else if (place_state(t->at) == MUS_STATE_RUNNING && !taken) {
		left = slice_left(t);
		if (left) {
			enqueue_resumed(p, t, left, enq_flags, now);
			return;
		}
		if (!(t->flags & MUS_TASK_YIELDED))
			set_flag(t, MUS_TASK_LONG);
		if (!known_ahead(t) && may_join(p, t, MUS_STANDING_AGAIN, now)) {
			forget_ahead(t);
			join_in_turn(p, t, false, enq_flags, now);
			return;
		}
		sibling = takes_turns_with_sibling(t, cpu, now);
		if (may_return(p, t, sibling, now)) {
			report_use(p, t, now);
			standing_enqueue(p, t, sibling, return_min_run(&t->standing), enq_flags, now);
			return;
		}
	}
	enqueue_held(p, t, event_flags, enq_flags, now);
}

#endif /* MUS_ENQUEUE_BPF_H */

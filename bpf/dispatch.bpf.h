/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A CPU takes its next task. In this order: kernel threads (in turns), what was decided for this CPU or for any,
 * what userspace has just decided; else userspace is asked, and the CPU waits for it no longer than the hold
 * bound before it takes the head of the held queue. Now and then it looks first at who waits in another shard.
 */
#ifndef MUS_DISPATCH_BPF_H
#define MUS_DISPATCH_BPF_H

#include "commit.bpf.h"
#include "fallback.bpf.h"
#include "hotplug.bpf.h"
#include "run.bpf.h"

#define MUS_RESCUE_SCAN 1024
#define MUS_STEAL_SCAN 64 /* CPUs looked at for work in one dispatch */
#define MUS_FAR_SLICES 4  /* who waits in another shard is taken first if its place is so much earlier, and looked for as seldom */
#define MUS_FAR_SCAN 32   /* tasks looked at for that */

static __always_inline bool take_kernel(struct mus_cpu *slot, bool in_turn)
{
	u64 queue = queue_id(MUS_QUEUE_KERNEL, slot->shard);

	if (!shard_slot(slot->shard)->kernel_count)
		return false;
	if (in_turn && slot->kernel_turn) {
		slot->kernel_turn = 0;
		return false;
	}
	slot->kernel_turn = 1;
	return dsq_move_to_local(queue);
}

/* What was decided for this CPU and what was decided for any: in the order that userspace gave. */
static __always_inline bool take_decided(s32 cpu, struct mus_cpu *slot)
{
	u64 own = queue_id(MUS_QUEUE_CPU, cpu), any = queue_id(MUS_QUEUE_SHARED, slot->shard);
	bool in_own = own_queue(slot), in_any = shared_queue(shard_slot(slot->shard));

	if (in_own && (!in_any || first_order(own) <= first_order(any)) && dsq_move_to_local(own))
		return true;
	return (in_any && dsq_move_to_local(any)) || (in_own && dsq_move_to_local(own));
}

/*
 * Takes the first on the shared run queue of the shard @far that has a place up to @latest. Not who goes on after an interruption, whose place says
 * nothing; nor who was woken over a pipe or a socket and has not computed for long since: tasks that wake each other are better off beside each
 * other (decision 26).
 */
__noinline bool take_from(s32 cpu, u32 far, s64 latest)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool found = false;
	u32 i;

	if (!bpf_iter_scx_dsq_new(&it, queue_id(MUS_QUEUE_SHARED, far), 0)) {
		bpf_for(i, 0, MUS_FAR_SCAN) {
			struct task_ctx *t;

			p = bpf_iter_scx_dsq_next(&it);
			if (!p || (s64)p->scx.dsq_vtime > latest)
				break;
			t = task_ctx(p);
			if ((s64)p->scx.dsq_vtime <= 0 || !t || (t->flags & MUS_TASK_SYNC && t->burst_ns < MUS_FAR_SLICES * shared.slice_ns) ||
			    !may_run(p, cpu))
				continue;
			found = dsq_move(&it, p, SCX_ENUM(scx_dsq_id_flags, SCX_DSQ_LOCAL));
			if (found)
				break;
		}
	}
	bpf_iter_scx_dsq_destroy(&it);
	return found;
}

/*
 * Shards share no queue: each would keep the tasks that it has, many or few, for as long as they take turns by standing orders. So now and then
 * a CPU looks at some other shard for who should have come long before all that wait here. Places are in the same time everywhere.
 */
static __always_inline bool take_far(s32 cpu, struct mus_cpu *slot, u64 now)
{
	u64 apart = MUS_FAR_SLICES * shared.slice_ns;
	u32 shards = shared.shard_count, far;
	s64 here, own;

	if (shards <= 1 || now - slot->looked_far_ns < apart || !shared_queue(shard_slot(slot->shard)))
		return false;
	slot->looked_far_ns = now;
	far = (slot->shard + 1 + bpf_get_prandom_u32() % (shards - 1)) % shards;
	if (!shared_queue(shard_slot(far)))
		return false;
	here = first_order(queue_id(MUS_QUEUE_SHARED, slot->shard));
	own = own_queue(slot) ? first_order(queue_id(MUS_QUEUE_CPU, cpu)) : here;
	return take_from(cpu, far, (own < here ? own : here) - (s64)apart);
}

/* Userspace decided while @prev ran that it goes on, before what is on the run queues. */
static __always_inline bool continue_decided(s32 cpu, struct mus_cpu *slot, struct task_struct *prev, struct task_ctx *t,
					     u64 now)
{
	u64 own = queue_id(MUS_QUEUE_CPU, cpu), any = queue_id(MUS_QUEUE_SHARED, slot->shard), slice;

	if (!t->next_slice_ns || t->flags & MUS_TASK_YIELDED || (t->next_target >= 0 && t->next_target != cpu) ||
	    (own_queue(slot) && first_order(own) < (s64)t->next_order) ||
	    (shared_queue(shard_slot(slot->shard)) && first_order(any) < (s64)t->next_order))
		return false;
	slice = take_ahead(t);
	if (!slice)
		return false;
	renew_slice(prev, t, slot, slice, now);
	count(runs[MUS_ROUTE_DECIDED]);
	note_turn(slot, MUS_ROUTE_DECIDED, now);
	tell_begin(prev, t, true, now); /* or else it would be believed to wait for its turn */
	want_more(prev, t, slot, now);
	return true;
}

/* What was decided for others and has not begun: better done here than late. */
static __always_inline bool steal_decided(s32 cpu)
{
	u32 n = shared.cpu_count, i, shards = shared.shard_count;

	if (shards > 1) {
		bpf_for(i, 0, shards < MUS_MAX_SHARDS ? shards : MUS_MAX_SHARDS) {
			if (shared_queue(shard_slot(i)) && dsq_move_to_local(queue_id(MUS_QUEUE_SHARED, i)))
				return true;
		}
	}
	bpf_for(i, 1, n < MUS_STEAL_SCAN ? n : MUS_STEAL_SCAN) {
		s32 other = (cpu + i) % n;

		if (own_queue(cpu_slot(other)) && dsq_move_to_local(queue_id(MUS_QUEUE_CPU, other)))
			return true;
	}
	return false;
}

static __always_inline bool take_held(struct mus_cpu *slot)
{
	u32 shards = shared.shard_count, i;

	if (shard_slot(slot->shard)->held_count && dsq_move_to_local(queue_id(MUS_QUEUE_HELD, slot->shard)))
		return true;
	if (shards <= 1)
		return false;
	bpf_for(i, 0, shards < MUS_MAX_SHARDS ? shards : MUS_MAX_SHARDS) {
		if (shard_slot(i)->held_count && dsq_move_to_local(queue_id(MUS_QUEUE_HELD, i)))
			return true;
	}
	return false;
}

static __always_inline u64 held_anywhere(struct mus_cpu *slot)
{
	u64 n = shard_slot(slot->shard)->held_count;
	u32 shards = shared.shard_count, i;

	if (n || shards <= 1)
		return n;
	bpf_for(i, 0, shards < MUS_MAX_SHARDS ? shards : MUS_MAX_SHARDS)
		n += shard_slot(i)->held_count;
	return n;
}

static __always_inline void arm_hold_timer(u32 shard_index)
{
	struct mus_shard *shard = shard_slot(shard_index);
	struct timer_slot *ts = bpf_map_lookup_elem(&hold_timers, &shard_index);

	if (!ts || __sync_lock_test_and_set(&shard->hold_armed, 1))
		return;
	if (bpf_timer_start(&ts->timer, shared.hold_ns, 0))
		shard->hold_armed = 0;
}

/* The hold bound of some idle CPU has passed: let it look again. Goes on while any waits. */
static int hold_timer_fired(void *map, u32 *index, struct timer_slot *ts)
{
	struct mus_shard *shard = shard_slot(*index);
	u32 n = shared.cpu_count, i;
	bool more = false;

	__sync_lock_test_and_set(&shard->hold_armed, 0); /* before the CPUs are looked at: see arm_hold_timer() */
	bpf_for(i, 0, n < MUS_MAX_CPUS ? n : MUS_MAX_CPUS) {
		struct mus_cpu *slot = cpu_slot(i);

		if (slot->shard == *index && slot->starved_since_ns && slot->online) {
			scx_bpf_kick_cpu(i, SCX_ENUM(scx_kick_flags, SCX_KICK_IDLE));
			more = true;
		}
	}
	if (more && shard->held_count)
		arm_hold_timer(*index);
	return 0;
}

/*
 * How long who is held may wait, whatever the fallback order says. Where those with standing orders are not let in any more, since userspace
 * runs but decides on nobody, it must have forgotten who is held. While it is stalled, the fallback order is by weight, and nobody is forgotten.
 */
static __always_inline u64 patience_ns(const struct mus_cpu *slot, u64 now)
{
	u64 forgotten = 2 * shared.stall_ns;

	if (forgotten < shared.rescue_ns && keeps_out_held(slot, now) && !userspace_stalled(now) &&
	    (s64)(now - decided_ns) > (s64)shared.stall_ns)
		return forgotten;
	return shared.rescue_ns;
}

/*
 * Nobody waits longer than rescue_ns for a policy that has forgotten it, or behind others in the fallback order: such a
 * task runs next. The queue is in another order than that of age, so all of it is looked at, now and then.
 */
__noinline bool rescue_forgotten(s32 cpu)
{
	struct mus_cpu *slot = cpu_slot(cpu);
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	u64 now = now_ns(), patience = patience_ns(slot, now);
	bool found = false;
	u32 i;

	slot->rescued_ns = now;
	if (!bpf_iter_scx_dsq_new(&it, queue_id(MUS_QUEUE_HELD, slot->shard), 0)) {
		bpf_for(i, 0, MUS_RESCUE_SCAN) {
			struct task_ctx *t;
			place_t at, local;

			p = bpf_iter_scx_dsq_next(&it);
			if (!p)
				break;
			t = task_ctx(p);
			if (!t || (s64)(now - t->held_since_ns) < (s64)patience ||
			    !may_run(p, cpu))
				continue;
			at = t->at;
			local = place(MUS_STATE_LOCAL, slot->shard, cpu);
			if (place_state(at) != MUS_STATE_HELD || !move(t, at, local))
				continue;
			t->route = MUS_ROUTE_HELD;
			found = dsq_move(&it, p, SCX_ENUM(scx_dsq_id_flags, SCX_DSQ_LOCAL));
			if (found)
				break;
			move(t, local, at);
		}
	}
	bpf_iter_scx_dsq_destroy(&it);
	if (found)
		count(rescued);
	return found;
}

static __always_inline void count_stall(void)
{
	u64 asked = shared.asked_ns;

	if (__sync_lock_test_and_set(&shared.stalled_ns, asked) != asked)
		count(stalls);
}

/* ops.dispatch: this CPU's own queue is empty and its slice is over. @prev may go on if it is still runnable. */
static __always_inline void dispatch(s32 cpu, struct task_struct *prev)
{
	struct mus_cpu *slot = cpu_slot(cpu);
	struct mus_shard *shard = shard_slot(slot->shard);
	bool prev_runnable = prev && prev->scx.flags & SCX_ENUM(scx_ent_flags, SCX_TASK_QUEUED);
	struct task_ctx *t = prev_runnable ? task_ctx(prev) : NULL;
	u64 now = now_ns();
	bool stalled;

	slot->taken = 0; /* the kernel asks us, and not whoever had it; it says so if one comes first after all */
	if (going_offline(now))
		hand_back_offline();
	if (take_kernel(slot, true))
		return;
	if (shard->held_count && now - slot->rescued_ns >= patience_ns(slot, now) / 16 && rescue_forgotten(cpu))
		return;
	if (t)
		account_run(prev, t, now);
	if (take_far(cpu, slot, now) || (t && continue_decided(cpu, slot, prev, t, now))) {
		slot->starved_since_ns = 0;
		return;
	}
	if (!take_decided(cpu, slot)) {
		drain_decisions();
		count(drains);
		if (t && continue_decided(cpu, slot, prev, t, now)) {
			slot->starved_since_ns = 0;
			return;
		}
		if (!take_decided(cpu, slot))
			goto nothing_decided;
	}
	slot->starved_since_ns = 0;
	return;

nothing_decided:
	if (steal_decided(cpu)) {
		slot->starved_since_ns = 0;
		return;
	}
	if (held_anywhere(slot) && (s64)(now - slot->useless_until_ns) >= 0) {
		stalled = userspace_stalled(now);
		if (stalled)
			count_stall();
		if (stalled || (slot->starved_since_ns && (s64)(now - slot->starved_since_ns) >= (s64)shared.hold_ns)) {
			slot->stalled = stalled;
			if (take_held(slot)) {
				slot->starved_since_ns = 0;
				wake_userspace(now);
				return;
			}
			/* All that is held is pinned elsewhere: asking again would only wake userspace for nothing. */
			slot->useless_until_ns = now + shared.batch_ns;
		} else {
			if (!slot->starved_since_ns) { /* once: the hold bound comes next */
				slot->starved_since_ns = now;
				wake_userspace(now);
			}
			shard->starved_cpu = cpu + 1;
			if (t) { /* goes on until userspace has decided: commit interrupts it then */
				set_slice(prev, shared.hold_ns);
				return;
			}
			arm_hold_timer(slot->shard);
			return;
		}
	}
	slot->starved_since_ns = 0;
	if (take_kernel(slot, false))
		return;
	if (t) /* nobody else wants this CPU */
		goes_on(prev, t, slot, fallback_slice(prev), now);
}

#endif /* MUS_DISPATCH_BPF_H */

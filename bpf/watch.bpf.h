/* SPDX-License-Identifier: GPL-2.0-only */
/* When who runs on a CPU is interrupted for those who wait there: a timer for each CPU, armed only where nothing else would end that run in time. */
#ifndef MUS_WATCH_BPF_H
#define MUS_WATCH_BPF_H

#include "standing.bpf.h"

#define MUS_LOOK_LATER_NS 2000000 /* from now, where who runs is expected to sleep before it is due to be looked at */

/*
 * Has the timer of @cpu look at what runs there when @at has come, or earlier if it does so already. There is no hurry if who runs
 * is expected to sleep before that: a timer costs more than the rest of a wakeup.
 */
static __always_inline void look_at(s32 cpu, struct mus_cpu *slot, u64 at, u64 now)
{
	u64 due = slot->timer_due_ns;
	struct timer_slot *ts;
	u32 key = cpu;

	if ((s64)(slot->sleeps_by_ns - now) > 0 && ((s64)(slot->sleeps_by_ns - at) < 0 || sleeps_at_once(slot, now)) &&
	    (s64)(at - now) < MUS_LOOK_LATER_NS)
		at = now + MUS_LOOK_LATER_NS;
	if (due && (s64)(due - at) <= 0)
		return;
	ts = bpf_map_lookup_elem(&cpu_timers, &key);
	if (!ts)
		return;
	slot->timer_due_ns = at;
	if (bpf_timer_start(&ts->timer, (s64)(at - now) > 0 ? at - now : 1, 0))
		slot->timer_due_ns = 0; /* the tick ends the slice then */
}

/* A task with a standing order waits for what runs on @cpu: interrupt that when it has had its minimum. */
static __always_inline void interrupt_later(s32 cpu, struct mus_cpu *slot, u64 min_run_ns, u64 now)
{
	slot->min_run_ns = min_run_ns;
	slot->turn_waits = 0;
	if (slot->running_since_ns && !urgent(slot->route))
		look_at(cpu, slot, slot->running_since_ns + min_run_ns, now);
	/* Else the CPU is between two tasks, or runs an urgent one: watch_run() sees to it. */
}

/* When what runs there should be interrupted, given that others wait. */
static __always_inline u64 run_due(const struct mus_cpu *slot)
{
	u64 due = slot->slice_end_ns, earlier = slot->running_since_ns + slot->min_run_ns;

	if (!urgent(slot->route) && slot->min_run_ns && (s64)(earlier - due) < 0)
		due = earlier;
	return due;
}

/* Whether who runs is expected to sleep long before its slice is over. If it does not after all, the tick ends the slice. */
static __always_inline bool sleeps_soon(const struct mus_cpu *slot, u64 now)
{
	return slot->sleeps_by_ns && slot->sleeps_by_ns - now < (slot->slice_end_ns - now) / 4;
}

/* A task begins to run: the tick alone would end its slice up to 4 ms late. */
static __always_inline void watch_run(s32 cpu, struct mus_cpu *slot, u64 now)
{
	bool locally = slot->local_count;

	if (!locally) {
		slot->min_run_ns = 0;
		if (!waits_elsewhere(slot) || in_turn_alone(slot) || sleeps_soon(slot, now))
			return;
	}
	look_at(cpu, slot, run_due(slot), now);
}

/* Whether nobody waits any more who should have come before the one that runs on @slot: another CPU has been found. */
static __always_inline bool turn_is_over(s32 cpu, const struct mus_cpu *slot)
{
	bool over;

	bpf_rcu_read_lock(); /* a timer has it; 6.16 wants to be told */
	over = !comes_before(first_order(queue_id(MUS_QUEUE_CPU, cpu)), slot, slot->turn_waits) &&
	       !comes_before(first_order(queue_id(MUS_QUEUE_SHARED, slot->shard)), slot, slot->turn_waits);
	bpf_rcu_read_unlock();
	return over;
}

static int cpu_timer_fired(void *map, u32 *key, struct timer_slot *ts)
{
	s32 cpu = *key;
	struct mus_cpu *slot = cpu_slot(cpu);
	u64 now = now_ns(), due;

	slot->timer_due_ns = 0;
	if (!slot->running_since_ns || !(waits_elsewhere(slot) || waits_locally(cpu)))
		return 0;
	due = run_due(slot);
	if (slot->turn_waits && turn_is_over(cpu, slot)) {
		slot->min_run_ns = 0;
		due = run_due(slot);
	}
	if ((s64)(due - now) > MUS_RESUME_MIN_NS) { /* less is not worth another interrupt */
		look_at(cpu, slot, due, now);
		return 0;
	}
	scx_bpf_kick_cpu(cpu, SCX_ENUM(scx_kick_flags, SCX_KICK_PREEMPT));
	return 0;
}

#endif /* MUS_WATCH_BPF_H */

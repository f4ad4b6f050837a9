/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A task that wakes another and then sleeps hands its CPU over: the other runs there next, without the way by an idle CPU, which
 * costs an interrupt and that CPU's way out of idle. The waker says that it means to (a synchronous wakeup); those who do not
 * keep their word find out each time again by sleeping, or not, right after. Only while nobody else waits for the CPU.
 */
#ifndef MUS_HANDOVER_BPF_H
#define MUS_HANDOVER_BPF_H

#include "watch.bpf.h"

#define MUS_HANDOVER_LEAST_NS 10000
#define MUS_HANDOVER_MOST_NS 200000
#define MUS_HANDOVER_TIMES 8 /* in a row, before it is believed */
#define MUS_HANDOVER_WAIT_NS 1000000 /* who was believed and goes on running is interrupted then */
#define MUS_HANDOVER_SURE 64 /* in a row, before it is relied on: then not before this, since a timer a millisecond costs more than the rest */
#define MUS_HANDOVER_SURE_WAIT_NS 4000000

/* @t, which woke up and found @slot idle, begins to run there. */
static __always_inline void note_idle_wait(const struct task_ctx *t, struct mus_cpu *slot)
{
	slot->idle_wait_ns += t->waited_ns / 8 - slot->idle_wait_ns / 8;
}

/*
 * So soon after its wakeup a waker has to sleep. By an idle CPU the other would wait for as long as others did lately, and twice that is
 * what it costs all in all: an interrupt, and the way out of idle and back.
 */
static __always_inline u64 handover_soon(const struct mus_cpu *slot)
{
	u64 soon = 2 * slot->idle_wait_ns;

	return soon < MUS_HANDOVER_LEAST_NS ? MUS_HANDOVER_LEAST_NS : soon > MUS_HANDOVER_MOST_NS ? MUS_HANDOVER_MOST_NS : soon;
}

/* For how long who is handed the CPU waits at most, if the waker on @slot goes on running. */
static __always_inline u64 handover_wait(const struct mus_cpu *slot)
{
	return slot->handovers < MUS_HANDOVER_SURE ? MUS_HANDOVER_WAIT_NS : MUS_HANDOVER_SURE_WAIT_NS;
}

/* Who runs on @slot has woken somebody synchronously. More than one before it sleeps: they should run side by side. */
static __always_inline void note_handover(struct mus_cpu *slot, u64 now)
{
	slot->woke_ns = slot->woke_ns ? 1 : now;
}

/* @t stops running on @slot, and sleeps if not @runnable. */
static __always_inline void judge_handover(struct task_ctx *t, struct mus_cpu *slot, bool runnable, u64 now)
{
	if (!slot->woke_ns)
		return;
	if (runnable || now - slot->woke_ns > handover_soon(slot))
		t->handovers = 0;
	else if (t->handovers < MUS_HANDOVER_SURE)
		t->handovers++;
	slot->woke_ns = 0;
}

/* Whether waking @p should take over @cpu, where its waker runs. Sees to it that it does not wait for long if the waker stays. */
static __always_inline bool takes_over(const struct task_struct *p, s32 cpu, u64 now)
{
	struct mus_cpu *slot = cpu_slot(cpu);

	if (slot->running_pid != current_pid() || !slot->running_since_ns)
		return false;
	note_handover(slot, now);
	if (slot->woke_ns != now || slot->handovers < MUS_HANDOVER_TIMES || slot->taken || !slot->online ||
	    !may_run(p, cpu) || waits_elsewhere(slot) || slot->local_count)
		return false;
	slot->sleeps_by_ns = 0; /* that is believed, not relied on */
	interrupt_later(cpu, slot, now - slot->running_since_ns + handover_wait(slot), now);
	return true;
}

#endif /* MUS_HANDOVER_BPF_H */

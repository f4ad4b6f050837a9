/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A task that wakes another and then sleeps hands its CPU over: the other runs there next, without the way by an idle CPU, which
 * costs an interrupt and that CPU's way out of idle. The waker says that it means to (a synchronous wakeup); those who do not
 * keep their word find out each time again by sleeping, or not, right after. Only while nobody else waits for the CPU.
 */
#ifndef MUS_HANDOVER_BPF_H
#define MUS_HANDOVER_BPF_H

#include "standing.bpf.h"

#define MUS_HANDOVER_SOON_NS 50000 /* sleeps so soon after: less than another CPU takes to wake up, emulated or asleep */
#define MUS_HANDOVER_TIMES 8 /* in a row, before it is believed */
#define MUS_HANDOVER_WAIT_NS 1000000 /* who was believed and goes on running is interrupted then */

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
	if (runnable || now - slot->woke_ns > MUS_HANDOVER_SOON_NS)
		t->handovers = 0;
	else if (t->handovers < MUS_HANDOVER_TIMES)
		t->handovers++;
	slot->woke_ns = 0;
}

/* Whether waking @p should take over @cpu, where its waker runs. Sees to it that it does not wait for long if the waker stays. */
static __always_inline bool takes_over(const struct task_struct *p, s32 cpu, s32 prev_cpu, u64 now)
{
	struct mus_cpu *slot = cpu_slot(cpu);

	if (slot->running_pid != (s32)bpf_get_current_pid_tgid() || !slot->running_since_ns)
		return false;
	note_handover(slot, now);
	if (slot->woke_ns != now || slot->handovers < MUS_HANDOVER_TIMES || slot->taken || !slot->online ||
	    slot->shard != shard_of_cpu(prev_cpu) || !bpf_cpumask_test_cpu(cpu, p->cpus_ptr) || waits_elsewhere(slot) ||
	    waits_locally(cpu))
		return false;
	interrupt_later(cpu, slot, now - slot->running_since_ns + MUS_HANDOVER_WAIT_NS, now);
	return true;
}

#endif /* MUS_HANDOVER_BPF_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A CPU goes off line. The kernel asks us no more for a CPU that is not active, long before it tells us that it is off
 * line, and waits meanwhile until all that has begun there has run on; then, until no task is left. It moves
 * elsewhere what it finds on the CPU's own queue only. So what waits on our queues and belongs to that CPU goes
 * there, by whichever CPU dispatches next; else the kernel and that task would wait for each other.
 */
#ifndef MUS_HOTPLUG_BPF_H
#define MUS_HOTPLUG_BPF_H

#include "events.bpf.h"

#define MUS_OFFLINE_NS 10000000000ull /* the kernel has taken its CPU off line by then */
#define MUS_ACTIVE_LOOK_NS 4000000    /* how often the kernel's mask of active CPUs is looked at */
#define MUS_OFFLINE_SCAN 1024         /* tasks looked at on one queue */

u64 active_mask; /* where the kernel has its mask of active CPUs; 0: not known */

/*
 * Asked of the kernel, since its type information does not have it: as an extern, the loader would read all of /proc/kallsyms for it, a third of
 * the time that loading takes. -EPERM without CAP_SYSLOG, or with kptr_restrict=2: then a CPU is active until it is said to be off line.
 */
static __always_inline void find_active_mask(void)
{
	static const char name[] = "__cpu_active_mask";
	u64 address = 0;

	if (!bpf_kallsyms_lookup_name(name, sizeof(name), 0, &address))
		active_mask = address;
}

static __always_inline void cpu_came(s32 cpu)
{
	cpu_slot(cpu)->online = 1;
	cpu_slot(cpu)->taken = 0;
	__sync_fetch_and_add(&shared.online_count, 1);
	post_event(MUS_EVENT_CPU, cpu, 0, 0, 1);
}

static __always_inline void cpu_goes(s32 cpu)
{
	u32 n = shared.cpu_count, i;

	cpu_slot(cpu)->online = 0;
	__sync_fetch_and_add(&shared.online_count, -1);
	shared.offline_until_ns = now_ns() + MUS_OFFLINE_NS;
	post_event(MUS_EVENT_CPU, cpu, 0, 0, 0);
	bpf_for(i, 0, n < MUS_MAX_CPUS ? n : MUS_MAX_CPUS) {
		if (cpu_slot(i)->online)
			scx_bpf_kick_cpu(i, SCX_ENUM(scx_kick_flags, SCX_KICK_IDLE));
	}
}

/* Off line, or on its way there: the kernel gives it nothing of ours to run. */
static __always_inline bool inactive(s32 cpu)
{
	long failed;
	u64 word;

	if (!cpu_slot(cpu)->online)
		return true;
	failed = bpf_probe_read_kernel(&word, sizeof(word), (const u64 *)active_mask + ((u32)cpu >> 6));
	return !((word | failed >> 63) >> (cpu & 63) & 1); /* not known: active. Without a branch, which the verifier would walk both ways of */
}

/* Not static, like all that is __noinline here: the verifier then checks it once, not again for each caller's state.
 *
 * Hands the tasks on @queue that belong to an off-line CPU back to the kernel, on that CPU. */
__noinline int hand_back(u64 queue)
{
	u64 local_on = SCX_ENUM(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON);
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	u32 i;

	if (!bpf_iter_scx_dsq_new(&it, queue, 0)) {
		bpf_for(i, 0, MUS_OFFLINE_SCAN) {
			struct task_ctx *t;
			place_t at, local;
			s32 cpu;

			p = bpf_iter_scx_dsq_next(&it);
			if (!p)
				break;
			cpu = task_cpu(p);
			t = task_ctx(p);
			if (!t || !inactive(cpu))
				continue;
			at = t->at;
			local = place(MUS_STATE_LOCAL, place_shard(at), cpu);
			if (place_state(at) != MUS_STATE_NONE && move(t, at, local) &&
			    !dsq_move(&it, p, local_on | cpu))
				move(t, local, at);
		}
	}
	bpf_iter_scx_dsq_destroy(&it);
	return 0;
}

__noinline int hand_back_offline(void)
{
	u32 n = shared.cpu_count, i;

	bpf_for(i, 0, n < MUS_MAX_CPUS ? n : MUS_MAX_CPUS) {
		struct mus_cpu *slot = cpu_slot(i);

		if (!inactive(i))
			continue;
		hand_back(queue_id(MUS_QUEUE_CPU, i));
		hand_back(queue_id(MUS_QUEUE_SHARED, slot->shard));
		hand_back(queue_id(MUS_QUEUE_HELD, slot->shard));
		hand_back(queue_id(MUS_QUEUE_KERNEL, slot->shard));
	}
	return 0;
}

/* Whether some CPU is on its way off line. Looks at who has them as well, for userspace. */
static __always_inline bool going_offline(u64 now)
{
	u32 n = shared.cpu_count, i;

	if ((s64)(shared.offline_until_ns - now) > 0)
		return true;
	if (now - shared.active_looked_ns < MUS_ACTIVE_LOOK_NS)
		return false;
	shared.active_looked_ns = now;
	bpf_for(i, 0, n < MUS_MAX_CPUS ? n : MUS_MAX_CPUS) {
		if (!cpu_slot(i)->online)
			continue;
		cpu_taken(i);
		if (inactive(i)) {
			shared.offline_until_ns = now + MUS_OFFLINE_NS;
			return true;
		}
	}
	return false;
}

#endif /* MUS_HOTPLUG_BPF_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the machine of these benchmarks does with a decision, for C++ and for BPF: the task runs at once, and the events that
 * follow are written at once. It remembers nothing, so that it costs next to nothing: all is in the decision.
 */
#ifndef MUS_BENCH_MACHINE_H
#define MUS_BENCH_MACHINE_H

#include <mus/abi.h>

#define MUS_BENCH_CPUS 16u
#define MUS_BENCH_RECORDS 1024u /* that cross a ring in one go, when only that is measured */

/* Argument and answer of the programs in transport/rings.bpf.c. */
struct mus_bench_call {
	__u64 now_ns;
	__u32 groups;
	__u32 count; /* of records that were written or read */
};

/* `pid` is in the cgroup 2 + pid % groups; 1 is the root. */
static inline void mus_bench_runnable(struct mus_event *e, __s32 pid, __u64 generation, __u32 groups, __u64 now_ns)
{
	__builtin_memset(e, 0, sizeof(*e));
	e->kind = MUS_EVENT_RUNNABLE;
	e->pid = pid;
	e->tgid = pid;
	e->generation = generation;
	e->cgroup_id = 2 + (__u32)pid % groups;
	e->now_ns = now_ns;
	e->cpu = (__s32)((__u32)pid % MUS_BENCH_CPUS);
	e->weight = MUS_WEIGHT_DEFAULT;
	e->allowed_count = MUS_BENCH_CPUS;
}

/* Some number that differs from run to run. */
static inline __u32 mus_bench_any(const struct mus_decision *d)
{
	return (__u32)((d->generation + ((__u64)d->pid << 32)) * 0x9e3779b97f4a7c15ull >> 48);
}

/* It runs for all of its slice and some 1/16 more at most, as a tick would have it, and waits again. Returns for how long. */
static inline __u64 mus_bench_spin(struct mus_event *e, const struct mus_decision *d, __u32 groups, __u64 now_ns)
{
	__u64 ran = d->slice_ns + (d->slice_ns >> 12) * (mus_bench_any(d) & 255);

	mus_bench_runnable(e, d->pid, d->generation + 1, groups, now_ns);
	e->run_ns = ran;
	return ran;
}

/* It runs for 20 to 84 us, sleeps, and wakes up: two events. Returns for how long it ran. */
static inline __u64 mus_bench_nap(struct mus_event *slept, struct mus_event *woke, const struct mus_decision *d, __u32 groups,
				  __u64 now_ns)
{
	mus_bench_runnable(slept, d->pid, d->generation, groups, now_ns);
	slept->kind = MUS_EVENT_SLEEP;
	slept->run_ns = 20000 + mus_bench_any(d);
	slept->sleep_ns = now_ns;
	mus_bench_runnable(woke, d->pid, d->generation + 1, groups, now_ns);
	woke->flags = MUS_EVENT_WAKEUP;
	woke->sleep_ns = now_ns;
	woke->wake_ns = now_ns;
	return slept->run_ns;
}

#endif /* MUS_BENCH_MACHINE_H */

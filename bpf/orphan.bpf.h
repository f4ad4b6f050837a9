/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel half outlives its daemon, so that the next one can adopt it. If none comes, or the one there is stopped
 * for good, it hands the machine back to the kernel's own scheduler.
 */
#ifndef MUS_ORPHAN_BPF_H
#define MUS_ORPHAN_BPF_H

#include "state.bpf.h"

#define MUS_ORPHAN_LOOK_NS 500000000ull

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct timer_slot);
} orphan_timer SEC(".maps");

static u64 looks_seen;    /* shared.daemon.looks when it changed last */
static u64 looks_seen_ns; /* and when that was */

static int orphan_timer_fired(void *map, u32 *key, struct timer_slot *ts)
{
	u64 now = now_ns(), looks = shared.daemon.looks, orphan_ns = shared.orphan_ns;

	if (looks != looks_seen || !looks_seen_ns) {
		looks_seen = looks;
		looks_seen_ns = now;
	} else if (orphan_ns && (s64)(now - looks_seen_ns) > (s64)orphan_ns) {
		scx_exit(MUS_EXIT_NO_DAEMON, "mus: no daemon has looked for %llu s", orphan_ns / 1000000000);
		return 0;
	}
	bpf_timer_start(&ts->timer, MUS_ORPHAN_LOOK_NS, 0);
	return 0;
}

static __always_inline s32 watch_daemon(void)
{
	u32 key = 0;
	struct timer_slot *ts = bpf_map_lookup_elem(&orphan_timer, &key);

	if (!ts)
		return -EINVAL;
	bpf_timer_init(&ts->timer, &orphan_timer, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&ts->timer, orphan_timer_fired);
	return bpf_timer_start(&ts->timer, MUS_ORPHAN_LOOK_NS, 0);
}

/* @p is gone, and its number will be another's: who gets it must not be taken for the daemon. */
static __always_inline void forget_daemon(const struct task_struct *p)
{
	if (p->pid == p->tgid && is_daemon(p))
		__sync_val_compare_and_swap(&shared.daemon_tgid, p->tgid, 0);
}

#endif /* MUS_ORPHAN_BPF_H */

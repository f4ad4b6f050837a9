// SPDX-License-Identifier: GPL-2.0-only
/*
 * The far ends of both rings, without a scheduler: what crossing them costs on the kernel that runs here.
 *
 *   events     ring   these programs -> userspace    struct mus_event
 *   decisions  ring   userspace -> these programs    struct mus_decision
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "../machine.h"

/* As large as in bpf/state.bpf.h. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 512 << 10);
} decisions SEC(".maps");

char bench_license[] SEC("license") = "GPL";

/* What a call into the kernel costs. */
SEC("syscall")
int bench_nothing(struct mus_bench_call *call)
{
	return 0;
}

/* Writes as many events as cross in one go. */
SEC("syscall")
int bench_post(struct mus_bench_call *call)
{
	__u32 i, groups = call->groups ?: 1;

	for (i = 0; i < MUS_BENCH_RECORDS; i++) {
		struct mus_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

		if (!e)
			break;
		mus_bench_runnable(e, 1 + i, 1, groups, call->now_ns);
		bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	}
	call->count = i;
	return 0;
}

static long taken(struct bpf_dynptr *record, void *context)
{
	struct mus_bench_call *sum = context;
	struct mus_decision d;

	if (!bpf_dynptr_read(&d, sizeof(d), record, 0, 0) && d.flags & MUS_DECIDE_MOVE)
		sum->count++;
	return 0;
}

/* Reads all decisions, and says how many there were. */
SEC("syscall")
int bench_take(struct mus_bench_call *call)
{
	struct mus_bench_call sum = {};

	bpf_user_ringbuf_drain(&decisions, taken, &sum, BPF_RB_NO_WAKEUP);
	call->count = sum.count;
	return 0;
}

static long ran(struct bpf_dynptr *record, void *context)
{
	struct mus_bench_call *sum = context;
	struct mus_decision d;
	struct mus_event *e;

	if (bpf_dynptr_read(&d, sizeof(d), record, 0, 0) || !(d.flags & MUS_DECIDE_MOVE))
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return 0;
	sum->now_ns += mus_bench_spin(e, &d, sum->groups ?: 1, sum->now_ns) / MUS_BENCH_CPUS;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	sum->count++;
	return 0;
}

/* All that was decided runs. */
SEC("syscall")
int bench_turn(struct mus_bench_call *call)
{
	struct mus_bench_call sum = {.now_ns = call->now_ns, .groups = call->groups};

	bpf_user_ringbuf_drain(&decisions, ran, &sum, BPF_RB_NO_WAKEUP);
	call->now_ns = sum.now_ns;
	call->count = sum.count;
	return 0;
}

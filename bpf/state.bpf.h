/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where everything is kept: rings, shared memory, the context of a task, queue ids, and the one function
 * that changes a task's state and the counters that go with it.
 */
#ifndef MUS_STATE_BPF_H
#define MUS_STATE_BPF_H

#include <mus/abi.h>

#include "kernel.bpf.h"

/* ---- rings ----------------------------------------------------------------------------------- */

/* kernel half -> userspace: struct mus_event. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} events SEC(".maps");

/* userspace -> kernel half: struct mus_decision. */
struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 512 << 10);
} decisions SEC(".maps");

/* ---- shared memory --------------------------------------------------------------------------- */

const volatile struct mus_abi_info mus_abi = {
	.magic = MUS_ABI_MAGIC,
	.version = MUS_ABI_VERSION,
	.event_bytes = sizeof(struct mus_event),
	.decision_bytes = sizeof(struct mus_decision),
	.shared_bytes = sizeof(struct mus_shared),
	.cgroup_bytes = sizeof(struct mus_cgroup),
};

struct mus_shared shared SEC(".data.shared") = {
	.magic = MUS_ABI_MAGIC,
	.version = MUS_ABI_VERSION,
};

u64 decided_ns; /* when userspace has last decided on anybody */

char exit_dump[MUS_EXIT_DUMP_BYTES] SEC(".data.exit_dump") = {1};

/*
 * Indices are masked, not compared: a comparison may be done on a copy that the verifier has lost sight of. They are
 * in range already, but for what has been checked where it came in.
 */
_Static_assert(!(MUS_MAX_CPUS & (MUS_MAX_CPUS - 1)) && !(MUS_MAX_SHARDS & (MUS_MAX_SHARDS - 1)), "masked below");

static __always_inline struct mus_cpu *cpu_slot(s32 cpu)
{
	return &shared.cpus[cpu & (MUS_MAX_CPUS - 1)];
}

/* Whether a task of a higher class runs on @cpu at this moment. */
static __always_inline bool higher_class_runs(s32 cpu)
{
	const struct rq *rq = &runqueues ? bpf_per_cpu_ptr(&runqueues, cpu) : NULL;

	return rq && rq->curr->prio < MAX_RT_PRIO;
}

/*
 * Whether a task of a higher class has @cpu. The kernel says so (cpu_release) when it comes after one of ours, and not when the CPU was
 * idle, or was such a task's before we came: so that is looked at too.
 */
static __always_inline bool cpu_taken(s32 cpu)
{
	struct mus_cpu *slot = cpu_slot(cpu);

	if (!slot->taken && higher_class_runs(cpu))
		slot->taken = 1;
	return slot->taken;
}

static __always_inline struct mus_shard *shard_slot(u32 shard)
{
	return &shared.shards[shard & (MUS_MAX_SHARDS - 1)];
}

static __always_inline u32 shard_of_cpu(s32 cpu)
{
	return cpu_slot(cpu)->shard;
}

/* Tasks on the run queue of one CPU. */
static __always_inline u32 own_queue(const struct mus_cpu *slot)
{
	return slot->queued_count + slot->resumed_count;
}

/* Tasks on the run queue that the CPUs of @shard share. */
static __always_inline u64 shared_queue(const struct mus_shard *shard)
{
	return shard->queued_count + shard->in_turn_count;
}

/* The counters of this CPU: no other CPU writes them. */
static __always_inline struct mus_counters *counters(void)
{
	return &cpu_slot(bpf_get_smp_processor_id())->counters;
}

#define count(field) __sync_fetch_and_add(&counters()->field, 1)

/* ---- queues ---------------------------------------------------------------------------------- */

/*
 * Queue (DSQ) ids:
 *
 *   63      32 31      24 23                0
 *  +----------+----------+-------------------+
 *  |    0     |   kind   |  shard or CPU     |
 *  +----------+----------+-------------------+
 */
enum mus_queue_kind {
	MUS_QUEUE_HELD = 1,   /* per shard, by fallback virtual time: waits for a decision */
	MUS_QUEUE_SHARED = 2, /* per shard, by decision order: decided, for any CPU */
	MUS_QUEUE_CPU = 3,    /* per CPU, by decision order: decided, for this CPU */
	MUS_QUEUE_KERNEL = 4, /* per shard, first in first out: kernel threads whose slice ended */
};

_Static_assert(MUS_MAX_CPUS <= 1 << 24 && MUS_MAX_SHARDS <= 1 << 24, "queue id has 24 bits for the index");

static __always_inline u64 queue_id(enum mus_queue_kind kind, u32 index)
{
	return (u64)kind << 24 | index;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

/*
 * States of a task, and what moves it on if userspace is dead:
 *
 *   NONE ----> HELD ----> QUEUED ----> RUNNING ----> NONE (asleep), HELD, RESUMED or IN_TURN
 *     \          \                     ^
 *      \          `--- fallback -------|
 *       `--> LOCAL (a CPU's own queue)-|
 *        `-> IN_TURN ------------------'
 *
 *   HELD     dispatch takes it after the hold bound, at once while userspace is stalled
 *   QUEUED   dispatch takes it; other CPUs steal it when they have nothing else
 *   IN_TURN  as QUEUED, on the same queue, by standing order
 *   RESUMED  as QUEUED: interrupted, it waits on its CPU's run queue to go on
 *   LOCAL    the kernel runs it next on that CPU
 *   KERNEL   dispatch takes turns between this queue and the others
 */
enum mus_state {
	MUS_STATE_NONE,
	MUS_STATE_HELD,
	MUS_STATE_QUEUED,
	MUS_STATE_RESUMED,
	MUS_STATE_LOCAL,
	MUS_STATE_KERNEL,
	MUS_STATE_RUNNING,
	MUS_STATE_IN_TURN,
};

/*
 * Where a task is: its state, and the queue that it is counted in. One word, so that it is changed as one and always
 * counted out of where it was counted in, whoever else acts on the task at that moment.
 *
 *   63      32 31      17  16  15      8 7      0
 *  +----------+----------+---+---------+--------+
 *  |   CPU    |    0     | M |  shard  | state  |   CPU: 1 + number; 0: none (QUEUED: the shared queue)
 *  +----------+----------+---+---------+--------+
 *
 * M (QUEUED): commit has written it. ops.enqueue may write the same place meanwhile, and commit must not take that back.
 */
typedef u64 place_t;

#define MUS_PLACE_BY_COMMIT (1ull << 16)

static __always_inline place_t place(u32 state, u32 shard, s32 cpu)
{
	return (u64)(u32)(cpu + 1) << 32 | (shard & (MUS_MAX_SHARDS - 1)) << 8 | state;
}

static __always_inline u32 place_state(place_t at)
{
	return at & 0xff;
}

static __always_inline u32 place_shard(place_t at)
{
	return at >> 8 & (MUS_MAX_SHARDS - 1);
}

static __always_inline s32 place_cpu(place_t at)
{
	return (s32)(at >> 32) - 1;
}

enum mus_task_flag {
	MUS_TASK_KERNEL = 1 << 0,    /* kswapd and the like: never sent to userspace */
	MUS_TASK_KNOWN = 1 << 1,     /* userspace has had an event about it */
	MUS_TASK_ANNOUNCED = 1 << 2, /* userspace believes it to be runnable */
	MUS_TASK_YIELDED = 1 << 3,   /* gave up its slice with sched_yield() */
	MUS_TASK_LONG = 1 << 4,      /* has used up its slice since it woke */
	MUS_TASK_AHEAD = 1 << 5,     /* announced while it runs, for its next slice */
	MUS_TASK_HANDED = 1 << 6,    /* its waker's CPU is handed to it */
	MUS_TASK_IN_TURN = 1 << 7,   /* its present slice began in turn */
	MUS_TASK_SYNC = 1 << 8,      /* woken by one that was about to wait, as over a pipe or a socket; kept where there are several shards */
};

struct standing_order {
	u64 slice_ns;   /* 0: none */
	u64 min_run_ns;
	u64 budget_max_ns;
	s64 budget_ns;
	u64 refilled_ns;
	u64 until_ns;
	u32 rate;
	u32 flags;      /* enum mus_standing_flag */
};

struct task_ctx {
	u64 generation;
	place_t at;          /* only enter() and move() write it; tests/vm/programs/census.cc reads it here */
	u32 route;           /* enum mus_route of the next or present run */
	u32 flags;           /* enum mus_task_flag */
	s32 waker_pid;
	u32 handovers;       /* see struct mus_cpu */
	u64 cgroup_id;
	u64 slice_ns;        /* granted for the next or present run */
	u64 run_start_ns;    /* sum_exec_runtime when the present run began */
	u64 unreported_ns;   /* run time that no event has told yet */
	u64 reported_ns;     /* when the last event about it was written */
	u64 place_ns;        /* its place in the held queue: fallback virtual time */
	u64 upfront_ns;      /* fallback virtual time that was charged ahead */
	u64 burst_ns;        /* CPU time since it woke */
	u64 last_burst_ns;   /* the same, of the last time it was awake; 0: it has never slept */
	u64 held_since_ns;
	u64 ready_ns;        /* when it became runnable, or was interrupted; 0: it runs */
	u64 waited_ns;       /* before the present run */
	u64 wake_ns;
	u64 sleep_ns;
	u64 resyncs;         /* value of shared.resyncs when it was announced ahead */
	u64 next_slice_ns;   /* decided ahead, for when its slice ends; 0: not */
	u64 next_order;
	u64 order;           /* its turn: its place on the run queue that the present run came from, or when that began */
	s32 next_target;
	u32 wait_bucket;     /* how long it waited before its last runs, as in mus_cgroup.waits */
	u32 wait_runs;       /* so many of these are not counted there yet */
	u64 unsettled_ns;    /* run time that its cgroup has not been charged with in the fallback order */
	u64 settled_ns;      /* when that was done last */
	struct standing_order standing;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_ctx);
} tasks SEC(".maps");

static __always_inline struct task_ctx *task_ctx(struct task_struct *p)
{
	return bpf_task_storage_get(&tasks, p, 0, 0);
}

/* As one: commit and resync change flags of a task while its CPU does. */
static __always_inline void set_flag(struct task_ctx *t, u32 flag)
{
	__sync_fetch_and_or(&t->flags, flag);
}

static __always_inline void clear_flag(struct task_ctx *t, u32 flag)
{
	if (t->flags & flag)
		__sync_fetch_and_and(&t->flags, ~flag);
}

static __always_inline bool is_daemon(const struct task_struct *p)
{
	return shared.daemon_tgid && p->tgid == shared.daemon_tgid;
}

/* Kernel threads that userspace itself may wait for: they must never wait for userspace. */
static __always_inline bool kernel_owned(const struct task_struct *p, const struct task_ctx *t)
{
	return t->flags & MUS_TASK_KERNEL || ((p->flags & PF_KTHREAD) && p->nr_cpus_allowed == 1);
}

/* Most may run anywhere: then nobody need be called. */
static __always_inline bool may_run(const struct task_struct *p, s32 cpu)
{
	return (u32)p->nr_cpus_allowed >= shared.cpu_count || bpf_cpumask_test_cpu(cpu, p->cpus_ptr);
}

/* Programs that run on behalf of @p itself, one or, in cpu_release, two, have pinned it for the moment: not counted. */
static __always_inline bool migration_disabled(const struct task_struct *p, u32 programs)
{
	return p->migration_disabled > (p->pid == current_pid() ? programs : 0);
}

/* Counts a task in (+1) or out (-1) of where it is. */
static __always_inline void count_place(place_t at, s64 n)
{
	struct mus_shard *shard = shard_slot(place_shard(at));
	struct mus_cpu *slot = cpu_slot(place_cpu(at));

	switch (place_state(at)) {
	case MUS_STATE_NONE:
		__sync_fetch_and_add(&counters()->asleep, n);
		break;
	case MUS_STATE_HELD:
		__sync_fetch_and_add(&shard->held_count, n);
		break;
	case MUS_STATE_QUEUED:
		if (place_cpu(at) >= 0)
			__sync_fetch_and_add(&slot->queued_count, n);
		else
			__sync_fetch_and_add(&shard->queued_count, n);
		break;
	case MUS_STATE_IN_TURN:
		if (place_cpu(at) >= 0)
			__sync_fetch_and_add(&slot->resumed_count, n);
		else
			__sync_fetch_and_add(&shard->in_turn_count, n);
		break;
	case MUS_STATE_RESUMED:
		if (place_cpu(at) >= 0)
			__sync_fetch_and_add(&slot->resumed_count, n);
		else
			__sync_fetch_and_add(&shard->in_turn_count, n);
		break;
	case MUS_STATE_LOCAL:
		__sync_fetch_and_add(&slot->local_count, n);
		break;
	case MUS_STATE_KERNEL:
		__sync_fetch_and_add(&shard->kernel_count, n);
		break;
	case MUS_STATE_RUNNING:
		__sync_fetch_and_add(&slot->running_count, n);
		break;
	}
}

/* The task is at @to from now on. Returns where it was. */
static __always_inline place_t enter(struct task_ctx *t, place_t to)
{
	place_t from = __sync_lock_test_and_set(&t->at, to);

	count_place(from, -1);
	count_place(to, 1);
	return from;
}

/* The same, but only if it is at @from: for commit, which acts on a task that may start to run meanwhile. */
static __always_inline bool move(struct task_ctx *t, place_t from, place_t to)
{
	if (__sync_val_compare_and_swap(&t->at, from, to) != from)
		return false;
	count_place(from, -1);
	count_place(to, 1);
	return true;
}

static __always_inline place_t nowhere(void)
{
	return place(MUS_STATE_NONE, 0, -1);
}

/* ---- timers ---------------------------------------------------------------------------------- */

struct timer_slot {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MUS_MAX_CPUS);
	__type(key, u32);
	__type(value, struct timer_slot);
} cpu_timers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MUS_MAX_SHARDS);
	__type(key, u32);
	__type(value, struct timer_slot);
} hold_timers SEC(".maps");

#endif /* MUS_STATE_BPF_H */

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Everything that the BPF half and userspace share, defined once, for C11 and C++.
 *
 * Rings:   mus_event     kernel half -> userspace   BPF_MAP_TYPE_RINGBUF       "events"
 *          mus_decision  userspace -> kernel half   BPF_MAP_TYPE_USER_RINGBUF  "decisions"
 * Memory:  mus_shared    both ways                  the data section ".data.shared", mapped by userspace
 * Units:   times are nanoseconds of the kernel's scheduler clock (scx_bpf_now(); userspace learns it from
 *          events and from struct mus_call, never from clock_gettime()); weights are cpu.weight units (1..10000, default 100); CPUs are kernel CPU numbers; pids are those of
 *          the root PID namespace; cgroup ids are kernfs ids (the inode number of the cgroup's folder).
 * Rules:   no bool, pointer, bitfield or enum-typed field; no implicit padding; `reserved` fields are
 *          written as zero and checked. Each side copies, then range-checks, what the other wrote.
 *          MUS_ABI_VERSION rises whenever layout or meaning change.
 */
#ifndef MUS_ABI_H
#define MUS_ABI_H

#ifdef __cplusplus
#include <cstddef>
#else
#include <stddef.h>
#endif
#include <linux/types.h>

#define MUS_ABI_MAGIC 0x4d555321u /* "MUS!" */
#define MUS_ABI_VERSION 12u

#define MUS_MAX_CPUS 512u
#define MUS_MAX_SHARDS 64u /* last-level caches that can have a held queue of their own */
#define MUS_MAX_CGROUPS 16384u
#define MUS_EXIT_DUMP_BYTES 65536u
#define MUS_WAIT_BUCKETS 24u /* the last one counts everything above 4 s */

#define MUS_WEIGHT_MIN 1u
#define MUS_WEIGHT_DEFAULT 100u
#define MUS_WEIGHT_MAX 10000u

#define MUS_SLICE_MIN_NS 50000ull        /* a decision below this is refused */
#define MUS_SLICE_MAX_NS 1000000000ull   /* and one above this too: the kernel's watchdog is near */
#define MUS_ORDER_SPAN_NS 500000000ull   /* `order` counts as now -+ this at most: nobody goes before a task for ever */
#define MUS_STANDING_RATE_ONE 1024u      /* standing_rate that refills one CPU's worth of time */
#define MUS_STANDING_RATE_MAX 2048u      /* above one: also a task that never stops running saves up */
#define MUS_EXIT_NO_DAEMON 1ll           /* mus_exit.code: nobody has looked for orphan_ns */

/* ---- events: kernel half -> userspace -------------------------------------------------------- */

enum mus_event_kind {
	MUS_EVENT_NONE = 0,
	MUS_EVENT_RUNNABLE = 1,   /* the task waits in the held queue: answer with a decision */
	MUS_EVENT_SLEEP = 2,      /* a task announced by RUNNABLE stopped being runnable */
	MUS_EVENT_EXIT = 3,       /* the task is gone, or left for another scheduling class */
	MUS_EVENT_REPORT = 4,     /* the task ran without being held (idle CPU, standing order) */
	MUS_EVENT_WEIGHT = 5,     /* nice value changed; `weight` is the new one */
	MUS_EVENT_AFFINITY = 6,   /* allowed CPUs changed; `affinity` is the new class */
	MUS_EVENT_CGROUP = 7,     /* the task moved to `cgroup_id` */
	MUS_EVENT_CPU = 8,        /* `cpu` went on line (arg = 1) or off line (arg = 0) */
	MUS_EVENT_CGROUP_NEW = 9, /* cgroup `cgroup_id`, child of `arg`, with `weight` */
	MUS_EVENT_CGROUP_WEIGHT = 10, /* cpu.weight of `cgroup_id` is now `weight` */
	MUS_EVENT_CGROUP_GONE = 11,   /* cgroup `cgroup_id` was removed */
	MUS_EVENT_REFUSED = 12,   /* the last decision on this generation was refused; arg = enum mus_refusal */
	MUS_EVENT_RUNNING = 13,   /* the task began to run, and used up its slice before: answer for its next slice */
	MUS_EVENT_KINDS = 14,
};

/* Bit for `mus_shared.event_mask`. RUNNABLE, EXIT, CPU, REFUSED and the CGROUP_* kinds are always sent. */
#define MUS_EVENT_BIT(kind) (1u << (kind))

enum mus_event_flag {
	MUS_EVENT_WAKEUP = 1 << 0,    /* became runnable by waking up (not by using up its slice) */
	MUS_EVENT_NEW_TASK = 1 << 1,  /* first event about this task */
	MUS_EVENT_RESYNC = 1 << 2,    /* repeated on request: the task was on the held queue already */
	MUS_EVENT_PREEMPTED = 1 << 3, /* lost its CPU with part of its slice unused */
	MUS_EVENT_KTHREAD = 1 << 4,
	MUS_EVENT_STANDING = 1 << 5,  /* REPORT: ran by standing order; RUNNABLE: its standing order did not apply */
};

enum mus_affinity {
	MUS_AFFINITY_ALL = 0,  /* may run on every CPU */
	MUS_AFFINITY_SOME = 1, /* on `allowed_count` CPUs of them */
	MUS_AFFINITY_ONE = 2,  /* on `allowed_cpu` alone (pinned, or migration disabled) */
};

enum mus_refusal {
	MUS_REFUSED_NONE = 0,
	MUS_REFUSED_UNKNOWN_PID = 1, /* counted only */
	MUS_REFUSED_STALE = 2,       /* counted only: another event about the task is on its way */
	MUS_REFUSED_BAD_CPU = 3,     /* out of range, off line, or not allowed for the task */
	MUS_REFUSED_BAD_SLICE = 4,   /* outside MUS_SLICE_MIN_NS..MUS_SLICE_MAX_NS */
	MUS_REFUSED_BAD_FIELD = 5,   /* unknown flag, reserved not zero, standing order out of range */
	MUS_REFUSED_NOT_YET = 6,     /* the task is still on its way into the held queue: decide again */
	MUS_REFUSED_BAD_RECORD = 7,  /* counted only: record of the wrong size */
	MUS_REFUSALS = 8,
};

/*
 * Producer: kernel half. Consumer: the scheduler thread. Ring full: the task is safe in the held
 * queue already; the kernel half counts it and raises mus_shared.resync_wanted.
 */
struct mus_event {
	__u32 kind;            /* enum mus_event_kind */
	__u32 flags;           /* enum mus_event_flag */
	__s32 pid;             /* 0 in events that are about no task */
	__s32 tgid;
	__u64 generation;      /* copy it into the decision; rises each time the task enters the held queue */
	__u64 cgroup_id;       /* cgroup that the cpu controller accounts the task to */
	__u64 now_ns;          /* when the event was written */
	__u64 run_ns;          /* CPU time used since the previous event about this task */
	__u64 wake_ns;         /* last wakeup; 0: none seen */
	__u64 sleep_ns;        /* last time it went to sleep; 0: none seen */
	__s32 waker_pid;       /* who woke it last; 0: unknown or interrupt */
	__s32 cpu;             /* where it last ran, or the CPU that the event is about */
	__u32 weight;          /* from nice: 1..10000, nice 0 = 100 */
	__u32 affinity;        /* enum mus_affinity */
	__s32 allowed_cpu;     /* MUS_AFFINITY_ONE: the CPU; else the first allowed one */
	__u32 allowed_count;   /* how many CPUs it may run on */
	__u64 arg;             /* see each kind; 0 otherwise */
};

/* ---- decisions: userspace -> kernel half ----------------------------------------------------- */

enum mus_decision_flag {
	MUS_DECIDE_MOVE = 1 << 0,     /* move the task from the held queue to `target` */
	MUS_DECIDE_STANDING = 1 << 1, /* replace the task's standing order by the one given; all zero revokes it */
	MUS_DECIDE_URGENT = 1 << 2,   /* run it now: interrupt as its standing order (which must come along) says */
	MUS_DECIDE_FLAGS = 7,
};

enum mus_standing_flag {
	MUS_STANDING_IN_TURN = 1 << 0, /* it joins the shared run queue, at a place by what is left of its budget */
	MUS_STANDING_AGAIN = 1 << 1,   /* so it does when it has used up a slice */
	MUS_STANDING_RETURNS = 1 << 2, /* without IN_TURN: when it has used up a slice it waits as if it had woken up */
	MUS_STANDING_FLAGS = 7,
};

#define MUS_TARGET_ANY (-1) /* the shard's shared run queue: the first CPU that may run it takes it */

/*
 * Producer: the scheduler thread. Consumer: the kernel half (commit program, ops.dispatch).
 * Ring full: userspace keeps the decision and tries again after the next commit.
 *
 * The standing order says what the kernel half does at the next wakeups of the task, without asking:
 * put it on a CPU at once for standing_slice_ns, interrupting a task that is not itself running by
 * standing order and has run for standing_min_run_ns. As long as its budget is not empty, and until standing_valid_ns
 * have passed. Of several CPUs, one where another cgroup's task runs is taken first. The budget is a token bucket that
 * outlives the order: every run of the task drains it (down to minus standing_budget_ns), and time refills it at
 * standing_rate / 1024 ns a ns.
 *
 * MUS_STANDING_RETURNS: also when it has used up a slice, unless userspace is stalled or another waits for its CPU by standing order. Who runs
 * meanwhile has standing_slice_ns * (1 / rate - 1) before it is interrupted, if that is more than standing_min_run_ns.
 *
 * MUS_STANDING_IN_TURN: on the shared run queue instead (on its CPU's own if it may run on one alone; not at all if it may run on
 * some, or while userspace is stalled), whatever is left of its budget, with the order now - standing_slice_ns - budget / rate. When it
 * wakes, its place is earlier by a slice until it runs, and it interrupts a task that has run for standing_min_run_ns, is not expected to
 * sleep at once, and whose order is later than that place by more than standing_min_run_ns / rate.
 */
struct mus_decision {
	__s32 pid;
	__u32 flags;              /* enum mus_decision_flag */
	__u64 generation;         /* of the event that is answered */
	__s32 target;             /* CPU number or MUS_TARGET_ANY */
	__u32 standing_flags;     /* enum mus_standing_flag */
	__u64 slice_ns;           /* MUS_SLICE_MIN_NS..MUS_SLICE_MAX_NS */
	__u64 order;              /* ns on the events' clock: smaller runs first in its queue; see MUS_ORDER_SPAN_NS */
	__u64 standing_slice_ns;  /* 0: no standing order */
	__u64 standing_min_run_ns;
	__u64 standing_budget_ns; /* most that can be saved up, and what the first order starts with */
	__u64 standing_valid_ns;  /* how long the order stands, from its arrival */
	__u32 standing_rate;      /* 0..MUS_STANDING_RATE_MAX */
	__u32 reserved;           /* 0 */
};

/* ---- shared memory --------------------------------------------------------------------------- */

/* How a task came to run; one counter each in mus_counters.runs. */
enum mus_route {
	MUS_ROUTE_NONE = 0,
	MUS_ROUTE_DECIDED = 1,  /* by a decision of userspace made for this run */
	MUS_ROUTE_STANDING = 2, /* by a standing order of userspace */
	MUS_ROUTE_RESUMED = 3,  /* went on with the slice of an earlier decision after it was interrupted */
	MUS_ROUTE_IDLE = 4,     /* woke up and found an idle CPU */
	MUS_ROUTE_HELD = 5,     /* taken from the held queue: the hold bound passed */
	MUS_ROUTE_FALLBACK = 6, /* taken from the held queue: userspace is stalled */
	MUS_ROUTE_KERNEL = 7,   /* kernel threads that never go to userspace */
	MUS_ROUTE_DAEMON = 8,   /* the daemon's own threads */
	MUS_ROUTE_IN_TURN = 9,  /* by a standing order, in turn */
	MUS_ROUTES = 10,
};

/* One for each CPU that the kernel half runs on; the reader adds them up. Writer: kernel half. */
struct mus_counters {
	__u64 runs[MUS_ROUTES];          /* times a task began to run, by enum mus_route */
	__u64 kept;                      /* slices renewed in place because nothing else was due */
	__u64 events;                    /* written to the ring */
	__u64 events_lost;               /* the ring was full */
	__u64 refused[MUS_REFUSALS];     /* decisions refused, by enum mus_refusal */
	__u64 decisions;                 /* decisions that moved a task */
	__u64 standing_set;              /* standing orders accepted */
	__u64 standing_spent;            /* standing orders that ran out of budget or time */
	__u64 wakes;                     /* times userspace was woken */
	__u64 preemptions;               /* tasks interrupted by a standing order or by decision */
	__u64 stalls;                    /* times the stall bound was found exceeded */
	__u64 rescued;                   /* tasks moved on by the rescue timer */
	__u64 drains;                    /* times the decision ring was drained */
	__u64 seen;                      /* tasks that it was told of */
	__u64 exited;                    /* of those, they that are gone */
	__u64 asleep;                    /* of those, they that do not want to run; modulo 2^64: only the sum says something */
};

/* What one CPU is doing, and has done: on one page. Writer: kernel half. Read by userspace without a message; may be stale. */
struct mus_cpu {
	__u64 running_since_ns; /* when the task that runs there began; 0: idle or unknown */
	__u64 starved_since_ns; /* found nothing decided while tasks were held; 0: not starved */
	__s32 running_pid;      /* 0: idle or unknown */
	__u32 route;            /* enum mus_route of what runs there */
	__u32 queued_count;     /* tasks on this CPU's own run queue by decision */
	__u32 online;           /* 0 or 1 */
	__u32 shard;            /* held queue that this CPU serves. Writer: userspace, before attach */
	__u32 taken;            /* a task of a higher class (real-time, stop) has this CPU */
	__u32 kernel_turn;      /* the kernel-thread queue was served last */
	__u32 stalled;          /* userspace was stalled when this CPU last took a held task */
	__u64 rescued_ns;       /* when it last looked for forgotten tasks */
	__u64 min_run_ns;       /* what a task that waits here by standing order grants to the one that runs */
	__u64 slice_end_ns;     /* when the slice of the task that runs there ends */
	__u64 timer_due_ns;     /* when its timer looks next; 0: not armed */
	__u64 useless_until_ns; /* nothing that is held may run here: it does not ask before this time */
	__u32 resumed_count;    /* and those that were interrupted, or are pinned here and take turns */
	__u32 local_count;      /* tasks that the kernel half put on the kernel's own queue of this CPU */
	__u32 running_count;    /* 0 or 1 */
	__u32 handovers;        /* times in a row that the task that runs there slept as soon as it had woken another */
	__u64 standing_since_ns; /* since when it has run by standing order alone while others wait; 0: it has not */
	__u64 returns_cgroup_id; /* who was put on the kernel's own queue of this CPU by standing order last: its cgroup, if it returns; else 0 */
	__u64 woke_ns;          /* when it last woke another so; 0: it has not since its run began, 1: more than one */
	__u64 order;            /* the place that what runs there had on its run queue, or when it began */
	__u64 turn_waits;       /* not 0: min_run_ns is that of a task on the shared run queue, which comes first by more than this if it is there yet */
	__u64 idle_wait_ns;     /* how long those who woke up and found it idle have waited for it, on average */
	__u64 sleeps_by_ns;     /* when what runs there sleeps, if it computes for as long as last time; 0: it has computed for longer, or nothing is known */
	__u64 cgroup_id;        /* of the task that runs there, or ran last */
	__u64 pinned;            /* 0 or 1: what runs there may run nowhere else */
	__u64 privileged_waits; /* 0 or 1: a thread of the kernel's or the daemon's has interrupted what ran there, and begins next */
	__u64 last_burst_ns;    /* for how long what runs there computed when it was awake last time; 0: it has never slept */
	struct mus_counters counters;
	__u64 woke_other_ns;    /* when what runs there, or an interrupt meanwhile, last woke another; 0: not since its run began */
	__u64 looked_far_ns;    /* when it last looked at the shared run queue of another shard while there was something on its own */
	__u64 reserved_more[6];
};

/* One for each last-level cache. Writer: kernel half. */
struct mus_shard {
	__u64 held_count;        /* tasks in the held queue, waiting for a decision */
	__u64 queued_count;      /* tasks on the shared run queue by decision: what is decided ahead */
	__u64 kernel_count;      /* tasks on the kernel-thread queue */
	__u64 fallback_clock_ns; /* virtual time of the fallback order */
	__u64 hold_armed;        /* the hold timer runs */
	__s64 starved_cpu;       /* 1 + the CPU that was starved last; 0: none */
	__u64 in_turn_count;     /* and those that joined it by standing order, or were interrupted by who keeps their CPU */
	__u64 undecided_since_ns; /* since when none of its CPUs has begun a run that was decided on while tasks are held; 0: one has */
};

/* A cgroup, in the pinned hash map "cgroups", by cgroup id. */
struct mus_cgroup {
	__u64 parent_id;         /* 0: the root. Writer: kernel half */
	__u64 fallback_vtime_ns; /* Writer: kernel half */
	__u32 weight;            /* cpu.weight. Writer: kernel half */
	__u32 effective_weight;  /* share for the fallback order; 0: take `weight`. Writer: userspace, by mus_set_effective_weight */
	__u32 level;             /* 0: the root. Writer: kernel half */
	__u32 reserved;
	__u32 waits[MUS_WAIT_BUCKETS]; /* runs, by how long the task had waited: below 2^i us. Writer: kernel half; wraps */
};

/* Why the kernel half stopped, from ops.exit. */
struct mus_exit {
	__u32 kind;       /* enum scx_exit_kind of the running kernel; 0: still running */
	__u32 dump_bytes; /* in the data section ".data.exit_dump" */
	__s64 code;
	char reason[128];
	char message[1024];
};

/* Read-only data: what this BPF object is. Checked before attaching. */
struct mus_abi_info {
	__u32 magic;
	__u32 version;
	__u32 event_bytes;
	__u32 decision_bytes;
	__u32 shared_bytes;
	__u32 cgroup_bytes;
};

enum mus_config_flag {
	MUS_CONFIG_IDLE_DIRECT = 1 << 0, /* a waking task takes an idle CPU without asking */
	MUS_CONFIG_DFL_CGROUPS = 1 << 1, /* no EXT_GROUP_SCHED: read the cgroup from the task itself */
	MUS_CONFIG_PARTIAL = 1 << 2,     /* attached for tasks of the class SCHED_EXT alone */
};

/*
 * The daemon, for the kernel half and for the next daemon: it stays when a daemon dies or is replaced.
 * Writer: userspace.
 */
struct mus_daemon {
	__u64 looks;            /* rises each time that userspace looks: once a second at least */
	__u64 adopted;          /* times that a daemon took over while the kernel half went on */
	__u64 stall_total_ns;   /* times that the kernel half went on alone, added up, until userspace looked again */
	__u64 stall_longest_ns;
	__s32 replaced_by;      /* thread group, in the root PID namespace, that asks the daemon to hand over; 0: none */
	__u32 reserved;
	__u64 gap_ns;           /* when one last took over: from the former's last look until this one's first decisions are applied */
	__u64 reserved_more[2];
	char version[64];       /* of the daemon; ends with 0 */
};

struct mus_shared {
	/* Configuration. Writer: userspace, before attach; slice_ns, *_ns and event_mask also later. */
	__u32 magic;
	__u32 version;
	__u32 flags;           /* enum mus_config_flag */
	__u32 event_mask;      /* MUS_EVENT_BIT() of the kinds that the policy wants */
	__u32 shard_count;
	__u32 cpu_count;       /* CPU numbers in use are below this */
	__s32 daemon_tgid;     /* in the root PID namespace; 0: none. The kernel half writes 0 when it is gone */
	__u32 low_water;       /* ask userspace for more when no more than this many tasks are queued */
	__u64 slice_ns;        /* for runs that userspace has not decided on */
	__u64 hold_ns;         /* how long a CPU waits for userspace while tasks are held */
	__u64 stall_ns;        /* userspace that has not answered for this long is stalled */
	__u64 rescue_ns;       /* nobody stays on the held queue longer than this */
	__u64 report_ns;       /* run time that is collected before a REPORT event */
	__u64 batch_ns;        /* longest time that an event waits for userspace to look */
	__u64 orphan_ns;       /* without a daemon that looks, the kernel half ends itself after this long; 0: never */
	__u64 reserved_config[5];

	/* State. Writer: kernel half, but where said otherwise. */
	__u64 asked_ns;        /* when userspace was woken and has not looked since; 0: not waiting. Userspace
				  writes 0 before it drains the event ring. */
	__u64 looked_ns;       /* last time that userspace drained, by its own reckoning. Writer: userspace */
	__u64 resync_wanted;   /* events were lost; userspace writes 0 and runs the resync program */
	__u64 online_count;    /* CPUs on line */
	__u64 started_ns;      /* when the kernel half was enabled */
	__u64 stalled_ns;      /* value of asked_ns in the stall that was counted last */
	__u64 offline_until_ns; /* a CPU goes off line: until then its tasks are looked for on every queue */
	__u64 active_looked_ns; /* when the kernel's mask of active CPUs was looked at last */

	struct mus_exit exit;
	__u64 resyncs;         /* times that the resync program ran */
	__u64 reserved_exit[5];
	struct mus_daemon daemon; /* this and the next two start on a cache line */
	struct mus_shard shards[MUS_MAX_SHARDS];
	struct mus_cpu cpus[MUS_MAX_CPUS];
};

/* Input and output of the SYSCALL programs (ctx_in). */
struct mus_call {
	__s32 pid;         /* hello: out, the caller's thread group in the root PID namespace; find_task: in */
	__s32 result;      /* out: 0 or -errno; commit, resync: how many decisions or events */
	__u64 now_ns;      /* out: the scheduler clock */
	__u64 cgroup_id;   /* set_weight: in */
	__u32 weight;      /* set_weight: in, effective weight for the fallback order; 0: none */
	__u32 shard;       /* resync: in */
};

/* ---- layout, asserted in both languages ------------------------------------------------------- */

#ifdef __cplusplus
#define MUS_ASSERT(expr) static_assert(expr, #expr)
#else
#define MUS_ASSERT(expr) _Static_assert(expr, #expr)
#endif
#define MUS_ASSERT_AT(type, field, at) MUS_ASSERT(offsetof(struct type, field) == (at))

MUS_ASSERT(sizeof(struct mus_event) == 96);
MUS_ASSERT_AT(mus_event, flags, 4);
MUS_ASSERT_AT(mus_event, pid, 8);
MUS_ASSERT_AT(mus_event, tgid, 12);
MUS_ASSERT_AT(mus_event, generation, 16);
MUS_ASSERT_AT(mus_event, cgroup_id, 24);
MUS_ASSERT_AT(mus_event, now_ns, 32);
MUS_ASSERT_AT(mus_event, run_ns, 40);
MUS_ASSERT_AT(mus_event, wake_ns, 48);
MUS_ASSERT_AT(mus_event, sleep_ns, 56);
MUS_ASSERT_AT(mus_event, waker_pid, 64);
MUS_ASSERT_AT(mus_event, cpu, 68);
MUS_ASSERT_AT(mus_event, weight, 72);
MUS_ASSERT_AT(mus_event, affinity, 76);
MUS_ASSERT_AT(mus_event, allowed_cpu, 80);
MUS_ASSERT_AT(mus_event, allowed_count, 84);
MUS_ASSERT_AT(mus_event, arg, 88);

MUS_ASSERT(sizeof(struct mus_decision) == 80);
MUS_ASSERT_AT(mus_decision, flags, 4);
MUS_ASSERT_AT(mus_decision, generation, 8);
MUS_ASSERT_AT(mus_decision, target, 16);
MUS_ASSERT_AT(mus_decision, standing_flags, 20);
MUS_ASSERT_AT(mus_decision, slice_ns, 24);
MUS_ASSERT_AT(mus_decision, order, 32);
MUS_ASSERT_AT(mus_decision, standing_slice_ns, 40);
MUS_ASSERT_AT(mus_decision, standing_min_run_ns, 48);
MUS_ASSERT_AT(mus_decision, standing_budget_ns, 56);
MUS_ASSERT_AT(mus_decision, standing_valid_ns, 64);
MUS_ASSERT_AT(mus_decision, standing_rate, 72);
MUS_ASSERT_AT(mus_decision, reserved, 76);

MUS_ASSERT(sizeof(struct mus_counters) == 256);
MUS_ASSERT_AT(mus_counters, runs, 0);
MUS_ASSERT_AT(mus_counters, kept, 80);
MUS_ASSERT_AT(mus_counters, refused, 104);
MUS_ASSERT_AT(mus_counters, decisions, 168);
MUS_ASSERT_AT(mus_counters, drains, 224);
MUS_ASSERT_AT(mus_counters, asleep, 248);

MUS_ASSERT(sizeof(struct mus_cpu) == 512);
MUS_ASSERT_AT(mus_cpu, starved_since_ns, 8);
MUS_ASSERT_AT(mus_cpu, running_pid, 16);
MUS_ASSERT_AT(mus_cpu, route, 20);
MUS_ASSERT_AT(mus_cpu, queued_count, 24);
MUS_ASSERT_AT(mus_cpu, online, 28);
MUS_ASSERT_AT(mus_cpu, shard, 32);
MUS_ASSERT_AT(mus_cpu, kernel_turn, 40);
MUS_ASSERT_AT(mus_cpu, rescued_ns, 48);
MUS_ASSERT_AT(mus_cpu, slice_end_ns, 64);
MUS_ASSERT_AT(mus_cpu, counters, 192);

MUS_ASSERT(sizeof(struct mus_shard) == 64);
MUS_ASSERT_AT(mus_shard, queued_count, 8);
MUS_ASSERT_AT(mus_shard, kernel_count, 16);
MUS_ASSERT_AT(mus_shard, fallback_clock_ns, 24);
MUS_ASSERT_AT(mus_shard, hold_armed, 32);
MUS_ASSERT_AT(mus_shard, starved_cpu, 40);
MUS_ASSERT_AT(mus_shard, in_turn_count, 48);
MUS_ASSERT_AT(mus_shard, undecided_since_ns, 56);

MUS_ASSERT(sizeof(struct mus_cgroup) == 128);
MUS_ASSERT_AT(mus_cgroup, fallback_vtime_ns, 8);
MUS_ASSERT_AT(mus_cgroup, weight, 16);
MUS_ASSERT_AT(mus_cgroup, effective_weight, 20);
MUS_ASSERT_AT(mus_cgroup, level, 24);
MUS_ASSERT_AT(mus_cgroup, waits, 32);

MUS_ASSERT(sizeof(struct mus_exit) == 1168);
MUS_ASSERT_AT(mus_exit, code, 8);
MUS_ASSERT_AT(mus_exit, reason, 16);
MUS_ASSERT_AT(mus_exit, message, 144);

MUS_ASSERT(sizeof(struct mus_daemon) == 128);
MUS_ASSERT_AT(mus_daemon, replaced_by, 32);
MUS_ASSERT_AT(mus_daemon, gap_ns, 40);
MUS_ASSERT_AT(mus_daemon, version, 64);

MUS_ASSERT(sizeof(struct mus_abi_info) == 24);
MUS_ASSERT(sizeof(struct mus_call) == 32);
MUS_ASSERT_AT(mus_call, result, 4);
MUS_ASSERT_AT(mus_call, now_ns, 8);
MUS_ASSERT_AT(mus_call, cgroup_id, 16);
MUS_ASSERT_AT(mus_call, weight, 24);

MUS_ASSERT_AT(mus_shared, flags, 8);
MUS_ASSERT_AT(mus_shared, daemon_tgid, 24);
MUS_ASSERT_AT(mus_shared, slice_ns, 32);
MUS_ASSERT_AT(mus_shared, orphan_ns, 80);
MUS_ASSERT_AT(mus_shared, asked_ns, 128);
MUS_ASSERT_AT(mus_shared, exit, 192);
MUS_ASSERT_AT(mus_shared, daemon, 1408);
MUS_ASSERT_AT(mus_shared, shards, 1536);
MUS_ASSERT_AT(mus_shared, cpus, 1536 + 64 * MUS_MAX_SHARDS);
MUS_ASSERT(offsetof(struct mus_shared, cpus) % sizeof(struct mus_cpu) == 0); /* none is on two pages */

#endif /* MUS_ABI_H */

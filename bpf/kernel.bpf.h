/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this program uses of the kernel, and nothing else: types are CO-RE declarations with only the
 * fields that are read (the loader relocates them against the running kernel's BTF), so that no
 * vmlinux.h, and no kernel, is needed to build. Values of kernel enums differ between kernels: they are
 * read with SCX_ENUM(), never written down here.
 */
#ifndef MUS_KERNEL_BPF_H
#define MUS_KERNEL_BPF_H

#include <linux/bpf.h>
#include <linux/version.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0) /* the headers of Debian 12: bpf_for() needs it */
struct bpf_iter_num {
	__u64 opaque[1];
} __attribute__((aligned(8)));
#endif

typedef __u8 u8;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cpumask {
	unsigned long bits[1];
};

struct sched_entity {
	u64 sum_exec_runtime;
};

struct sched_ext_entity {
	u64 slice;
	u64 dsq_vtime;
	u32 weight;
	u32 flags;
};

struct kernfs_node {
	u64 id;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	int level;
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct thread_info {
	u32 cpu;
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state;
	unsigned int flags;
	struct sched_entity se;
	struct sched_ext_entity scx;
	int nr_cpus_allowed;
	const struct cpumask *cpus_ptr;
	unsigned short migration_disabled;
	unsigned int on_cpu; /* int before 7.2, u8 since: a load is made to fit only where what is declared here is unsigned */
	int prio;
	int pid;
	int tgid;
	char comm[16];
	struct css_set *cgroups;
};

struct rq {
	struct task_struct *curr;
};

struct scx_init_task_args {
	bool fork;
	struct cgroup *cgroup;
};

struct scx_exit_task_args {
	bool cancelled;
};

struct scx_cgroup_init_args {
	u32 weight;
};

struct scx_cpu_acquire_args {};

struct scx_cpu_release_args {
	struct task_struct *task;
};

enum scx_exit_kind {
	SCX_EXIT_NONE,
};

struct scx_exit_info {
	enum scx_exit_kind kind;
	s64 exit_code;
	const char *reason;
	char *msg;
	char *dump;
};

struct scx_dump_ctx {
	u64 at_jiffies;
};

#pragma clang attribute pop

/* Filled by the kernel; the size is ABI (include/linux/sched/ext.h, 6.12 on). */
struct bpf_iter_scx_dsq {
	u64 opaque[6];
} __attribute__((aligned(8)));

/*
 * The operations table. libbpf matches members by name against the running kernel's struct, so the order
 * and what is left out do not matter. Members that a kernel lacks are switched off by the loader.
 */
struct sched_ext_ops {
	s32 (*select_cpu)(struct task_struct *p, s32 prev_cpu, u64 wake_flags);
	void (*enqueue)(struct task_struct *p, u64 enq_flags);
	void (*dispatch)(s32 cpu, struct task_struct *prev);
	void (*running)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	bool (*yield)(struct task_struct *from, struct task_struct *to);
	void (*cpu_acquire)(s32 cpu, struct scx_cpu_acquire_args *args);
	void (*cpu_release)(s32 cpu, struct scx_cpu_release_args *args);
	void (*set_weight)(struct task_struct *p, u32 weight);
	void (*set_cpumask)(struct task_struct *p, const struct cpumask *cpumask);
	void (*cpu_online)(s32 cpu);
	void (*cpu_offline)(s32 cpu);
	s32 (*init_task)(struct task_struct *p, struct scx_init_task_args *args);
	void (*exit_task)(struct task_struct *p, struct scx_exit_task_args *args);
	void (*disable)(struct task_struct *p);
	void (*dump)(struct scx_dump_ctx *ctx);
	s32 (*cgroup_init)(struct cgroup *cgrp, struct scx_cgroup_init_args *args);
	void (*cgroup_exit)(struct cgroup *cgrp);
	void (*cgroup_move)(struct task_struct *p, struct cgroup *from, struct cgroup *to);
	void (*cgroup_set_weight)(struct cgroup *cgrp, u32 weight);
	s32 (*init)(void);
	void (*exit)(struct scx_exit_info *ei);
	u32 dispatch_max_batch;
	u64 flags;
	u32 timeout_ms;
	u32 exit_dump_len;
	char name[128];
};

/* Enums whose values are read from the running kernel. The numbers here are place holders. */
enum scx_enq_flags {
	SCX_ENQ_WAKEUP,
	SCX_ENQ_HEAD,
	SCX_ENQ_CPU_SELECTED,
	SCX_ENQ_PREEMPT,
	SCX_ENQ_REENQ,
};
enum scx_wake_flags {
	SCX_WAKE_SYNC,
};
enum scx_kick_flags {
	SCX_KICK_IDLE,
	SCX_KICK_PREEMPT,
};
enum scx_ent_flags {
	SCX_TASK_QUEUED,
};
enum scx_dsq_id_flags {
	SCX_DSQ_LOCAL,
	SCX_DSQ_LOCAL_ON,
};

#define SCX_ENUM(type, name) bpf_core_enum_value(enum type, name)

#define TASK_RUNNING 0 /* include/linux/sched.h: task_struct::__state of one that does not want to sleep */
#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000
#define MAX_RT_PRIO 100 /* include/linux/sched/prio.h: task_struct::prio of the classes above ours is less */

#ifndef EBUSY
#define ENOENT 2
#define ESRCH 3
#define ENOMEM 12
#define EBUSY 16
#define EINVAL 22
#endif
#define CLOCK_MONOTONIC 1

/* ---- kfuncs ---------------------------------------------------------------------------------- */

/* Referenced kernel objects. */
struct task_struct *bpf_task_from_pid(s32 pid) __ksym;
void bpf_task_release(struct task_struct *p) __ksym;
bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *cpumask) __ksym;
u32 bpf_cpumask_first(const struct cpumask *cpumask) __ksym;
void bpf_rcu_read_lock(void) __ksym;
void bpf_rcu_read_unlock(void) __ksym;

/* sched_ext, every kernel. */
s32 scx_bpf_create_dsq(u64 dsq_id, s32 node) __ksym;
s32 scx_bpf_dsq_nr_queued(u64 dsq_id) __ksym;
s32 scx_bpf_select_cpu_dfl(struct task_struct *p, s32 prev_cpu, u64 wake_flags, bool *is_idle) __ksym;
bool scx_bpf_test_and_clear_cpu_idle(s32 cpu) __ksym;
const struct cpumask *scx_bpf_get_idle_cpumask(void) __ksym;
void scx_bpf_put_idle_cpumask(const struct cpumask *idle) __ksym;
bool bpf_cpumask_empty(const struct cpumask *cpumask) __ksym;
s32 scx_bpf_pick_idle_cpu(const struct cpumask *cpus_allowed, u64 flags) __ksym;
void scx_bpf_kick_cpu(s32 cpu, u64 flags) __ksym;
s32 scx_bpf_task_cpu(const struct task_struct *p) __ksym;
void scx_bpf_error_bstr(char *fmt, unsigned long long *data, u32 data_len) __ksym;
void scx_bpf_exit_bstr(s64 exit_code, char *fmt, unsigned long long *data, u32 data_len) __ksym;
void scx_bpf_dump_bstr(char *fmt, unsigned long long *data, u32 data_len) __ksym __weak;
int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq *it, u64 dsq_id, u64 flags) __ksym;
struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq *it) __ksym;
void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq *it) __ksym;

/*
 * Bridges. 6.13 renamed dispatch to dsq_insert, consume to dsq_move_to_local and dispatch_from_dsq to
 * dsq_move; 6.19 packs some arguments in a struct and 7.1 adds variants, each keeping the former name
 * for older programs. Everything below is weak: the loader's probe (userspace/kernel/probe.cc) says in words what
 * is missing, and the branches that are not taken are dead code to the verifier.
 */
void scx_bpf_dsq_insert(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym __weak;
void scx_bpf_dispatch(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym __weak;
void scx_bpf_dsq_insert_vtime(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime, u64 enq_flags) __ksym __weak;
void scx_bpf_dispatch_vtime(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime, u64 enq_flags) __ksym __weak;
bool scx_bpf_dsq_move_to_local(u64 dsq_id) __ksym __weak;
bool scx_bpf_consume(u64 dsq_id) __ksym __weak;
void scx_bpf_dsq_move_set_slice(struct bpf_iter_scx_dsq *it__iter, u64 slice) __ksym __weak;
void scx_bpf_dispatch_from_dsq_set_slice(struct bpf_iter_scx_dsq *it__iter, u64 slice) __ksym __weak;
void scx_bpf_dsq_move_set_vtime(struct bpf_iter_scx_dsq *it__iter, u64 vtime) __ksym __weak;
void scx_bpf_dispatch_from_dsq_set_vtime(struct bpf_iter_scx_dsq *it__iter, u64 vtime) __ksym __weak;
bool scx_bpf_dsq_move_vtime(struct bpf_iter_scx_dsq *it__iter, struct task_struct *p, u64 dsq_id,
			    u64 enq_flags) __ksym __weak;
bool scx_bpf_dispatch_vtime_from_dsq(struct bpf_iter_scx_dsq *it__iter, struct task_struct *p, u64 dsq_id,
				     u64 enq_flags) __ksym __weak;
bool scx_bpf_dsq_move(struct bpf_iter_scx_dsq *it__iter, struct task_struct *p, u64 dsq_id, u64 enq_flags) __ksym __weak;
bool scx_bpf_dispatch_from_dsq(struct bpf_iter_scx_dsq *it__iter, struct task_struct *p, u64 dsq_id,
			       u64 enq_flags) __ksym __weak;
struct task_struct *scx_bpf_dsq_peek(u64 dsq_id) __ksym __weak;
bool scx_bpf_task_set_slice(struct task_struct *p, u64 slice) __ksym __weak;
u32 scx_bpf_reenqueue_local(void) __ksym __weak;
u64 scx_bpf_now(void) __ksym __weak;
u32 scx_bpf_nr_cpu_ids(void) __ksym __weak;
extern const struct rq runqueues __ksym __weak;

/* The scheduler clock: cheap, because the kernel has read it already when it calls us. */
static __always_inline u64 now_ns(void)
{
	return bpf_ksym_exists(scx_bpf_now) ? scx_bpf_now() : bpf_ktime_get_ns();
}

/* A call of the kernel's is dear where the address space has just changed: these two are loads. */
static __always_inline s32 task_cpu(const struct task_struct *p)
{
	return bpf_core_field_exists(p->thread_info.cpu) ? (s32)p->thread_info.cpu : scx_bpf_task_cpu(p);
}

static __always_inline s32 current_pid(void)
{
	return bpf_get_current_task_btf()->pid;
}

static __always_inline void dsq_insert(struct task_struct *p, u64 dsq_id, u64 slice_ns, u64 enq_flags)
{
	if (bpf_ksym_exists(scx_bpf_dsq_insert))
		scx_bpf_dsq_insert(p, dsq_id, slice_ns, enq_flags);
	else
		scx_bpf_dispatch(p, dsq_id, slice_ns, enq_flags);
}

static __always_inline void dsq_insert_vtime(struct task_struct *p, u64 dsq_id, u64 slice_ns, u64 vtime,
					     u64 enq_flags)
{
	if (bpf_ksym_exists(scx_bpf_dsq_insert_vtime))
		scx_bpf_dsq_insert_vtime(p, dsq_id, slice_ns, vtime, enq_flags);
	else
		scx_bpf_dispatch_vtime(p, dsq_id, slice_ns, vtime, enq_flags);
}

static __always_inline bool dsq_move_to_local(u64 dsq_id)
{
	return bpf_ksym_exists(scx_bpf_dsq_move_to_local) ? scx_bpf_dsq_move_to_local(dsq_id)
							  : scx_bpf_consume(dsq_id);
}

/* Moves @p, which must be on the queue that @it goes over since before @it was made. */
static __always_inline bool dsq_move_vtime(struct bpf_iter_scx_dsq *it, struct task_struct *p, u64 dsq_id,
					   u64 slice_ns, u64 vtime)
{
	if (bpf_ksym_exists(scx_bpf_dsq_move_vtime)) {
		scx_bpf_dsq_move_set_slice(it, slice_ns);
		scx_bpf_dsq_move_set_vtime(it, vtime);
		return scx_bpf_dsq_move_vtime(it, p, dsq_id, 0);
	}
	scx_bpf_dispatch_from_dsq_set_slice(it, slice_ns);
	scx_bpf_dispatch_from_dsq_set_vtime(it, vtime);
	return scx_bpf_dispatch_vtime_from_dsq(it, p, dsq_id, 0);
}

/* The same, first in first out, with the slice that it has. */
static __always_inline bool dsq_move(struct bpf_iter_scx_dsq *it, struct task_struct *p, u64 dsq_id)
{
	return bpf_ksym_exists(scx_bpf_dsq_move) ? scx_bpf_dsq_move(it, p, dsq_id, 0)
						 : scx_bpf_dispatch_from_dsq(it, p, dsq_id, 0);
}

static __always_inline void set_slice(struct task_struct *p, u64 slice_ns)
{
	if (bpf_ksym_exists(scx_bpf_task_set_slice))
		scx_bpf_task_set_slice(p, slice_ns);
	else
		p->scx.slice = slice_ns;
}

#define scx_error(fmt, arg)                                                          \
	({                                                                           \
		static char scx_error_fmt[] = fmt;                                   \
		unsigned long long scx_error_arg[1] = {arg};                         \
		scx_bpf_error_bstr(scx_error_fmt, scx_error_arg, sizeof(scx_error_arg)); \
	})

/* An end that is nobody's fault: the kernel's own scheduler takes over, and says @fmt. */
#define scx_exit(code, fmt, arg)                                                          \
	({                                                                                \
		static char scx_exit_fmt[] = fmt;                                         \
		unsigned long long scx_exit_arg[1] = {arg};                               \
		scx_bpf_exit_bstr(code, scx_exit_fmt, scx_exit_arg, sizeof(scx_exit_arg)); \
	})

#endif /* MUS_KERNEL_BPF_H */

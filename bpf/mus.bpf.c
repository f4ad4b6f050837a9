// SPDX-License-Identifier: GPL-2.0-only
/*
 * mus, the kernel half. It has no policy: it holds runnable tasks, tells userspace of them, and does what
 * comes back.
 *
 *   events     ring   kernel half -> userspace    struct mus_event      (state.bpf.h)
 *   decisions  ring   userspace -> kernel half    struct mus_decision   (state.bpf.h)
 *
 *   a task enters     enqueue.bpf.h     select_cpu, enqueue: idle CPU, standing order, or held + event
 *   is decided        userspace/policies/
 *   the decision      commit.bpf.h      held queue -> run queue
 *   leaves            dispatch.bpf.h    run queue -> CPU; or held queue -> CPU when userspace is late
 *   goes on           ahead.bpf.h       decided while it runs: its next slice
 *   is accounted      run.bpf.h         run time, sleep, standing orders' budgets
 *   nobody decides    orphan.bpf.h      no daemon for long: the kernel's own scheduler takes over
 *
 * Whatever waits for userspace is on a queue of the kernel's, so a dead daemon loses nothing.
 */
#include "cgroups.bpf.h"
#include "commit.bpf.h"
#include "dispatch.bpf.h"
#include "enqueue.bpf.h"
#include "hotplug.bpf.h"
#include "orphan.bpf.h"
#include "run.bpf.h"

char mus_license[] SEC("license") = "GPL";

/* ---- programs that userspace runs ------------------------------------------------------------- */

/* Applies the decisions that are in the ring. */
SEC("syscall")
int mus_commit(struct mus_call *call)
{
	long n;

	bpf_rcu_read_lock();
	n = drain_decisions();
	bpf_rcu_read_unlock();
	call->result = n;
	call->now_ns = now_ns();
	return 0;
}

/* Who calls: the thread group in the root PID namespace, which the caller may not know. */
SEC("syscall")
int mus_hello(struct mus_call *call)
{
	find_active_mask();
	call->pid = bpf_get_current_pid_tgid() >> 32;
	call->now_ns = now_ns();
	return 0;
}

/* Whether userspace was told of the task and not of its end: -ESRCH if not. For when events were lost. */
SEC("syscall")
int mus_find_task(struct mus_call *call)
{
	struct task_struct *p = bpf_task_from_pid(call->pid);
	struct task_ctx *t = p ? task_ctx(p) : NULL;

	call->result = t && t->flags & MUS_TASK_KNOWN ? 0 : -ESRCH;
	if (p)
		bpf_task_release(p);
	return 0;
}

/* Says what share a cgroup has in the fallback order. */
SEC("syscall")
int mus_set_effective_weight(struct mus_call *call)
{
	u64 id = call->cgroup_id;
	struct mus_cgroup *cg = bpf_map_lookup_elem(&cgroups, &id);

	if (cg)
		cg->effective_weight = call->weight;
	call->result = cg ? 0 : -ENOENT;
	return 0;
}

/* Announces again every task that is held. */
SEC("syscall")
int mus_resync(struct mus_call *call)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	u64 now = now_ns();
	s32 n = 0, i;

	__sync_fetch_and_add(&shared.resyncs, 1);
	bpf_rcu_read_lock();
	if (!bpf_iter_scx_dsq_new(&it, queue_id(MUS_QUEUE_HELD, call->shard), 0)) {
		bpf_for(i, 0, 1 << 20) {
			struct task_ctx *t;
			u32 state;

			p = bpf_iter_scx_dsq_next(&it);
			if (!p)
				break;
			t = task_ctx(p);
			state = t ? place_state(t->at) : MUS_STATE_NONE;
			if (!t || (state != MUS_STATE_HELD && state != MUS_STATE_QUEUED)) /* QUEUED: commit may take it back */
				continue;
			set_flag(t, MUS_TASK_ANNOUNCED);
			if (!post_task_event(MUS_EVENT_RUNNABLE, MUS_EVENT_RESYNC, p, t, p->cpus_ptr, 0, now))
				break;
			n++;
		}
	}
	bpf_iter_scx_dsq_destroy(&it);
	bpf_rcu_read_unlock();
	call->result = n;
	call->now_ns = now;
	return 0;
}

/* ---- callbacks of the scheduler --------------------------------------------------------------- */

SEC("struct_ops/mus_select_cpu")
s32 BPF_PROG(mus_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return select_cpu(p, prev_cpu, wake_flags);
}

SEC("struct_ops/mus_enqueue")
void BPF_PROG(mus_enqueue, struct task_struct *p, u64 enq_flags)
{
	enqueue(p, enq_flags);
}

SEC("struct_ops/mus_dispatch")
void BPF_PROG(mus_dispatch, s32 cpu, struct task_struct *prev)
{
	dispatch(cpu, prev);
}

SEC("struct_ops/mus_running")
void BPF_PROG(mus_running, struct task_struct *p)
{
	struct task_ctx *t = task_ctx(p);

	if (t)
		run_begins(p, t, now_ns());
}

SEC("struct_ops/mus_stopping")
void BPF_PROG(mus_stopping, struct task_struct *p, bool runnable)
{
	struct task_ctx *t = task_ctx(p);

	if (t)
		run_ends(p, t, runnable, now_ns());
}

/* A task of a higher class takes the CPU, for who knows how long: what waited for it goes elsewhere. */
SEC("struct_ops/mus_cpu_release")
void BPF_PROG(mus_cpu_release, s32 cpu, struct scx_cpu_release_args *args)
{
	cpu_slot(cpu)->taken = 1;
	if (bpf_ksym_exists(scx_bpf_reenqueue_local))
		scx_bpf_reenqueue_local();
}

SEC("struct_ops/mus_cpu_acquire")
void BPF_PROG(mus_cpu_acquire, s32 cpu, struct scx_cpu_acquire_args *args)
{
	cpu_slot(cpu)->taken = 0;
}

SEC("struct_ops/mus_yield")
bool BPF_PROG(mus_yield, struct task_struct *from, struct task_struct *to)
{
	struct task_ctx *t = task_ctx(from);

	if (t)
		set_flag(t, MUS_TASK_YIELDED);
	set_slice(from, 0);
	return false;
}

SEC("struct_ops/mus_set_weight")
void BPF_PROG(mus_set_weight, struct task_struct *p, u32 weight)
{
	changed(p, MUS_EVENT_WEIGHT, p->cpus_ptr);
}

SEC("struct_ops/mus_set_cpumask")
void BPF_PROG(mus_set_cpumask, struct task_struct *p, const struct cpumask *cpumask)
{
	changed(p, MUS_EVENT_AFFINITY, cpumask);
}

SEC("struct_ops/mus_cpu_online")
void BPF_PROG(mus_cpu_online, s32 cpu)
{
	cpu_came(cpu);
}

SEC("struct_ops/mus_cpu_offline")
void BPF_PROG(mus_cpu_offline, s32 cpu)
{
	cpu_goes(cpu);
}

static __always_inline bool named(const struct task_struct *p, const char *prefix, u32 len)
{
	return !bpf_strncmp(p->comm, len, prefix);
}

SEC("struct_ops.s/mus_init_task")
s32 BPF_PROG(mus_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	struct task_ctx *t = bpf_task_storage_get(&tasks, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!t)
		return -ENOMEM;
	count(seen);
	count_place(t->at, 1);
	t->generation = now_ns(); /* above all that a task with this pid has had: it rises slower than the clock */
	if (bpf_core_field_exists(args->cgroup))
		t->cgroup_id = cgroup_id(args->cgroup);
	if (p->flags & PF_KTHREAD &&
	    (named(p, "kswapd", 6) || named(p, "kcompactd", 9) || named(p, "khugepaged", 10)))
		t->flags |= MUS_TASK_KERNEL;
	return 0;
}

SEC("struct_ops/mus_exit_task")
void BPF_PROG(mus_exit_task, struct task_struct *p, struct scx_exit_task_args *args)
{
	struct task_ctx *t = task_ctx(p);

	forget_daemon(p);
	if (!t)
		return;
	settle(t);
	leaves(t);
	count_place(nowhere(), -1);
	count(exited);
	if (t->flags & MUS_TASK_KNOWN)
		post_task_event(MUS_EVENT_EXIT, 0, p, t, p->cpus_ptr, 0, now_ns());
	clear_flag(t, MUS_TASK_KNOWN);
}

/*
 * The task goes to another scheduling class: for userspace the same as an exit, until it comes back. If it runs, it
 * takes its CPU along: the kernel calls cpu_release only when one task follows another.
 */
SEC("struct_ops/mus_disable")
void BPF_PROG(mus_disable, struct task_struct *p)
{
	struct task_ctx *t = task_ctx(p);

	if (!t)
		return;
	if (bpf_core_field_exists(p->on_cpu) && p->on_cpu && !(p->flags & PF_EXITING))
		cpu_slot(task_cpu(p))->taken = 1;
	leaves(t);
	if (t->flags & MUS_TASK_KNOWN)
		post_task_event(MUS_EVENT_EXIT, 0, p, t, p->cpus_ptr, 0, now_ns());
	clear_flag(t, ~MUS_TASK_KERNEL);
}

SEC("struct_ops.s/mus_cgroup_init")
s32 BPF_PROG(mus_cgroup_init, struct cgroup *cgrp, struct scx_cgroup_init_args *args)
{
	return cgroup_added(cgrp, args->weight);
}

SEC("struct_ops.s/mus_cgroup_exit")
void BPF_PROG(mus_cgroup_exit, struct cgroup *cgrp)
{
	cgroup_removed(cgrp);
}

SEC("struct_ops/mus_cgroup_move")
void BPF_PROG(mus_cgroup_move, struct task_struct *p, struct cgroup *from, struct cgroup *to)
{
	struct task_ctx *t = task_ctx(p);

	if (!t)
		return;
	settle(t);
	t->cgroup_id = cgroup_id(to);
	changed(p, MUS_EVENT_CGROUP, p->cpus_ptr);
}

SEC("struct_ops/mus_cgroup_set_weight")
void BPF_PROG(mus_cgroup_set_weight, struct cgroup *cgrp, u32 weight)
{
	cgroup_weighted(cgrp, weight);
}

SEC("struct_ops.s/mus_init")
s32 BPF_PROG(mus_init)
{
	u32 i, n = shared.cpu_count;
	s32 err;

	if (!n || n > MUS_MAX_CPUS || !shared.shard_count || shared.shard_count > MUS_MAX_SHARDS)
		return -EINVAL;
	bpf_for(i, 0, n) {
		u32 key = i;
		struct timer_slot *ts = bpf_map_lookup_elem(&cpu_timers, &key);

		err = scx_bpf_create_dsq(queue_id(MUS_QUEUE_CPU, i), -1);
		if (err || !ts)
			return err ?: -EINVAL;
		bpf_timer_init(&ts->timer, &cpu_timers, CLOCK_MONOTONIC);
		bpf_timer_set_callback(&ts->timer, cpu_timer_fired);
	}
	bpf_for(i, 0, shared.shard_count) {
		u32 key = i;
		struct timer_slot *ts = bpf_map_lookup_elem(&hold_timers, &key);

		err = scx_bpf_create_dsq(queue_id(MUS_QUEUE_HELD, i), -1);
		err = err ?: scx_bpf_create_dsq(queue_id(MUS_QUEUE_SHARED, i), -1);
		err = err ?: scx_bpf_create_dsq(queue_id(MUS_QUEUE_KERNEL, i), -1);
		if (err || !ts)
			return err ?: -EINVAL;
		bpf_timer_init(&ts->timer, &hold_timers, CLOCK_MONOTONIC);
		bpf_timer_set_callback(&ts->timer, hold_timer_fired);
	}
	shared.started_ns = now_ns();
	return watch_daemon();
}

SEC("struct_ops/mus_dump")
void BPF_PROG(mus_dump, struct scx_dump_ctx *dump)
{
	static char fmt[] = "mus: held %llu queued %llu asked %llu looked %llu now %llu";
	unsigned long long args[5] = {
		shared.shards[0].held_count, shared.shards[0].queued_count, shared.asked_ns, shared.looked_ns, now_ns(),
	};

	if (bpf_ksym_exists(scx_bpf_dump_bstr))
		scx_bpf_dump_bstr(fmt, args, sizeof(args));
}

SEC("struct_ops/mus_exit")
void BPF_PROG(mus_exit, struct scx_exit_info *ei)
{
	long n;

	bpf_probe_read_kernel_str(shared.exit.reason, sizeof(shared.exit.reason), ei->reason);
	bpf_probe_read_kernel_str(shared.exit.message, sizeof(shared.exit.message), ei->msg);
	n = bpf_probe_read_kernel_str(exit_dump, sizeof(exit_dump), ei->dump);
	shared.exit.dump_bytes = n > 0 ? n - 1 : 0;
	shared.exit.code = ei->exit_code;
	/* The kind is written last: userspace reads the rest once it is not 0. */
	__sync_lock_test_and_set(&shared.exit.kind, (u32)ei->kind);
	wake_userspace(1);
}

SEC(".struct_ops.link")
struct sched_ext_ops mus_ops = {
	.select_cpu = (void *)mus_select_cpu,
	.enqueue = (void *)mus_enqueue,
	.dispatch = (void *)mus_dispatch,
	.running = (void *)mus_running,
	.stopping = (void *)mus_stopping,
	.cpu_acquire = (void *)mus_cpu_acquire,
	.cpu_release = (void *)mus_cpu_release,
	.yield = (void *)mus_yield,
	.set_weight = (void *)mus_set_weight,
	.set_cpumask = (void *)mus_set_cpumask,
	.cpu_online = (void *)mus_cpu_online,
	.cpu_offline = (void *)mus_cpu_offline,
	.init_task = (void *)mus_init_task,
	.exit_task = (void *)mus_exit_task,
	.disable = (void *)mus_disable,
	.dump = (void *)mus_dump,
	.cgroup_init = (void *)mus_cgroup_init,
	.cgroup_exit = (void *)mus_cgroup_exit,
	.cgroup_move = (void *)mus_cgroup_move,
	.cgroup_set_weight = (void *)mus_cgroup_set_weight,
	.init = (void *)mus_init,
	.exit = (void *)mus_exit,
	.timeout_ms = 30000, /* the most there is: what a real-time task keeps from running is not our fault */
	.name = "mus",
};

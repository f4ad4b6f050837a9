// SPDX-License-Identifier: GPL-2.0-only
/* What a C11 compiler makes of <mus/abi.h>; read by C++ tests. */
#ifndef MUS_TESTS_ABI_LAYOUT_H
#define MUS_TESTS_ABI_LAYOUT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mus_abi_number {
	const char *name;
	unsigned long long value;
};

extern const struct mus_abi_number mus_abi_c_numbers[];
extern const size_t mus_abi_c_number_count;

#ifdef __cplusplus
}
#endif

/* Everything that both languages must see alike: NUMBER(expression), once for each. */
#define MUS_ABI_NUMBERS(NUMBER, SIZE, AT)                                                                    \
	SIZE(mus_event) AT(mus_event, kind) AT(mus_event, flags) AT(mus_event, pid) AT(mus_event, tgid)      \
	AT(mus_event, generation) AT(mus_event, cgroup_id) AT(mus_event, now_ns) AT(mus_event, run_ns)       \
	AT(mus_event, wake_ns) AT(mus_event, sleep_ns) AT(mus_event, waker_pid) AT(mus_event, cpu)           \
	AT(mus_event, weight) AT(mus_event, affinity) AT(mus_event, allowed_cpu)                             \
	AT(mus_event, allowed_count) AT(mus_event, arg)                                                      \
	SIZE(mus_decision) AT(mus_decision, pid) AT(mus_decision, flags) AT(mus_decision, generation)        \
	AT(mus_decision, target) AT(mus_decision, standing_flags) AT(mus_decision, slice_ns)                 \
	AT(mus_decision, order) AT(mus_decision, standing_slice_ns) AT(mus_decision, standing_min_run_ns)    \
	AT(mus_decision, standing_budget_ns) AT(mus_decision, standing_valid_ns)                             \
	AT(mus_decision, standing_rate) AT(mus_decision, reserved)                                           \
	SIZE(mus_counters) SIZE(mus_cpu) SIZE(mus_shard) SIZE(mus_cgroup) SIZE(mus_exit)                     \
	SIZE(mus_abi_info) SIZE(mus_call) SIZE(mus_shared) SIZE(mus_daemon) AT(mus_daemon, replaced_by)      \
	AT(mus_daemon, version) AT(mus_shared, orphan_ns) AT(mus_shared, daemon)                             \
	AT(mus_shared, exit) AT(mus_shared, shards) AT(mus_shared, cpus) AT(mus_cpu, counters)               \
	NUMBER(MUS_ABI_MAGIC) NUMBER(MUS_ABI_VERSION) NUMBER(MUS_MAX_CPUS) NUMBER(MUS_MAX_SHARDS)            \
	NUMBER(MUS_SLICE_MIN_NS) NUMBER(MUS_SLICE_MAX_NS) NUMBER(MUS_STANDING_RATE_ONE)                      \
	NUMBER(MUS_WEIGHT_MIN) NUMBER(MUS_WEIGHT_DEFAULT) NUMBER(MUS_WEIGHT_MAX)                             \
	NUMBER(MUS_EVENT_RUNNABLE) NUMBER(MUS_EVENT_SLEEP) NUMBER(MUS_EVENT_EXIT) NUMBER(MUS_EVENT_REPORT)   \
	NUMBER(MUS_EVENT_WEIGHT) NUMBER(MUS_EVENT_AFFINITY) NUMBER(MUS_EVENT_CGROUP) NUMBER(MUS_EVENT_CPU)   \
	NUMBER(MUS_EVENT_CGROUP_NEW) NUMBER(MUS_EVENT_CGROUP_WEIGHT) NUMBER(MUS_EVENT_CGROUP_GONE)           \
	NUMBER(MUS_EVENT_REFUSED) NUMBER(MUS_EVENT_KINDS) NUMBER(MUS_EVENT_WAKEUP) NUMBER(MUS_EVENT_RESYNC)  \
	NUMBER(MUS_AFFINITY_ALL) NUMBER(MUS_AFFINITY_SOME) NUMBER(MUS_AFFINITY_ONE)                          \
	NUMBER(MUS_REFUSED_NOT_YET) NUMBER(MUS_REFUSALS) NUMBER(MUS_ROUTES)                                  \
	NUMBER(MUS_DECIDE_FLAGS)

#endif /* MUS_TESTS_ABI_LAYOUT_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* The tree of cgroups as the cpu controller sees it: kept in the pinned map, and told to userspace. */
#ifndef MUS_CGROUPS_BPF_H
#define MUS_CGROUPS_BPF_H

#include "events.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MUS_MAX_CGROUPS);
	__type(key, u64);
	__type(value, struct mus_cgroup);
} cgroups SEC(".maps");

/* NULL: there are more than the map holds. */
static __always_inline struct mus_cgroup *cgroup_of(const struct task_ctx *t)
{
	u64 id = t->cgroup_id;

	return bpf_map_lookup_elem(&cgroups, &id);
}

static __always_inline u64 cgroup_id(struct cgroup *cgrp)
{
	return BPF_CORE_READ(cgrp, kn, id);
}

static __always_inline s32 cgroup_added(struct cgroup *cgrp, u32 weight)
{
	struct mus_cgroup cg = {
		.weight = weight,
		.level = BPF_CORE_READ(cgrp, level),
		.fallback_vtime_ns = shared.shards[0].fallback_clock_ns,
	};
	u64 id = cgroup_id(cgrp);
	long err;

	if (cg.level)
		cg.parent_id = BPF_CORE_READ(cgrp, self.parent, cgroup, kn, id);
	err = bpf_map_update_elem(&cgroups, &id, &cg, BPF_ANY);
	/* More cgroups than the map holds are scheduled with the default weight: not worth failing for. */
	if (!err)
		post_event(MUS_EVENT_CGROUP_NEW, 0, id, weight, cg.parent_id);
	return 0;
}

#define MUS_LEARNT_LEVELS 16 /* of a deeper tree, what is below is a child of the root to userspace */

/*
 * Without callbacks, cgroups are learnt from the tasks that are in them: @address, a cgroup of the default hierarchy, and
 * those above it, from the root down, as far as they are not known. Their weights are for userspace to find out.
 */
__noinline int learn_cgroups(u64 address)
{
	struct cgroup *cgrp = (struct cgroup *)address;
	s32 level = BPF_CORE_READ(cgrp, level), depth, up;

	bpf_for(depth, 0, MUS_LEARNT_LEVELS) {
		struct cgroup *above = cgrp;
		u64 id;

		if (depth > level)
			break;
		bpf_for(up, 0, MUS_LEARNT_LEVELS) {
			if (up >= level - depth)
				break;
			above = BPF_CORE_READ(above, self.parent, cgroup);
		}
		id = cgroup_id(above);
		if (!bpf_map_lookup_elem(&cgroups, &id))
			cgroup_added(above, MUS_WEIGHT_DEFAULT);
	}
	return 0;
}

static __always_inline void cgroup_removed(struct cgroup *cgrp)
{
	u64 id = cgroup_id(cgrp);

	if (!bpf_map_delete_elem(&cgroups, &id))
		post_event(MUS_EVENT_CGROUP_GONE, 0, id, 0, 0);
}

static __always_inline void cgroup_weighted(struct cgroup *cgrp, u32 weight)
{
	u64 id = cgroup_id(cgrp);
	struct mus_cgroup *cg = bpf_map_lookup_elem(&cgroups, &id);

	if (!cg)
		return;
	cg->weight = weight;
	post_event(MUS_EVENT_CGROUP_WEIGHT, 0, id, weight, 0);
}

#endif /* MUS_CGROUPS_BPF_H */

# SPDX-License-Identifier: GPL-2.0-only
# For each series that docs/kernel_support.md names: it loads, userspace decides, tasks are changed while they run and wait, it unloads.
. /root/lib.sh
cgroup a 400
cgroup b 100
say "kernel $(uname -r)"
for policy in vtime fifo; do
	mus_start --policy $policy
	spinners a 2
	unlike b 2
	in_cgroup b hackbench -g 1 -l 2000 >/dev/null
	sleep 2
	for pid in $(cat $CG/b/cgroup.procs); do # whoever is gone by now is nobody's fault
		taskset -p 1 "$pid" >/dev/null 2>&1 || true
		taskset -p 3 "$pid" >/dev/null 2>&1 || true
		{ chrt -r -p 1 "$pid" && chrt -o -p 0 "$pid"; } >/dev/null 2>&1 || true
		echo "$pid" >$CG/a/cgroup.procs 2>/dev/null || true
	done
	[ "$(status_field decisions)" -gt 10 ] || fail "$policy: userspace has decided $(status_field decisions) times"
	accounted "$policy"
	kill_cgroup a
	kill_cgroup b
	mus_stop
	say "$policy: loaded, decided, unloaded"
done
no_kernel_error

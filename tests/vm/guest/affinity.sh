# SPDX-License-Identifier: GPL-2.0-only
# Pinned tasks run where they may and nowhere else; taskset while they run; nobody starves.
. /root/lib.sh
cgroup a
cgroup b
last_cpu() { cut -d' ' -f39 "/proc/$1/stat"; }
ticks() { cut -d' ' -f1 "/proc/$1/schedstat"; } # ns on a CPU

mus_start
spinners a 2 0
spinners a 2 1
spinners b 2
sleep 2
for pid in $(cat $CG/a/cgroup.procs $CG/b/cgroup.procs); do
	before=$(ticks "$pid")
	sleep 0.7
	[ "$(ticks "$pid")" -gt "$before" ] || fail "task $pid does not run: $(cat /proc/$pid/schedstat), may use $(grep Cpus_allowed_list /proc/$pid/status)"
	allowed=$(sed -n 's/^Cpus_allowed_list:[^0-9]*//p' "/proc/$pid/status")
	[ "$allowed" = 0-1 ] || [ "$(last_cpu "$pid")" = "$allowed" ] || fail "task $pid ran on CPU $(last_cpu "$pid"), may use $allowed"
done
say "pinned tasks ran on their CPUs"
kill_cgroup a
kill_cgroup b

# Pinned tasks wait their turn, not longer, beside others that run on whichever CPU is first.
heartbeat --seconds 15 --limit 1000 --fail a:2@0 a:2@1 b:2 || fail "a pinned task waited too long"
spinners b 2

i=0
while [ $i -lt 40 ]; do
	for pid in $(cat $CG/b/cgroup.procs); do
		taskset -pc $((i % 2)) "$pid" >/dev/null
		[ $((i % 5)) = 4 ] && taskset -pc 0-1 "$pid" >/dev/null
	done
	sleep 0.1
	i=$((i + 1))
done
for pid in $(cat $CG/b/cgroup.procs); do
	taskset -pc 1 "$pid" >/dev/null
	before=$(ticks "$pid")
	sleep 1
	[ "$(last_cpu "$pid")" = 1 ] || fail "task $pid is on CPU $(last_cpu "$pid") after taskset 1"
	[ "$(ticks "$pid")" -gt "$before" ] || fail "task $pid does not run after taskset"
done
say "taskset changes were followed"

# nice, cgroup moves and class changes while runnable
for pid in $(cat $CG/b/cgroup.procs); do
	echo "$pid" >$CG/a/cgroup.procs
	chrt -b -p 0 "$pid"
	# As a real-time task it leaves its CPU to nobody: what takes that back must be able to run.
	chrt -f 10 sh -c "chrt -f -p 1 $pid; chrt -o -p 0 $pid"
	echo "$pid" >$CG/b/cgroup.procs
	before=$(ticks "$pid")
	sleep 1
	[ "$(ticks "$pid")" -gt "$before" ] || fail "task $pid does not run after it came back"
done
for turn in 1 2 3 4 5; do
	echo 0 >/sys/devices/system/cpu/cpu1/online && sleep 0.5 && echo 1 >/sys/devices/system/cpu/cpu1/online && sleep 0.5
	[ "$(state)" = enabled ] || fail "a CPU went off and on line for the ${turn}th time, and sched_ext is $(state)"
done
say "survived class changes, cgroup moves and a CPU off and on line"
kill_cgroup a
kill_cgroup b
mus_stop
no_kernel_error

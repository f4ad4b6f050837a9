# SPDX-License-Identifier: GPL-2.0-only
# fault_hotplug.sh [REPEATS]: CPUs but the first go off line and come back, loaded. What is pinned to one runs elsewhere meanwhile.
. /root/lib.sh
. /root/fault_lib.sh
repeats=${1:-5}
workload
WARM_UP=0.5
cgroup pinned
# pinned_count CPU: how many are pinned to it already.
pinned_count() {
	count=0
	for pid in $(cat $CG/pinned/cgroup.procs); do
		! grep -q "^Cpus_allowed_list:[^0-9]*$1\$" "/proc/$pid/status" || count=$((count + 1))
	done
	echo $count
}
mus_start
beat_begin
round=0
while [ $round -lt "$repeats" ]; do
	cpu=$((1 + round % (CPUS - 1)))
	spinners pinned 2 $cpu
	until [ "$(pinned_count $cpu)" = 2 ]; do sleep 0.1; done
	echo 0 >/sys/devices/system/cpu/cpu$cpu/online || fail "CPU $cpu does not go off line"
	pids=$(cat $CG/pinned/cgroup.procs) before=
	for pid in $pids; do before="$before $(ran $pid)"; done
	sleep 0.4
	for pid in $pids; do
		before=${before# }
		[ "$(ran $pid)" -gt "${before%% *}" ] || fail "round $round: task $pid of CPU $cpu does not run"
		before=${before#* }
	done
	echo 1 >/sys/devices/system/cpu/cpu$cpu/online || fail "CPU $cpu does not come back"
	sleep 0.2
	kill_cgroup pinned
	wait_empty pinned
	still_enabled "CPU $cpu went off and on line in round $round"
	round=$((round + 1))
done
beat_end "CPUs off and on line"
say "CPUs off and on line, $repeats times: longest wait $LONGEST ms"
mus_stop
no_stall

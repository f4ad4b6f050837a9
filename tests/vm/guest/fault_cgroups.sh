# SPDX-License-Identifier: GPL-2.0-only
# fault_cgroups.sh [SECONDS]: cgroups are made, weighted, throttled, frozen, moved out of and removed, with a task in them that never sleeps
# and one that does.
. /root/lib.sh
. /root/fault_lib.sh
seconds=${1:-5}
workload
mus_start
quiet 3
known=$(status_field cgroups)
beat_begin
end=$(($(now_ms) + seconds * 1000)) i=0
while [ "$(now_ms)" -lt $end ]; do
	i=$((i + 1))
	churn=churn$((i % 3))
	cgroup $churn
	cgroup $churn/inner
	echo +cpu >$CG/$churn/cgroup.subtree_control
	echo $((1 + i * 37 % 10000)) >$CG/$churn/cpu.weight
	in_cgroup $churn/inner sh -c 'while :; do :; done'
	spinner=$!
	in_cgroup $churn/inner sh -c 'while :; do sleep 0.01; done'
	sleeper=$!
	echo "5000 20000" >$CG/$churn/cpu.max
	sleep 0.1
	echo 1 >$CG/$churn/cgroup.freeze
	sleep 0.05
	echo $spinner >$CG/g$((i % 8))/cgroup.procs # from a frozen cgroup into one that is not
	echo 0 >$CG/$churn/cgroup.freeze
	echo max >$CG/$churn/cpu.max
	echo $sleeper >$CG/g$(((i + 3) % 8))/cgroup.procs
	kill -9 $spinner $sleeper
	wait $spinner $sleeper
	wait_empty $churn/inner
	rmdir $CG/$churn/inner $CG/$churn || fail "the cgroup $churn cannot be removed"
	still_enabled "cgroups were made and removed for the ${i}th time"
done 2>/dev/null
beat_end "cgroups come and go"
row "cgroups made, throttled, frozen, moved out of, removed, $i times in $seconds s"
[ $i -ge $((seconds / 2)) ] || fail "only $i rounds"
sleep 0.5
[ "$(status_field cgroups)" = "$known" ] || fail "$(status_field cgroups) cgroups are known, $known before"
mus_stop
no_stall

# SPDX-License-Identifier: GPL-2.0-only
# faults.sh [FACTOR]: what can go wrong around a running scheduler. 200 threads in 8 cgroups measure their longest wait, first
# without the fault and then with it; nothing is lost, nobody starves, and the kernel never ends the scheduler.
# FACTOR (1): repeats and seconds of each fault, times this.
. /root/lib.sh
factor=${1:-1}
weights="50 75 100 100 150 200 300 400"
tasks=
n=0
for weight in $weights; do
	cgroup g$n "$weight"
	tasks="$tasks g$n:24:0.1/250"
	case $n in # and those that never sleep
	0 | 2 | 4 | 6) tasks="$tasks g$n:1" ;;
	*) tasks="$tasks g$n:1@$((n / 2 % 2))" ;;
	esac
	n=$((n + 1))
done

# heart SECONDS: starts it; heart_wait: their longest wait in ms, in $LONGEST
heart() {
	heartbeat --seconds "$1" --limit 60000 $tasks >/tmp/heartbeat &
	heart=$!
	sleep 0.5
}
heart_wait() {
	wait $heart || fail "heartbeat: $(cat /tmp/heartbeat)"
	! grep " 0.000 s " /tmp/heartbeat || fail "some did not run at all: $(cat /tmp/heartbeat)"
	LONGEST=$(sed -n 's/^longest wait \([0-9]*\).*/\1/p' /tmp/heartbeat)
	[ "$(state)" = enabled ] || fail "sched_ext is $(state)"
}
status_field() { musctl --json status | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
# row FAULT: with the longest wait, against that of the quiet run
row() {
	extra=$((LONGEST - quiet))
	[ $extra -gt 0 ] || extra=0
	say "$1: longest wait $LONGEST ms, $extra ms more than without"
}

mus_start --stats-json /tmp/stats.json
heart 8
heart_wait
quiet=$LONGEST
say "without a fault: longest wait $quiet ms"

repeats=$((4 * factor))
heart $((2 * repeats + 1))
for i in $(seq $repeats); do
	kill -STOP "$MUS_PID"
	sleep 1
	kill -CONT "$MUS_PID"
	sleep 0.7
done
heart_wait
row "stopped for 1 s, $repeats times"
[ $extra -le $((quiet / 2 + 60)) ] || fail "somebody waited $extra ms more while userspace was stopped"
[ "$(status_field stalls)" -ge $repeats ] || fail "$(status_field stalls) stalls were counted, of $repeats"

for i in $(seq $factor); do
	lost=$(status_field events_lost)
	kill -STOP "$MUS_PID"
	hackbench -g 2 -l 2000 >/dev/null || fail "hackbench"
	kill -CONT "$MUS_PID"
	heart 3
	heart_wait
	[ "$(status_field events_lost)" -gt "$lost" ] || fail "the event ring did not overflow"
done
row "the event ring overflows, $factor times ($(status_field events_lost) events lost)"

repeats=$((8 * factor))
heart $((repeats + 3))
for i in $(seq $repeats); do
	echo 0 >/sys/devices/system/cpu/cpu1/online || fail "CPU 1 does not go off line"
	sleep 0.4
	echo 1 >/sys/devices/system/cpu/cpu1/online || fail "CPU 1 does not come back"
	sleep 0.4
	[ "$(state)" = enabled ] || fail "CPU 1 went off and on line for the ${i}th time, and sched_ext is $(state)"
done
heart_wait
row "CPU 1 off and on line, $repeats times"

seconds=$((10 * factor))
heart $seconds
end=$(($(date +%s) + seconds - 1)) i=0
while [ "$(date +%s)" -lt $end ]; do
	i=$((i + 1))
	mkdir $CG/churn $CG/churn/inner
	echo +cpu >$CG/churn/cgroup.subtree_control
	echo $((1 + i * 37 % 10000)) >$CG/churn/cpu.weight
	sh -c 'echo $$ >'$CG'/churn/inner/cgroup.procs; while :; do :; done' &
	churned=$!
	echo "5000 20000" >$CG/churn/cpu.max
	sleep 0.1
	echo 1 >$CG/churn/cgroup.freeze
	sleep 0.05
	echo 0 >$CG/churn/cgroup.freeze
	echo $churned >$CG/g$((i % 8))/cgroup.procs
	kill -9 $churned
	wait $churned
	rmdir $CG/churn/inner $CG/churn || fail "the churned cgroup cannot be removed"
done 2>/dev/null
heart_wait
row "cgroups made, moved between, frozen, throttled, removed, $i times"

seconds=$((6 * factor))
unpinned=$(echo "$tasks" | sed 's/g[0-9]:1@1//g') # who may run nowhere else has to wait
pinned=$tasks tasks=$unpinned
heart $seconds
taskset -c 1 chrt -f 50 timeout $((seconds - 2)) sh -c 'while :; do :; done'
heart_wait
tasks=$pinned
row "a real-time task takes CPU 1 for $((seconds - 2)) s"

seconds=$((10 * factor))
echo always >/sys/kernel/mm/transparent_hugepage/enabled
before=$(status_field page_faults)
heart $seconds
(while :; do echo 1 >/proc/sys/vm/compact_memory; echo 1 >/proc/sys/vm/drop_caches; sleep 0.3; done) &
compact=$!
stress-ng -q -t $((seconds - 3)) --vm 2 --vm-bytes 85% --vm-method zero-one >/tmp/memory.log 2>&1 || fail "stress-ng: $(cat /tmp/memory.log)"
kill $compact
heart_wait
row "reclaim, compaction and huge pages for $((seconds - 3)) s"
[ "$(status_field page_faults)" = "$before" ] || fail "the daemon waited for $(($(status_field page_faults) - before)) pages"
mus_stop

chaos() {
	mus_start --chaos "$1"
	heart "$2"
	heart_wait
	row "--chaos $1"
	mus_stop
}
seconds=$((8 * factor))
chaos drop=0.01,delay=5ms,dup=0.01,stale=0.01 $seconds
chaos drop=0.5,dup=0.2,stale=0.2 $seconds
chaos stop=50ms/1s $seconds

for namespace in --pid --cgroup; do
	unshare $namespace --fork mus-userland >/tmp/mus.log 2>&1 &
	launcher=$!
	tries=0
	until [ "$(state)" = enabled ]; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || fail "mus does not start in a namespace of its own: unshare $namespace"
		sleep 0.1
	done
	heart 4
	heart_wait
	row "in a namespace of its own: unshare $namespace"
	[ "$(musctl --json status | sed -n 's/.*"daemon":\([0-9]*\).*/\1/p')" != 0 ] || fail "the daemon does not know its own threads"
	MUS_PID=$(pidof mus-userland)
	kill -TERM $MUS_PID
	wait $launcher || fail "mus in a namespace ended with status $?"
done
no_kernel_error

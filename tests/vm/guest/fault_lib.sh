# SPDX-License-Identifier: GPL-2.0-only
# For the tests fault_*.sh: . /root/lib.sh, then this. What runs while something goes wrong: 200 threads in 8 cgroups of different
# weights, most of which sleep, some of which never do, some of those pinned; each measures its longest wait.
FULL=${MUS_FULL:-} # not empty: as often and as long as docs/reliability.md says
CPUS=$(grep -c ^processor /proc/cpuinfo)
WEIGHTS="50 75 100 100 150 200 300 400"
INDICES="0 1 2 3 4 5 6 7"
WEIGHT_SUM=1375
TASKS=
WARM_UP=3 # s that do not count: what has just begun is not known yet, neither to a policy nor to itself

# workload: makes the cgroups, and what heartbeat is told in TASKS. Each cgroup has spinners for what its weight is worth. Pinned is one in each
# of the four lightest: a heavy one gets less than its share of a CPU that others want too (README, Limits), fault or not.
workload() {
	group=0 spinning=$((CPUS / 2))
	for weight in $WEIGHTS; do
		cgroup g$group "$weight"
		TASKS="$TASKS g$group:$((25 - spinning)):0.1/250"
		if [ $group -lt 4 ]; then
			TASKS="$TASKS g$group:1@$((group % CPUS))"
			[ $spinning = 1 ] || TASKS="$TASKS g$group:$((spinning - 1))"
		else
			TASKS="$TASKS g$group:$spinning"
		fi
		group=$((group + 1))
	done
}

# beat_begin, beat_end WHAT: the workload meanwhile; the longest wait of any of its threads, in ms, in LONGEST.
beat_begin() {
	rm -f /tmp/begun
	heartbeat --warm-up $WARM_UP --seconds 100000 --limit 60000 --begun /tmp/begun $TASKS >/tmp/heartbeat &
	HEART=$!
	tries=0
	until [ -e /tmp/begun ]; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || fail "the workload does not begin"
		sleep 0.1
	done
}
beat_end() {
	kill -TERM $HEART
	wait $HEART || fail "$1: heartbeat: $(cat /tmp/heartbeat)"
	! grep ' 0\.000 s ' /tmp/heartbeat || fail "$1: some did not run at all: $(cat /tmp/heartbeat)"
	LONGEST=$(sed -n 's/^longest wait \([0-9]*\).*/\1/p' /tmp/heartbeat)
	[ -n "$LONGEST" ] || fail "$1: heartbeat says nothing: $(cat /tmp/heartbeat)"
}

# quiet SECONDS: the same without a fault, in QUIET.
quiet() {
	beat_begin
	sleep "$1"
	beat_end "without a fault"
	QUIET=$LONGEST
	say "without a fault, $1 s: longest wait $QUIET ms"
}

# row WHAT: its longest wait beside that without a fault, the difference in EXTRA.
row() {
	EXTRA=$((LONGEST - QUIET))
	[ $EXTRA -gt 0 ] || EXTRA=0
	say "$1: longest wait $LONGEST ms, $EXTRA ms more than without"
}

still_enabled() { [ "$(state)" = enabled ] || fail "$1: sched_ext is $(state)"; }

# no_stall: the kernel's watchdog has found nobody.
no_stall() {
	! dmesg | grep 'runnable task stall' || fail "the watchdog found a task that did not run"
	no_kernel_error
}

# usage_now: the CPU time of each cgroup, in us, in NOW. No process is started for it: that would have to wait for its turn.
usage_now() {
	NOW=
	for group in $INDICES; do
		read -r _ used <$CG/g$group/cpu.stat
		NOW="$NOW $used"
	done
}

# add_usage FROM TO: the differences are added to USED, each a list of one number for each cgroup.
add_usage() {
	sums=
	set -- "$1" "$2" ${USED:-0 0 0 0 0 0 0 0}
	from=$1 to=$2
	shift 2
	for sum in "$@"; do
		first=${from# } second=${to# }
		sums="$sums $((sum + ${second%% *} - ${first%% *}))"
		from=${first#* } to=${second#* }
	done
	USED=$sums
}

# worst_share: how far USED is from the weights at most, in tenths of a point, in WORST.
worst_share() {
	all=0 WORST=0
	for sum in $USED; do all=$((all + sum)); done
	set -- $USED
	SHARES=
	for weight in $WEIGHTS; do
		real=$(($1 * 1000 / all)) ideal=$((weight * 1000 / WEIGHT_SUM))
		SHARES="$SHARES $((real / 10)).$((real % 10))/$((ideal / 10)).$((ideal % 10))"
		off=$((real - ideal))
		[ ${off#-} -le $WORST ] || WORST=${off#-}
		shift
	done
}

# wait_empty CGROUP: until no task is left in it.
wait_empty() {
	tries=0
	while grep -q 'populated 1' "$CG/$1/cgroup.events"; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || fail "tasks stay in the cgroup $1"
		sleep 0.05
	done
}

# runs_of ROUTE: how often it was taken so far.
runs_of() { musctl --json status | sed -n "s/.*\"runs\":{[^}]*\"$1\":\([0-9]*\).*/\1/p"; }

# SPDX-License-Identifier: GPL-2.0-only
# fault_chaos.sh [SECONDS]: decisions that are dropped, late, doubled and out of date. Nothing is lost: who is forgotten is rescued after 2 s. In
# full also half of them: then the workload alone takes minutes to begin.
. /root/lib.sh
. /root/fault_lib.sh
seconds=${1:-4}
workload

# throughput: of hackbench, in ms
throughput() {
	begun=$(now_ms)
	hackbench -g 1 -l 200 >/dev/null || fail "hackbench"
	TOOK=$(($(now_ms) - begun))
}

# chaos PLAN SECONDS [LIMIT_MS]
chaos() {
	mus_start --chaos "$1" --stats-json /tmp/stats.json
	throughput
	beat_begin
	events=$(status_field events) decided=$(status_field decided) refused=$(status_field stale)
	sleep "$2"
	events=$(($(status_field events) - events)) decided=$(($(status_field decided) - decided)) refused=$(($(status_field stale) - refused))
	beat_end "--chaos $1"
	row "--chaos $1, $2 s"
	say "hackbench $TOOK ms, without chaos $calm ms; decided $((decided / $2)) a second, rescued $(status_field rescued), refused as out of date $refused"
	[ $decided -gt $((20 * $2)) ] || fail "--chaos $1: userspace decided $decided times"
	[ "$LONGEST" -le $((QUIET + 3000)) ] || fail "--chaos $1: somebody waited for $LONGEST ms"
	still_enabled "--chaos $1"
	mus_stop
}
mus_start
throughput
calm=$TOOK
quiet 3
mus_stop
chaos drop=0.01,delay=5ms,dup=0.01,stale=0.01 "$seconds"
[ -z "$FULL" ] || chaos drop=0.5,dup=0.2,stale=0.2 $((seconds / 2))
no_stall

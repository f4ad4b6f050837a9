# SPDX-License-Identifier: GPL-2.0-only
# fault_stop.sh [REPEATS]: userspace is stopped for 1 s, and goes on. Nobody waits much longer than without, and meanwhile each cgroup gets what its
# weight says. In full also: the same workload under the kernel's own scheduler.
. /root/lib.sh
. /root/fault_lib.sh
repeats=${1:-3}
seconds=$((repeats * 3 / 2 + 1)) # of the run without a fault: as long as the one with it
most=60                          # ms that somebody may wait more
[ "$repeats" -ge 20 ] || most=150 # a few seconds without a fault do not show how long the waits without one get
[ "$CPUS" = 2 ] || most=250       # only to notice what is out of all bounds
workload
if [ -n "$FULL" ]; then
	beat_begin
	sleep 10
	beat_end "the kernel's own scheduler"
	say "the kernel's own scheduler: longest wait $LONGEST ms"
fi
mus_start --stats-json /tmp/stats.json
quiet $seconds

USED=
beat_begin
round=0
while [ $round -lt "$repeats" ]; do
	kill -STOP "$MUS_PID"
	usage_now
	before=$NOW
	sleep 1
	usage_now
	kill -CONT "$MUS_PID"
	add_usage "$before" "$NOW"
	sleep 0.5
	still_enabled "stopped for the ${round}th time"
	round=$((round + 1))
done
beat_end "stopped"
cat /tmp/heartbeat
row "stopped for 1 s, $repeats times"
worst_share
say "shares while stopped, real/ideal:$SHARES"
mus_stop
stalls=$(stat_field stalls)
say "stalls $stalls, rescued $(stat_field rescued)"
[ "$stalls" -ge "$repeats" ] || fail "$stalls stalls were counted, of $repeats"
[ $WORST -le 50 ] || fail "while it was stopped a share was off by $WORST tenths of a point"
[ $EXTRA -le $most ] || fail "somebody waited for $EXTRA ms more while userspace was stopped"
no_stall

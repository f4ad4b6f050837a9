# SPDX-License-Identifier: GPL-2.0-only
# fault_ring.sh [REPEATS]: userspace is stopped until the event ring is full. All run, meanwhile and afterwards; and userspace knows of all that
# wait again: nobody is left to the kernel half alone; and of nobody who is gone.
. /root/lib.sh
. /root/fault_lib.sh
repeats=${1:-1}
workload
cgroup storm 10000
mus_start --orphan-sec 1000
quiet 3
beat_begin
round=0
while [ $round -lt "$repeats" ]; do
	lost=$(status_field events_lost) events=$(status_field events) known=$(status_field known)
	kill -STOP "$MUS_PID"
	begun=$(now_ms)
	heartbeat --seconds 1 storm:100:0.01/1 >/dev/null || fail "heartbeat while userspace is stopped"
	took=$(($(now_ms) - begun))
	kill -CONT "$MUS_PID"
	sleep 1
	lost=$(($(status_field events_lost) - lost)) events=$(($(status_field events) - events))
	[ $((events + lost)) -ge 40000 ] || fail "only $((events + lost)) events in $took ms" # of a wakeup and a sleep each
	[ $lost -gt 0 ] || fail "the event ring did not overflow: $events events"
	fallback=$(status_field fallback) rescued=$(status_field rescued) decided=$(status_field decided)
	sleep 1.5
	fallback=$(($(status_field fallback) - fallback)) rescued=$(($(status_field rescued) - rescued)) decided=$(($(status_field decided) - decided))
	ghosts=$(($(status_field known) - known))
	say "stopped for $took ms: $((events + lost)) events, $lost of them lost; in the 1.5 s after: decided $decided, fallback $fallback, rescued $rescued; known: $ghosts more than before"
	[ $decided -gt 100 ] || fail "userspace decides nothing after the resync: $decided"
	# A hundred tasks came and went. Those whose end was lost with the ring are gone for userspace too.
	[ $ghosts -le 10 ] || fail "userspace believes in $ghosts tasks more than before"
	[ $rescued = 0 ] || fail "userspace did not know of $rescued tasks after the resync"
	still_enabled "the event ring was full for the ${round}th time"
	round=$((round + 1))
done
beat_end "the event ring is full"
row "the event ring is full, $repeats times"
mus_stop
no_stall

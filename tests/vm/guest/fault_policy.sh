# SPDX-License-Identifier: GPL-2.0-only
# fault_policy.sh: policies that go wrong, in mus-faulty. One that throws and one that decides nonsense are replaced by the one before.
# With those whose standing orders have no end, those who have none still get their turn. For one that never returns the kernel half schedules
# on, and the daemon does not take a CPU for itself.
. /root/lib.sh
. /root/fault_lib.sh
DAEMON=mus-faulty
WARM_UP=0.5
workload
decides() {
	decided=$(status_field decided)
	sleep 1
	decided=$(($(status_field decided) - decided))
	[ $decided -gt 20 ] || fail "$1: userspace decided $decided times in 1 s"
}
active() { musctl --json status | sed -n 's/.*"policy":"\([a-z]*\)".*/\1/p'; }

# replaced POLICY BY: it goes wrong while it is in use; the one that was there before goes on.
replaced() {
	tries=0
	until [ "$(status_field policy_faults)" -ge 1 ]; do
		tries=$((tries + 1))
		[ $tries -lt 150 ] || fail "$1: no fault is reported: $(musctl --json status)"
		sleep 0.1
	done
	[ "$(active)" = "$2" ] || fail "$1: the policy is $(active), expected $2"
	decides "$1"
	say "$1: replaced by $(active), which decided $decided times in 1 s; faults $(status_field policy_faults)"
}

for policy in throws garbage; do
	mus_start --policy $policy --set after=3000
	beat_begin
	replaced $policy fifo
	beat_end $policy
	mus_stop
	mus_start
	beat_begin
	musctl policy use $policy --set after=500 >/dev/null || fail "musctl policy use $policy"
	replaced $policy vtime
	beat_end $policy
	mus_stop
done

mus_start
beat_begin
musctl policy use generous --set after=0 >/dev/null || fail "musctl policy use generous"
# Two pairs on one CPU: whenever one of a pair sleeps, the other has just been woken, so that there is always somebody with an order.
taskset 1 wakeup --messengers 2 --workers 1 --think-us 300 --seconds 3 >/tmp/wakeup || fail "wakeup: $(cat /tmp/wakeup)"
beat_end "orders without end"
say "orders without end: longest wait $LONGEST ms"
[ $LONGEST -le 1000 ] || fail "orders without end: somebody waited for $LONGEST ms"
mus_stop

# without_end POLICY FIELD: many runs of that kind, and then the policy forgets everybody else.
without_end() {
	mus_start --policy "$1" --set after=300
	beat_begin
	tries=0
	until [ "$(status_field "$2")" -ge 500 ]; do
		tries=$((tries + 1))
		[ $tries -lt 150 ] || fail "$1: no runs are $2: $(musctl --json status)"
		sleep 0.1
	done
	sleep 4
	held=$(status_field held)
	beat_end "$1 without end"
	say "$1 without end: longest wait $LONGEST ms; $2 $(status_field "$2") times, from the held queue $held"
	[ $LONGEST -le 1000 ] || fail "$1 without end: somebody waited for $LONGEST ms"
	mus_stop
}
without_end clique in_turn
without_end returns standing

mus_start --orphan-sec 1000
beat_begin
musctl policy use spins --set after=500 >/dev/null || fail "musctl policy use spins"
sleep 2
usage_now
before=$NOW
begun=$(now_ms)
sleep 4
usage_now
took=$(($(now_ms) - begun))
USED=
add_usage "$before" "$NOW"
worst_share
mode=$(musctl --json status | sed -n 's/.*"mode":"\([a-z]*\)".*/\1/p')
[ "$mode" = fallback ] || fail "a policy that spins: the mode is $mode"
all=0
for used in $USED; do all=$((all + used)); done
part=$((all / 10 / took / CPUS))
say "a policy that spins: mode $mode, others got $part % of $CPUS CPUs, shares real/ideal:$SHARES"
beat_end "a policy that spins"
say "a policy that spins: longest wait $LONGEST ms"
[ $LONGEST -le 1000 ] || fail "a policy that spins: somebody waited for $LONGEST ms"
[ $WORST -le 50 ] || fail "a policy that spins: a share was off by $WORST tenths of a point"
[ $part -ge 30 ] || fail "the daemon that spins takes too much: others got $part %"
mus_kill
mus_start
grep -q adopted /tmp/mus.log || fail "not adopted: $(cat /tmp/mus.log)"
beat_begin
decides "adopted after a daemon that span"
beat_end "adopted"
mus_stop
no_stall

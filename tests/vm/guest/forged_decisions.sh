# SPDX-License-Identifier: GPL-2.0-only
# Decisions that no daemon would make are written into the decision ring, each wrong in one way: each is refused once, for that
# reason, and the task that it is about runs on. And who is said to be where it is not is found by the census.
. /root/lib.sh
cgroup a
spinners a 4 0
tries=0
until pid=$(head -1 $CG/a/cgroup.procs) && grep -q "^Cpus_allowed_list:.0$" "/proc/$pid/status" 2>/dev/null; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || fail "no pinned task in a"
	sleep 0.1
done

refused() { musctl --json status | sed -n "s/.*\"refused\":{[^}]*\"$1\":\([0-9]*\).*/\1/p"; }
ran() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; } # ticks

# all_stopped: every thread of the daemon is.
all_stopped() { ! grep -L '^State:.T' /proc/$MUS_PID/task/*/status | grep -q .; }

# forged KIND: by a stopped daemon's ring.
forged() {
	kill -STOP "$MUS_PID"
	tries=0
	until all_stopped; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "the daemon does not stop"
		sleep 0.1
	done
	status=0
	forge_decision "$1" "$pid" >/tmp/forged || status=$?
	kill -CONT "$MUS_PID"
	say "$(cat /tmp/forged)"
	[ $status = 0 ] || fail "forge_decision $1: status $status"
}

mus_start --orphan-sec 1000
forge_decision list >/tmp/kinds
for name in bad_cpu bad_slice bad_field bad_record; do
	[ "$(refused $name)" = 0 ] || fail "$name is $(refused $name) before anything was forged"
done
before_unknown=$(refused unknown_pid) before_stale=$(refused stale)
while read -r kind name; do
	begun=$(ran)
	forged "$kind"
	tries=0
	until [ "$(ran)" -gt "$begun" ]; do
		tries=$((tries + 1))
		[ $tries -lt 50 ] || fail "after $kind the task does not run for 5 s"
		sleep 0.1
	done
done </tmp/kinds
# What the daemon itself decides is never refused for these; it may be late, and a task may be gone.
for name in bad_cpu bad_slice bad_field bad_record; do
	[ "$(refused $name)" = "$(grep -c " $name$" /tmp/kinds)" ] || fail "$name is $(refused $name): $(musctl --json status)"
	say "$name: $(refused $name)"
done
[ "$(refused unknown_pid)" -ge $((before_unknown + 2)) ] || fail "unknown_pid is $(refused unknown_pid)"
[ "$(refused stale)" -ge $((before_stale + 2)) ] || fail "stale is $(refused stale)"
decided=$(status_field decisions)
sleep 2
[ $(($(status_field decisions) - decided)) -gt 20 ] || fail "nothing is decided any more"
# Somebody who is lost is found out.
sleep 1000 &
pid=$!
sleep 0.2
census --lose $pid
! census >/tmp/census || fail "the census has not found who was lost: $(cat /tmp/census)"
grep -q "$pid (sleep): sleeps, and counts as held" /tmp/census || fail "the census has found something else: $(cat /tmp/census)"
census --find $pid
kill $pid
mus_stop
kill_cgroup a
no_kernel_error

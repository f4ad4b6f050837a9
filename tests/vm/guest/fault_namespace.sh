# SPDX-License-Identifier: GPL-2.0-only
# fault_namespace.sh [SECONDS]: the daemon in a PID namespace and in a cgroup namespace of its own. It decides, knows its own threads, and finds
# cgroups by name.
. /root/lib.sh
. /root/fault_lib.sh
seconds=${1:-2}
workload
cgroup daemon
for namespace in --pid --cgroup; do
	: >/tmp/mus.log
	in_cgroup daemon /usr/local/bin/unshare $namespace --fork mus-userland >/tmp/mus.log 2>&1
	launcher=$!
	await_state enabled 60
	tries=0
	until grep -q "schedules this machine" /tmp/mus.log; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "unshare $namespace: mus did not start"
		sleep 0.1
	done
	MUS_PID=$(pidof mus-userland)
	beat_begin
	decided=$(status_field decided) own=$(runs_of daemon)
	sleep "$seconds"
	decided=$(($(status_field decided) - decided)) own=$(($(runs_of daemon) - own))
	beat_end "unshare $namespace"
	say "unshare $namespace: longest wait $LONGEST ms, decided $decided, runs of the daemon itself $own"
	[ $decided -gt $((20 * seconds)) ] || fail "unshare $namespace: userspace decided $decided times in $seconds s"
	[ $own -gt 10 ] || fail "unshare $namespace: the daemon does not know its own threads"
	musctl weight set /g0 777 >/dev/null || fail "unshare $namespace: musctl weight set"
	musctl weight get /g0 | grep -q 777 || fail "unshare $namespace: $(musctl weight list)"
	musctl weight unset /g0 >/dev/null
	kill -TERM "$MUS_PID"
	status=0
	wait $launcher || status=$?
	[ $status = 0 ] || fail "unshare $namespace: mus ended with status $status"
	! grep "lost count" /tmp/mus.log || fail "tasks were counted wrongly"
	[ "$(state)" = disabled ] || fail "unshare $namespace: mus has ended and sched_ext is $(state)"
done
no_stall

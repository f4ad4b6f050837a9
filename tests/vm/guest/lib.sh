# SPDX-License-Identifier: GPL-2.0-only
# For the tests in this folder: . /root/lib.sh. POSIX sh; runs as root in the VM.
CG=/sys/fs/cgroup
MUS_PID=

say() { echo "-- $*"; }

fail() {
	echo "FAILED: $*"
	dmesg | grep -i sched_ext | tail -20
	[ -f /tmp/mus.log ] && tail -150 /tmp/mus.log | grep -v "+0x"
	exit 1
}

# expect_near WHAT REAL IDEAL TOLERANCE, whole numbers
expect_near() {
	difference=$(($2 - $3))
	[ "${difference#-}" -le "$4" ] || fail "$1: $2, expected $3 +- $4"
	say "$1: $2 (expected $3 +- $4)"
}

state() { cat /sys/kernel/sched_ext/state; }

# mus_start ARG...: starts the daemon and waits until it schedules.
mus_start() {
	: >/tmp/mus.log # now: the shell that begins the daemon may come to it late
	"${DAEMON:-mus-userland}" "$@" >/tmp/mus.log 2>&1 &
	MUS_PID=$!
	tries=0
	until grep -q "schedules this machine" /tmp/mus.log; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] && kill -0 "$MUS_PID" 2>/dev/null || fail "mus did not start"
		sleep 0.1
	done
	[ "$(state)" = enabled ] || fail "mus has started and sched_ext is $(state)"
	[ "$(moves_locked_pages)" = 0 ] || fail "mus has started and the kernel moves locked pages"
}

moves_locked_pages() { cat /proc/sys/vm/compact_unevictable_allowed; }

# mus_kill: the daemon dies, the kernel half goes on.
mus_kill() {
	kill -9 "$MUS_PID"
	wait "$MUS_PID" 2>/dev/null
	[ "$(state)" = enabled ] || fail "mus was killed and sched_ext is $(state)"
}

# status_field NAME: a number of the daemon's status.
status_field() { musctl --json status | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }

# await_state STATE SECONDS
await_state() {
	tries=0
	while [ "$(state)" != "$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt $(($2 * 10)) ] || fail "sched_ext is $(state), not $1, after $2 s"
		sleep 0.1
	done
}

# random LESS_THAN: a whole number.
random() { echo $(($(od -An -N4 -tu4 /dev/urandom) % $1)); }

# Milliseconds since the boot.
now_ms() { sed 's/^\([0-9]*\)\.\([0-9]*\) .*/\1\20/' /proc/uptime; }

sleep_ms() { sleep $(($1 / 1000)).$(printf '%03d' $(($1 % 1000))); }

# accounted WHEN: each task that mus was told of is in one place, and it is where the kernel has it.
accounted() {
	tries=0
	until lost=$(musctl --json status 2>/dev/null | sed -n 's/.*"unaccounted":\(-\{0,1\}[0-9]*\).*/\1/p') && [ "${lost:-0}" = 0 ]; do
		tries=$((tries + 1))
		[ $tries -lt 10 ] || fail "$1: $lost tasks are not accounted for"
		sleep 0.1
	done
	census >/tmp/census 2>&1 || fail "$1: $(cat /tmp/census)"
}

mus_stop() {
	accounted "before the end"
	kill -TERM "$MUS_PID"
	status=0
	wait "$MUS_PID" || status=$?
	[ "$status" = 0 ] || fail "mus ended with status $status"
	[ "$(state)" = disabled ] || fail "mus has ended and sched_ext is $(state)"
	[ "$(moves_locked_pages)" = 1 ] || fail "mus has ended and vm.compact_unevictable_allowed is not what it was"
	grep -q "unregistered from user space" /tmp/mus.log || fail "no exit reason was printed"
	! grep "lost count" /tmp/mus.log || fail "tasks were counted wrongly"
}

# no_kernel_error: the kernel never ended the scheduler by itself, and has nothing to complain of. But for one false alarm of its own (docs/kernel_support.md):
# what a scheduler decided for a task that then did not run is still noted when the next scheduler decides for it.
no_kernel_error() {
	! dmesg | grep 'sched_ext.*disabled (' | grep -v 'unregistered from user space' || fail "the kernel ended mus"
	! dmesg | grep -E 'BUG:|WARNING:|Oops|hung task|soft lockup' | grep -v 'WARNING: .*kernel/sched/ext\.c:.*scx_dsq_insert_commit' ||
		fail "the kernel complains"
}

# cgroup NAME [WEIGHT]
cgroup() {
	mkdir -p "$CG/$1"
	[ -z "${2:-}" ] || echo "$2" >"$CG/$1/cpu.weight"
}

# in_cgroup NAME COMMAND...: runs it there, in the background.
in_cgroup() {
	name=$1
	shift
	sh -c 'echo $$ > "$0"; exec "$@"' "$CG/$name/cgroup.procs" "$@" &
}

# spinners NAME COUNT [CPU]: tasks that never sleep.
spinners() {
	n=0
	while [ $n -lt "$2" ]; do
		if [ -n "${3:-}" ]; then
			in_cgroup "$1" taskset -c "$3" sh -c 'while :; do :; done'
		else
			in_cgroup "$1" sh -c 'while :; do :; done'
		fi
		n=$((n + 1))
	done
}

# unlike NAME COUNT: the same, each of another weight, so that each slice is decided on: alike, they would take turns by standing order.
unlike() {
	n=0
	while [ $n -lt "$2" ]; do
		in_cgroup "$1" nice -n $n sh -c 'while :; do :; done'
		n=$((n + 1))
	done
}

kill_cgroup() { echo 1 >"$CG/$1/cgroup.kill"; }

usage() { sed -n 's/^usage_usec //p' "$CG/$1/cpu.stat"; }

# ran PID: for how long it has run, ns. The times of /proc/PID/stat are sampled by the tick, and too coarse.
ran() { cut -d' ' -f1 "/proc/$1/schedstat"; }

# share A B SECONDS: A's part of what A and B use, in per cent (rounded), in $SHARE.
share() {
	a=$(usage "$1") b=$(usage "$2")
	sleep "$3"
	a=$(($(usage "$1") - a)) b=$(($(usage "$2") - b))
	[ $((a + b)) -gt 0 ] || fail "neither $1 nor $2 ran"
	SHARE=$(((a * 100 + (a + b) / 2) / (a + b)))
}

# stat_field NAME: a number of /tmp/stats.json (mus-userland --stats-json /tmp/stats.json)
stat_field() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" /tmp/stats.json; }

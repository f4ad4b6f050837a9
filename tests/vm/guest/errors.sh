# SPDX-License-Identifier: GPL-2.0-only
# Every mistake: one line that says what is wrong and what to do, the documented status, nothing attached.
. /root/lib.sh
cgroup redis

# refused STATUS WORDS ARG...: mus-userland ARG... must end with STATUS and one line that has each of WORDS.
refused() {
	expected=$1 words=$2
	shift 2
	got=0
	timeout 20 mus-userland "$@" >/tmp/out 2>/tmp/err </dev/null || got=$?
	[ "$got" = "$expected" ] || fail "mus-userland $*: status $got, expected $expected: $(cat /tmp/err)"
	[ "$(wc -l </tmp/err)" = 1 ] || fail "mus-userland $*: not one line: $(cat /tmp/err)"
	for word in $words; do
		grep -q -e "$word" /tmp/err || fail "mus-userland $*: '$word' is not in: $(cat /tmp/err)"
	done
	say "$(cat /tmp/err)"
}

refused 2 "--polcy --policy? help" --polcy fifo
refused 2 "vtimes vtime" --policy vtimes
refused 2 "/redis 10000" --weight /redis
refused 2 "weight 10000" --weight /redis=0
refused 2 "weight 10000" --weight /redis=10001
refused 2 "weight" --weight /redis=-5
refused 2 "weight" --weight /redis=4e2
refused 2 "weight" --weight /redis=99999999999999999999
refused 2 "path" --weight redis=100
refused 2 "path" --weight /../redis=100
refused 2 "slice-us" --slice-us 0
refused 2 "slice-us" --slice-us fast
refused 2 "hold-us" --hold-us 1
refused 2 "stats" --stats 0
refused 2 "config" --config /nonexistent.toml
refused 2 "/redsi /redis" --weight /redsi=400
status=0
/usr/local/bin/setpriv --reuid 65534 --regid 65534 --clear-groups mus-userland >/tmp/out 2>/tmp/err || status=$?
[ "$status" = 3 ] && grep -q "root.*sudo" /tmp/err || fail "not root: status $status, $(cat /tmp/err)"
say "$(cat /tmp/err)"
[ "$(state)" = disabled ] || fail "something was attached"

mus-userland --help | grep -q "Exit codes" || fail "--help does not teach"
mus-userland --version | grep -q "mus-userland [0-9]" || fail "--version"
printf 'policy = "fifo"\nslice-us = 2000\n' >/tmp/mus.toml
mus_start --config /tmp/mus.toml
grep -q "policy fifo" /tmp/mus.log || fail "--config was not read"
refused 5 "runs.already pid.$MUS_PID version --replace stop"
[ "$(state)" = enabled ] || fail "a second daemon disturbed the first"
mus_stop
no_kernel_error

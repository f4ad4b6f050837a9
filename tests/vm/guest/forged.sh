# SPDX-License-Identifier: GPL-2.0-only
# What a dead daemon left is damaged: what can be repaired is adopted, what cannot is replaced, and the daemon says which.
. /root/lib.sh
cgroup a
unlike a 3

# forged WHAT WORDS
forged() {
	mus_kill
	forge "$1" || fail "forge $1"
	mus_start
	grep -q "$2" /tmp/mus.log || fail "forge $1: '$2' is not in: $(cat /tmp/mus.log)"
	decided=$(status_field decisions)
	sleep 2
	decided=$(($(status_field decisions) - decided))
	[ $decided -gt 20 ] || fail "forge $1: nothing is decided: $decided in 2 s"
	say "forge $1: $(grep "$2" /tmp/mus.log)"
}

mus_start
forged busy "1 unfinished decisions discarded"
forged decisions "a damaged ring emptied"
forged events "a damaged ring emptied"
[ "$(dmesg | grep -c 'sched_ext: BPF scheduler')" = 1 ] || fail "mus was not there all the time"
forged version "not adopted but replaced: its shared page is of another version"
forged cpus "not adopted but replaced: its shared page is damaged"
mus_kill
rm /sys/fs/bpf/mus/events
mus_start
grep -q "not adopted but replaced: it has no events" /tmp/mus.log || fail "a pin is missing: $(cat /tmp/mus.log)"
mus_stop
kill_cgroup a
no_kernel_error

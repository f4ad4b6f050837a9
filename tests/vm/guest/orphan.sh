# SPDX-License-Identifier: GPL-2.0-only
# Without a daemon for --orphan-sec the kernel half ends itself; --no-pin and no bpffs: with its daemon.
. /root/lib.sh
cgroup a
spinners a 3

ended_by_itself() {
	await_state disabled 10
	dmesg | grep 'sched_ext: BPF scheduler "mus" disabled' | tail -1 | grep -q "unregistered from BPF" || fail "not by itself: $(dmesg | grep sched_ext)"
}

mus_start --orphan-sec 3
sleep 5
[ "$(state)" = enabled ] || fail "it ended beside its daemon"
mus_kill
begun=$(now_ms)
ended_by_itself
took=$(($(now_ms) - begun))
[ $took -ge 1900 ] || fail "it ended too early: after $took ms" # the daemon had looked a second before at most
say "killed: ended by itself after $took ms"
[ -e /sys/fs/bpf/mus/link ] || fail "nothing is left to be recognised"
mus_start --orphan-sec 3
grep -q "not adopted but replaced: it has ended" /tmp/mus.log || fail "what was left is not recognised: $(cat /tmp/mus.log)"
say "$(grep replaced /tmp/mus.log)"
kill -STOP "$MUS_PID"
ended_by_itself
kill -CONT "$MUS_PID"
status=0
wait "$MUS_PID" || status=$?
[ $status = 6 ] && grep -q "no daemon has looked for 3 s" /tmp/mus.log && grep -q "stopped for longer than --orphan-sec 3" /tmp/mus.log ||
	fail "status $status: $(cat /tmp/mus.log)"
say "stopped for too long: $(tail -1 /tmp/mus.log)"

mus_start --orphan-sec 0
mus_kill
sleep 5
[ "$(state)" = enabled ] || fail "--orphan-sec 0: it ended"
mus_start
grep -q "adopted" /tmp/mus.log || fail "not adopted: $(cat /tmp/mus.log)"
mus_kill
say "--orphan-sec 0: it waits"

# A daemon that will not pin adopts, and takes it along when it dies.
mus_start --no-pin
grep -q "adopted" /tmp/mus.log || fail "not adopted: $(cat /tmp/mus.log)"
[ -z "$(ls /sys/fs/bpf/mus)" ] || fail "pins were left"
[ "$(musctl --json status | grep -c '"pinned":false')" = 1 ] || fail "status says it is pinned"
kill -9 "$MUS_PID"
await_state disabled 2
mus_start --no-pin
kill -9 "$MUS_PID"
await_state disabled 2
say "--no-pin: ends with its daemon"

umount /sys/fs/bpf
mus_start
grep -q "no bpffs" /tmp/mus.log || fail "it does not say that nothing is pinned: $(cat /tmp/mus.log)"
musctl status | grep -q "no bpffs" || fail "status does not say so"
kill -9 "$MUS_PID"
await_state disabled 2
say "no bpffs: $(grep bpffs /tmp/mus.log)"
mount -t bpf bpffs /sys/fs/bpf
kill_cgroup a
! dmesg | grep -E 'BUG:|WARNING:|Oops|hung task|soft lockup' || fail "the kernel complains"
! dmesg | grep 'disabled (' | grep -v -e 'unregistered from user space' -e 'unregistered from BPF' || fail "the kernel ended mus"

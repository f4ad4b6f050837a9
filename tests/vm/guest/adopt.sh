# SPDX-License-Identifier: GPL-2.0-only
# adopt.sh [REPEATS]: the daemon is killed with -9 at random instants, while it starts too, and started again. The machine is
# never without mus, no task is lost, and what was set stays set.
. /root/lib.sh
repeats=${1:-10}
CPUS=$(grep -c ^processor /proc/cpuinfo)
cgroup a 300
cgroup b 100
cgroup c
echo +cpu >$CG/c/cgroup.subtree_control
cgroup c/inner 50

mus_start --orphan-sec 1000
musctl weight set /a 400 >/dev/null || fail "musctl weight set"
musctl weight set /b 100 --for 1h >/dev/null || fail "musctl weight set --for"
sleep 0.3 # the file is written ten times a second at most
heartbeat --seconds 100000 --limit 10000 --fail a:$CPUS b:1@0 c/inner:1@1 a:4:1/19 b:4:0.3/29 c/inner:8:0.2/49 >/tmp/heartbeat &
heart=$!
mus_kill
begun=$(now_ms)
mus_start --orphan-sec 1000
takes=$(($(now_ms) - begun))
say "adopting takes $takes ms"
mus_kill
round=0 lived=0
while [ $round -lt "$repeats" ]; do
	: >/tmp/mus.log
	mus-userland --orphan-sec 1000 >/tmp/mus.log 2>&1 &
	MUS_PID=$!
	sleep_ms "$(random $((takes * 2)))"
	! grep "not adopted" /tmp/mus.log || fail "it was replaced, not adopted"
	grep -q "schedules this machine" /tmp/mus.log && lived=$((lived + 1))
	mus_kill
	round=$((round + 1))
done
mus_start
say "killed $((repeats + 2)) times, $lived of them after it had adopted"
adopted=$(status_field adopted)
[ "$adopted" -gt "$lived" ] || fail "adopted $adopted times, $lived seen"
[ "$(dmesg | grep -c 'sched_ext: BPF scheduler')" = 1 ] || fail "mus was not there all the time"
[ "$(status_field cgroups)" -ge 5 ] || fail "cgroups are missing: $(status_field cgroups)"
musctl weight get /a | grep -q 400 || fail "a weight was lost: $(musctl weight list)"
musctl --json weight list | grep -q '"cgroup":"/b".*"ttl":3[0-9][0-9][0-9]' || fail "a boost was lost: $(musctl weight list)"
decided=$(status_field decisions)
sleep 2
decided=$(($(status_field decisions) - decided))
[ $decided -gt 50 ] || fail "the policy decides nothing after adoption: $decided"
share a b 4
expect_near "400 : 100 after adoption" "$SHARE" 80 6
kill -TERM $heart
wait $heart || fail "a task waited for too long: $(cat /tmp/heartbeat)"
cat /tmp/heartbeat
say "stalls: $(musctl --json status | sed 's/.*"stalls":{\([^}]*\)}.*/\1/')"
mus_stop
[ -z "$(ls /sys/fs/bpf/mus)" ] || fail "pins were left: $(ls /sys/fs/bpf/mus)"
no_kernel_error

# SPDX-License-Identifier: GPL-2.0-only
# Loads and unloads 20 times, idle and under load; leaves an idle machine idle; then prints the size of each BPF program.
. /root/lib.sh
cgroup load 20
round=1
while [ $round -le 20 ]; do
	[ $round = 6 ] && spinners load 2
	[ $round = 11 ] && { in_cgroup load hackbench -g 1 -l 100000 >/dev/null; }
	mus_start
	sleep 0.2
	[ "$(cat /sys/kernel/sched_ext/root/ops)" = mus ] || fail "ops is not mus"
	mus_stop
	round=$((round + 1))
done
say "loaded and unloaded 20 times"
for policy in vtime fifo; do
	mus_start --policy $policy --stats 0.5
	sleep 2
	mus_stop
	[ "$(grep -c '^ *[0-9]' /tmp/mus.log)" -ge 2 ] || fail "--stats printed nothing"
done
kill_cgroup load

# switches: how often the daemon's threads have given up a CPU; once for each time that they were woken, at least.
switches() {
	sed -n 's/.*ctxt_switches:[[:space:]]*//p' /proc/$MUS_PID/task/*/status | { sum=0; while read -r n; do sum=$((sum + n)); done; echo $sum; }
}
mus_start
musctl weight set /load 400 >/dev/null
sleep 4 # it begins by looking more often
before=$(switches)
sleep 20
woken=$(($(switches) - before))
mus_stop
say "woken $woken times in 20 s on an idle machine"
[ $woken -lt 40 ] || fail "the daemon wakes an idle machine $woken times in 20 s"
no_kernel_error
mus-userland -v >/tmp/verbose.log 2>&1 &
MUS_PID=$!
while [ "$(state)" != enabled ]; do sleep 0.1; done
kill $MUS_PID
wait $MUS_PID
say "size of each BPF program, and what the verifier walked"
grep '^program' /tmp/verbose.log || fail "-v does not print the programs"

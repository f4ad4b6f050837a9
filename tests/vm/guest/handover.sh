# SPDX-License-Identifier: GPL-2.0-only
# Who wakes another and sleeps hands its CPU over; who was believed and goes on running keeps nobody waiting; nobody is handed a CPU
# that others wait for.
. /root/lib.sh
field() { sed -n "s/.*$1 \([0-9]*\).*/\1/p" /tmp/handover; }

mus_start
handover --turns 4000 >/tmp/handover || fail "the rally ended badly"
say "alone: $(cat /tmp/handover)"
[ "$(field same_cpu_percent)" -ge 90 ] || fail "they ran on the same CPU in $(field same_cpu_percent) % of the turns"

# 4 ms would be the slice of the one that goes on running.
handover --turns 4000 --broken-every 40 >/tmp/handover || fail "the rally ended badly"
say "its word broken: $(cat /tmp/handover)"
[ "$(field broken)" = 100 ] || fail "$(field broken) turns were broken, not 100"
[ "$(field same_cpu_percent)" -ge 50 ] || fail "once apart, they stayed so: on the same CPU in $(field same_cpu_percent) % of the turns"
[ "$(field longest_broken_us)" -lt 2500 ] || fail "a woken task waited for $(field longest_broken_us) us while a CPU was idle"

# Never believed, and the other slept last where the waker runs: its own CPU is not an idle one.
handover --turns 400 --broken-every 4 --compute-us 8000 --meet >/tmp/handover || fail "the rally ended badly"
say "not believed: $(cat /tmp/handover)"
[ "$(field broken)" = 100 ] || fail "$(field broken) turns were broken, not 100"
[ "$(field same_cpu_percent)" -le 20 ] || fail "they ran on the same CPU in $(field same_cpu_percent) % of the turns"

cgroup a
spinners a 4
sleep 1
handover --turns 1000 >/tmp/handover || fail "the rally ended badly"
say "beside spinners: $(cat /tmp/handover)"
[ "$(field longest_kept_us)" -lt 100000 ] || fail "a task waited for $(field longest_kept_us) us"
for pid in $(cat $CG/a/cgroup.procs); do
	before=$(cut -d' ' -f1 "/proc/$pid/schedstat")
	sleep 0.5
	[ "$(cut -d' ' -f1 "/proc/$pid/schedstat")" -gt "$before" ] || fail "spinner $pid does not run"
done
kill_cgroup a
mus_stop
no_kernel_error

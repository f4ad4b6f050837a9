# SPDX-License-Identifier: GPL-2.0-only
# Userspace stopped for 2 s under load, and killed with -9: everything goes on, by the weights.
. /root/lib.sh
cgroup a 300
cgroup b 100
# A task that sleeps and wakes: one line each 20 ms in an idle system.
beats() { in_cgroup a sh -c 'while :; do sleep 0.02; echo >> /tmp/beats; done'; }

mus_start --stats-json /tmp/stats.json
spinners a 2
spinners b 2
beats
sleep 2
kill -STOP "$MUS_PID"
before=$(wc -l </tmp/beats)
share a b 2
after=$(wc -l </tmp/beats)
kill -CONT "$MUS_PID"
say "stopped for 2 s: the sleeper woke $((after - before)) times"
[ $((after - before)) -ge 10 ] || fail "the sleeping task starved while userspace was stopped"
expect_near "3:1 while userspace is stopped" "$SHARE" 75 8
[ "$(state)" = enabled ] || fail "sched_ext is $(state) after the stop"
share a b 4
expect_near "3:1 after it goes on" "$SHARE" 75 5
mus_stop
[ "$(stat_field fallback)" -gt 50 ] || fail "nothing ran by fallback: $(stat_field fallback)"
[ "$(stat_field stalls)" -ge 1 ] || fail "no stall was counted"
say "runs by fallback: $(stat_field fallback)"

mus_start
sleep 1
mus_kill
before=$(wc -l </tmp/beats)
share a b 4
after=$(wc -l </tmp/beats)
[ $((after - before)) -ge 15 ] || fail "the sleeping task starved after kill -9"
say "killed with -9: sched_ext is $(state), the sleeper woke $((after - before)) times in 4 s"
expect_near "3:1 without a daemon" "$SHARE" 75 8
mus_start
share a b 4
expect_near "3:1 after adoption" "$SHARE" 75 5
mus_stop
say "started again after kill -9"
kill_cgroup a
kill_cgroup b
no_kernel_error

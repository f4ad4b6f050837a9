# SPDX-License-Identifier: GPL-2.0-only
# Real shares of real cgroups, against what their weights promise.
. /root/lib.sh
cgroup a 100
cgroup b 100

mus_start --stats-json /tmp/stats.json
spinners a 2
spinners b 2
sleep 1
share a b 8
expect_near "1:1, two spinners each" "$SHARE" 50 5
echo 400 >$CG/a/cpu.weight
sleep 1
share a b 8
expect_near "4:1 by cpu.weight, while it runs" "$SHARE" 80 5
mus_stop
echo 100 >$CG/a/cpu.weight

mus_start --weight /a=400 --stats-json /tmp/stats.json
sleep 1
share a b 8
expect_near "4:1 by --weight" "$SHARE" 80 5
kill_cgroup a
kill_cgroup b
mus_stop

mus_start --stats-json /tmp/stats.json
spinners a 1 0
spinners b 16 0
sleep 1
share a b 8
expect_near "1 task against 16, equal groups, one CPU" "$SHARE" 50 5
kill_cgroup a
kill_cgroup b
sleep 0.5
spinners a 1
spinners b 16
sleep 1
share a b 8
expect_near "1 task against 16, equal groups, two CPUs" "$SHARE" 50 5
mus_stop
decided=$(stat_field decided) fallback=$(($(stat_field held) + $(stat_field fallback)))
say "runs decided by userspace: $decided, by the kernel half alone: $fallback"
[ "$decided" -gt $((fallback * 10)) ] || fail "userspace did not decide"
kill_cgroup a
kill_cgroup b

mus_start
spinners a 1 0
in_cgroup a nice -n 5 taskset -c 0 sh -c 'while :; do :; done'
sleep 1
pids=$(cat $CG/a/cgroup.procs)
set -- $pids
nice_of() { cut -d' ' -f19 "/proc/$1/stat"; }
a0=$(ran "$1") b0=$(ran "$2")
sleep 8
a1=$(($(ran "$1") - a0)) b1=$(($(ran "$2") - b0))
[ "$(nice_of "$2")" = 5 ] || { t=$a1 a1=$b1 b1=$t; }
# nice 5 weighs 335 where nice 0 weighs 1024
expect_near "nice 0 against nice 5 in one cgroup, one CPU" $((a1 * 100 / (a1 + b1))) 75 7
mus_stop
kill_cgroup a
no_kernel_error

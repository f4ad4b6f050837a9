# SPDX-License-Identifier: GPL-2.0-only
# fault_rt.sh [SECONDS]: a real-time task that never sleeps takes the last CPU. Who may run elsewhere does, as were that CPU off line.
. /root/lib.sh
. /root/fault_lib.sh
seconds=${1:-4}
workload
last=$((CPUS - 1))
TASKS=$(echo "$TASKS" | sed "s/g[0-9]*:1@$last//g") # who may run nowhere else has to wait
mus_start
echo 0 >/sys/devices/system/cpu/cpu$last/online
quiet "$seconds"
echo 1 >/sys/devices/system/cpu/cpu$last/online
beat_begin
taskset -c $last chrt -f 50 sh -c 'while :; do :; done' &
hog=$!
sleep "$seconds"
kill -9 $hog
wait $hog 2>/dev/null
beat_end "a real-time task takes CPU $last"
cat /tmp/heartbeat
row "a real-time task takes CPU $last for $seconds s, beside a machine without that CPU"
still_enabled "a real-time task took CPU $last"
[ "$LONGEST" -le 1200 ] || fail "somebody waited for $LONGEST ms" # longest-wait-ms of vtime, and some
# Who may run nowhere else waits for that CPU, and keeps userspace from nothing.
cgroup stuck
cgroup free
spinners stuck 4 $last
spinners free $((CPUS + 1))
sleep 0.5
taskset -c $last chrt -f 50 sh -c 'while :; do :; done' &
hog=$!
sleep 1
decided=$(status_field decided) held=$(status_field held)
sleep 2
decided=$(($(status_field decided) - decided)) held=$(($(status_field held) - held))
kill -9 $hog
wait $hog 2>/dev/null
say "beside tasks that wait for the taken CPU, in 2 s: $decided runs decided, $held not"
[ $decided -gt $((20 * held + 50)) ] || fail "userspace decides on too few: $decided, and $held not"
kill_cgroup stuck
kill_cgroup free
mus_stop
no_stall

# SPDX-License-Identifier: GPL-2.0-only
# fault_rt.sh [SECONDS]: a real-time task that never sleeps takes the last CPU. Who may run elsewhere does, by weight, and waits no longer than where that
# task has been there all along; what the kernel's own scheduler makes of it is printed too. (Not: than with that CPU off line. Emulated CPUs that count
# instructions share the time, so that an idle one makes the others faster.)
. /root/lib.sh
. /root/fault_lib.sh
seconds=${1:-4}
calm=$((seconds < 10 ? seconds : 10))
workload
last=$((CPUS - 1))
TASKS=$(echo "$TASKS" | sed "s/g[0-9]*:1@$last//g") # who may run nowhere else has to wait
if [ $CPUS = 2 ]; then # their cgroups take no more than they need
	INDICES="0 2 4 5 6 7" WEIGHTS="50 100 150 200 300 400" WEIGHT_SUM=1200
fi
hog_begin() {
	taskset -c $last chrt -f 50 sh -c 'while :; do :; done' &
	HOG=$!
}
hog_end() {
	kill -9 $HOG
	wait $HOG 2>/dev/null
}

hog_begin
quiet $calm
say "that was the kernel's own scheduler; from here on mus"
mus_start
quiet $calm
hog_end
sleep 0.5
beat_begin
hog_begin # for less than 30 s: then the watchdog ends any scheduler, for the kernel's own threads of that CPU
sleep 0.2 # tasks that are on their way
usage_now
before=$NOW
sleep $((seconds - 1))
usage_now
USED=$(for group in $INDICES; do printf ' 0'; done)
add_usage "$before" "$NOW"
hog_end
beat_end "a real-time task takes CPU $last"
cat /tmp/heartbeat
row "a real-time task takes CPU $last for $((seconds - 1)) s, beside one that has had it all along"
worst_share
say "shares of who may run elsewhere:$SHARES, worst $((WORST / 10)).$((WORST % 10)) points off"
still_enabled "a real-time task took CPU $last"
[ "$LONGEST" -le 1500 ] || fail "somebody waited for $LONGEST ms" # longest-wait-ms of vtime, and some
[ $WORST -le 50 ] || fail "the shares are off: $SHARES"
# Who may run nowhere else waits for that CPU, and keeps userspace from nothing.
cgroup stuck
cgroup free
spinners stuck 4 $last
spinners free $((CPUS + 1))
sleep 0.5
hog_begin
sleep 1
decided=$(status_field decided) held=$(status_field held)
sleep 2
decided=$(($(status_field decided) - decided)) held=$(($(status_field held) - held))
hog_end
say "beside tasks that wait for the taken CPU, in 2 s: $decided runs decided, $held not"
[ $decided -gt $((20 * held + 50)) ] || fail "userspace decides on too few: $decided, and $held not"
kill_cgroup stuck
kill_cgroup free
mus_stop
no_stall

# SPDX-License-Identifier: GPL-2.0-only
# Policies swapped under load: 64 tasks that each want 0.3 ms of CPU time every 49 ms go on, and none waits for 3 slices.
# In time that counts instructions: what the host does to its virtual CPUs would be more than that.
. /root/lib.sh
slice_us=4000
cgroup a
cgroup b
mkdir $CG/a/inner # without the cpu controller: its tasks count as those of a
mus_start --slice-us $slice_us

# with_heartbeat LIMIT_MS COMMAND: their longest wait, while it runs
with_heartbeat() {
	heartbeat --seconds 13 --limit "$1" --fail a:16:0.3/49 a/inner:16:0.3/49 b:8:0.3/49@0 b:8:0.3/49@1 b:16:0.3/49 >/tmp/heartbeat &
	heart=$!
	"$2"
	[ ! -s /tmp/heartbeat ] || fail "$2 took longer than the tasks that it was to disturb"
	wait $heart || fail "a task waited too long: $(cat /tmp/heartbeat)"
	say "$2: $(tail -1 /tmp/heartbeat)"
}

# One client for all: what a program costs that is started each time is not what is asked here.
status_100_times() {
	control_load --rate 10 --seconds 10 --line '{"cmd":"status"}' >/tmp/load || fail "$(cat /tmp/load)"
}
swap_100_times() {
	control_load --rate 10 --seconds 10 --line '{"cmd":"policy.use","policy":"fifo"}' \
		--line '{"cmd":"policy.use","policy":"vtime"}' >/tmp/load || fail "$(cat /tmp/load)"
}

with_heartbeat 1000 true
with_heartbeat 1000 status_100_times
with_heartbeat $((3 * slice_us / 1000)) swap_100_times
[ "$(musctl --json status | sed -n 's/.*"policy_faults":\([0-9]*\).*/\1/p')" = 0 ] || fail "a policy failed"
mus_stop
no_kernel_error

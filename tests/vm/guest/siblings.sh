# SPDX-License-Identifier: GPL-2.0-only
# siblings.sh [N]: a server and its client, owed most of a CPU each, hand one to and fro N times over beside others that compute. The daemon
# and the kernel's threads interrupt them all the while, and userspace decides ahead: nobody is forgotten. With a long --stall-ms, since a
# daemon that the machine under the VM keeps from running for 20 ms decides on nobody, and they are rescued though it has forgotten none.
. /root/lib.sh
mus_start --stall-ms 1000
cgroup favoured 400
cgroup noise 100
spinners noise 4
in_cgroup favoured redis-server --save '' --appendonly no >/tmp/server
timeout 20 sh -c 'until redis-cli ping; do sleep 0.1; done' >/tmp/ping || fail "the server does not answer: $(tail -3 /tmp/server /tmp/ping)"
for run in $(seq 1 "${1:-40}"); do
	sh -c "echo \$\$ >$CG/favoured/cgroup.procs; exec redis-benchmark -c 20 -d 128 -t get -n 300" >/tmp/answers || fail "run $run of the client ended badly"
	[ "$(status_field rescued)" = 0 ] || fail "$(status_field rescued) tasks had been forgotten by run $run"
done
[ "$(status_field decisions)" -gt 100 ] || fail "userspace decided only $(status_field decisions) times"
say "$run runs, rescued $(status_field rescued), decided $(status_field decisions)"
kill_cgroup favoured
kill_cgroup noise
mus_stop
no_kernel_error

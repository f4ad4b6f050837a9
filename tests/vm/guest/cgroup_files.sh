# SPDX-License-Identifier: GPL-2.0-only
# Cgroups without the kernel's callbacks: learnt from tasks and cgroupfs; and with the cpu controller on cgroup v1.
. /root/lib.sh
cgroup a
cgroup b

mus_start
spinners a 2
spinners b 2
echo 1 >$CG/b/cpu.idle
sleep 2
share a b 3
expect_near "the other cgroup is idle" "$SHARE" 99 2
echo 0 >$CG/b/cpu.idle
sleep 2
share a b 3
expect_near "and is not any more" "$SHARE" 50 5
mus_stop

mus_start --cgroup-files
sleep 2
share a b 3
expect_near "equal weights, from files" "$SHARE" 50 5
echo 400 >$CG/a/cpu.weight
sleep 2
share a b 3
expect_near "echo 400 > cpu.weight" "$SHARE" 80 5
echo 5 >$CG/a/cpu.weight.nice # 335 of 1024, as the kernel says
weight=$(cat $CG/a/cpu.weight)
sleep 2
share a b 3
expect_near "echo 5 > cpu.weight.nice (cpu.weight $weight)" "$SHARE" $((100 * weight / (weight + 100))) 5
musctl status | grep -q cgroupfs || fail "status does not say where cgroups come from: $(musctl status)"
mus_stop
kill_cgroup a
kill_cgroup b

# A tree of which nobody has told: weights count level by level.
mkdir $CG/deep $CG/deep/x $CG/deep/y
echo +cpu >$CG/deep/cgroup.subtree_control
echo 300 >$CG/deep/x/cpu.weight
mus_start --cgroup-files
spinners b 2
spinners deep/x 2
spinners deep/y 2
sleep 2
share deep b 3
expect_near "deep against b" "$SHARE" 50 5
share deep/x deep/y 3
expect_near "x against y" "$SHARE" 75 5

# One that goes is forgotten, although no callback tells.
cgroup gone
spinners gone 1
sleep 2
known=$(status_field cgroups)
kill_cgroup gone
tries=0
until rmdir $CG/gone 2>/dev/null; do
	tries=$((tries + 1))
	[ $tries -lt 50 ] || fail "the cgroup cannot be removed"
	sleep 0.1
done
tries=0
until [ "$(status_field cgroups)" -lt "$known" ]; do
	tries=$((tries + 1))
	[ $tries -lt 20 ] || fail "a removed cgroup stays known: $known before, $(status_field cgroups) after"
	sleep 0.5
done
say "cgroups known: $known, and $(status_field cgroups) when one was removed"
mus_stop
kill_cgroup b
kill_cgroup deep/x
kill_cgroup deep/y

# Hybrid: the cpu controller is on v1, weights are set through mus for the cgroups of v2.
echo -cpu >$CG/deep/cgroup.subtree_control
echo -cpu >$CG/cgroup.subtree_control
mkdir -p /tmp/v1
# Removed cgroups keep the controller busy until the kernel has freed them (after an RCU grace period, and more).
tries=0
until mount -t cgroup -o cpu none /tmp/v1 2>/dev/null; do
	tries=$((tries + 1))
	[ $tries -lt 60 ] || fail "the cpu controller cannot be mounted on v1: $(mount -t cgroup -o cpu none /tmp/v1 2>&1)"
	sleep 0.5
done
mus_start --weight /a=400
spinners a 2
spinners b 2
sleep 2
share a b 3
expect_near "--weight with the cpu controller on v1" "$SHARE" 80 5
musctl status | grep -q "not on cgroup v2" || fail "status does not say that cpu.weight is not there: $(musctl status)"
mus_stop
kill_cgroup a
kill_cgroup b
no_kernel_error

# SPDX-License-Identifier: GPL-2.0-only
# shards.sh: two CPUs that share no cache, each with its own queues. Seven tasks that compute take turns by standing order on the one that is left when
# the other goes offline. That comes back and takes one to run and one that waits: it must not keep it at that, and give these two half of a CPU each, and
# the others a fifth.
. /root/lib.sh

mus_start
pids=
for n in 1 2 3 4 5 6 7; do
	sh -c 'while :; do :; done' &
	pids="$pids $!"
done
echo 0 >/sys/devices/system/cpu/cpu1/online || fail "CPU 1 does not go offline"
sleep 3
echo 1 >/sys/devices/system/cpu/cpu1/online || fail "CPU 1 does not come back"
sleep 1
in_turn=$(status_field in_turn)
for pid in $pids; do eval "before_$pid=$(ran "$pid")"; done
sleep 5
least=100000 most=0 shares=
for pid in $pids; do
	eval "used=\$((($(ran "$pid") - before_$pid) / 1000000))"
	shares="$shares $used"
	[ $used -ge $least ] || least=$used
	[ $used -le $most ] || most=$used
done
in_turn=$(($(status_field in_turn) - in_turn))
say "in 5 s they computed for$shares ms; began $in_turn times in turn"
[ $in_turn -ge 500 ] || fail "they did not take turns by standing order"
[ $((least * 10)) -ge $((most * 7)) ] || fail "one has $least ms, and another $most"
kill $pids
mus_stop
no_kernel_error

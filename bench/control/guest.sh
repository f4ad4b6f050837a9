# SPDX-License-Identifier: GPL-2.0-only
# guest.sh RATE ROUNDS: runs in the VM of bench/control/run. hackbench's time includes its own start.
rate=$1 rounds=$2
cg=/sys/fs/cgroup
mkdir $cg/client $cg/target
echo 10000 >$cg/client/cpu.weight # it must keep its rate beside 80 tasks that all want to run
mus-userland >/tmp/mus.log 2>&1 &
mus=$!
until [ "$(cat /sys/kernel/sched_ext/state)" = enabled ]; do sleep 0.1; done

hackbench_seconds() { hackbench -g 2 -l 1000 | sed -n 's/^Time: //p'; }
median() { sort -n | sed -n "$(((rounds + 1) / 2))p"; }

round=0
hackbench_seconds >/dev/null
while [ "$round" -lt "$rounds" ]; do
	hackbench_seconds >/tmp/alone
	sh -c 'echo $$ >"$0/cgroup.procs"; exec control_load /target --rate "$1" --seconds 30' $cg/client "$rate" >/tmp/load &
	client=$!
	sleep 1
	hackbench_seconds >/tmp/beside
	cat /tmp/alone >>/tmp/all_alone
	cat /tmp/beside >>/tmp/all_beside
	status=0
	wait $client || status=$?
	round=$((round + 1))
	echo "round $round: alone $(cat /tmp/alone) s, beside $(cat /tmp/beside) s; client: $(cat /tmp/load)"
	[ $status = 0 ] || exit 1
done
echo "medians: alone $(median </tmp/all_alone) s, beside $(median </tmp/all_beside) s," \
	"ratio $(echo "$(median </tmp/all_alone) $(median </tmp/all_beside)" | awk '{printf "%.3f", $2 / $1}')"
musctl status
kill $mus
wait $mus

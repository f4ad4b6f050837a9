# SPDX-License-Identifier: GPL-2.0-only
# replace.sh [REPEATS]: --replace under load, each time by the other one of two builds. Nothing is detached, no task is lost (their longest wait beside
# one daemon and then is printed), nobody decides for two slices at most, weights stay; a daemon that does not answer stays what it is.
. /root/lib.sh
repeats=${1:-10}
GAP_MOST=8 # ms, two slices
CPUS=$(grep -c ^processor /proc/cpuinfo)
cgroup a
cgroup b

# beat: 64 tasks while what follows happens; their longest wait.
beat_begin() {
	heartbeat --seconds 100000 --limit 10000 --fail a:$((CPUS - 1)) a:24:0.3/49 b:1@0 b:1@1 b:24:0.3/49 >/tmp/heartbeat &
	heart=$!
}
beat_end() {
	kill -TERM $heart
	wait $heart || fail "$1: a task waited for too long: $(cat /tmp/heartbeat)"
	say "$1:"
	cat /tmp/heartbeat
}

mus_start
musctl weight set /a 400 >/dev/null
beat_begin
sleep 10
beat_end "one daemon, 10 s"

beat_begin
round=0 gap_most=0 log=/tmp/mus.log # of the daemon that runs; a file each
while [ $round -lt "$repeats" ]; do
	old=$MUS_PID
	new=/tmp/new.$round.log
	: >$new
	daemon=mus-userland
	[ $((round % 2)) = 1 ] || daemon=mus-faulty # the policies that go wrong are not used
	$daemon --replace >$new 2>&1 &
	MUS_PID=$!
	status=0
	wait $old || status=$?
	[ $status = 0 ] || fail "the daemon that was replaced ended with status $status"
	tries=0
	until grep -q "schedules this machine" $new; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "the new daemon does not schedule: $(cat $new)"
		sleep 0.1
	done
	grep -q "replaced by pid $MUS_PID" $log || fail "not said: $(cat $log)"
	grep -q "took over from pid $old" $new || fail "not said: $(cat $new)"
	log=$new
	musctl hello | grep -q "pid $MUS_PID" || fail "musctl finds another daemon"
	gap=$(musctl --json status | sed -n 's/.*"gap_ms":\([0-9]*\).*/\1/p')
	[ "$gap" -le $gap_most ] || gap_most=$gap
	round=$((round + 1))
done
say "nobody decided for less than $((gap_most + 1)) ms, $repeats times"
[ $gap_most -lt $GAP_MOST ] || fail "nobody decided for $gap_most ms"
beat_end "replaced $repeats times"
[ "$(dmesg | grep -c 'sched_ext: BPF scheduler')" = 1 ] || fail "mus was not there all the time"
[ "$(status_field adopted)" = "$repeats" ] || fail "adopted: $(status_field adopted)"
musctl weight get /a | grep -q 400 || fail "a weight was lost"
say "stalls: $(musctl --json status | sed 's/.*"stalls":{\([^}]*\)}.*/\1/')"

# refused WORDS ARG...
refused() {
	words=$1
	shift
	status=0
	mus-userland "$@" >/tmp/refused 2>&1 || status=$?
	[ $status = 5 ] || fail "mus-userland $*: status $status: $(cat /tmp/refused)"
	for word in $words; do
		grep -q -e "$word" /tmp/refused || fail "mus-userland $*: '$word' is not in: $(cat /tmp/refused)"
	done
	say "$(cat /tmp/refused)"
}
refused "runs.already pid.$MUS_PID --replace"
refused "--partial stop" --replace --partial
refused "--cgroup-files stop" --replace --cgroup-files
kill -STOP "$MUS_PID"
refused "not.handed.over kill" --replace
kill -CONT "$MUS_PID"
sleep 1
kill -0 "$MUS_PID" || fail "it left for a daemon that had given up"
musctl hello | grep -q "pid $MUS_PID" || fail "the daemon does not answer any more"

# One that asks and dies before it has taken over.
kill -STOP "$MUS_PID"
mus-userland --replace >/tmp/other.log 2>&1 &
other=$!
tries=0
until grep -q -e "-> FLOCK.* $other " /proc/locks; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || fail "it does not wait for the lock: $(cat /tmp/other.log)"
	sleep 0.1
done
kill -9 $other
kill -CONT "$MUS_PID"
tries=0
until grep -q "did not come: this daemon goes on" $log; do
	tries=$((tries + 1))
	[ $tries -lt 150 ] || fail "it left for a daemon that had died: $(cat $log)"
	sleep 0.1
done
decided=$(status_field decisions)
unlike b $((CPUS + 1))
sleep 2
decided=$(($(status_field decisions) - decided))
[ $decided -gt 50 ] || fail "nobody decides any more: $decided"
say "a daemon that asked to take over and died: the old one goes on, $decided decisions in 2 s"
kill_cgroup b
kill_cgroup a
ln -sf "$log" /tmp/mus.log
mus_stop
[ -z "$(ls /sys/fs/bpf/mus)" ] || fail "pins were left: $(ls /sys/fs/bpf/mus)"
no_kernel_error

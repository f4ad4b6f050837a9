# SPDX-License-Identifier: GPL-2.0-only
# systemd is the guest's first process and runs mus.service as it is, but for a shorter watchdog: start, a daemon that dies, one that hangs,
# reload, wrong flags, stop. From start to stop the machine is never without mus.
. /root/lib.sh

fail() {
	echo "FAILED: $*"
	systemctl status --no-pager --full --lines 0 mus
	journal | tail -60
	dmesg | grep -E 'sched_ext|systemd' | tail -20
	exit 1
}

journal() { journalctl --no-pager -u mus; }
of_unit() { systemctl show -P "$1" mus; }

# expect PROPERTY VALUE WHEN
expect() { [ "$(of_unit "$1")" = "$2" ] || fail "$3: $1 is $(of_unit "$1"), not $2"; }

# runs WHEN: the unit is active, mus schedules and has done so since the start; notes its main process in MUS_PID.
runs() {
	expect ActiveState active "$1"
	[ "$(state)" = enabled ] || fail "$1: sched_ext is $(state)"
	[ "$(dmesg | grep -c 'sched_ext: BPF scheduler "mus"')" = 1 ] || fail "$1: mus was not there all the time"
	MUS_PID=$(of_unit MainPID)
	[ "$(cat "/proc/$MUS_PID/comm")" = mus-userland ] || fail "$1: the main process is $MUS_PID: $(cat "/proc/$MUS_PID/comm")"
	musctl hello | grep -q "pid $MUS_PID" || fail "$1: another one answers: $(musctl hello)"
	of_unit StatusText | grep -q "schedules this machine" || fail "$1: it says: $(of_unit StatusText)"
	# What the unit takes from it is taken: systemd goes on without what a kernel does not have.
	grep -q '^NoNewPrivs:[^0-9]*1$' "/proc/$MUS_PID/status" && grep -q '^Seccomp:[^0-9]*2$' "/proc/$MUS_PID/status" &&
		[ "$(grep CapBnd "/proc/$MUS_PID/status")" != "$(grep CapBnd /proc/1/status)" ] || fail "$1: $(cat "/proc/$MUS_PID/status")"
	for namespace in mnt net; do
		[ "$(readlink "/proc/$MUS_PID/ns/$namespace")" != "$(readlink /proc/1/ns/$namespace)" ] || fail "$1: it has no $namespace namespace of its own"
	done
	# It decides, too.
	decided=$(status_field decisions)
	sleep 1
	decided=$(($(status_field decisions) - decided))
	[ $decided -gt 10 ] || fail "$1: $decided decisions in 1 s"
}

# install_unit SED_COMMAND
install_unit() {
	sed -e s,@CMAKE_INSTALL_FULL_BINDIR@,/usr/local/bin, -e "$1" /root/mus.service.in >/usr/local/lib/systemd/system/mus.service
	systemctl daemon-reload || fail "daemon-reload: status $?"
	[ "$(of_unit LoadState)" = loaded ] || fail "the unit is $(of_unit LoadState)"
}

# restarted WHEN SECONDS: another main process takes the place of the one that runs, which has ended or is about to; it adopts.
adopted=0 restarts=0
restarted() {
	old=$MUS_PID begun=$(now_ms)
	until new=$(of_unit MainPID) && [ "$new" != "$old" ] && [ "$new" != 0 ] && [ "$(of_unit ActiveState)" = active ]; do
		[ $(($(now_ms) - begun)) -lt $(($2 * 1000)) ] || fail "$1: it is not started again within $2 s"
		sleep 0.1
	done
	took=$(($(now_ms) - begun)) restarts=$((restarts + 1)) adopted=$((adopted + 1))
	runs "$1"
	expect NRestarts $restarts "$1"
	[ "$(status_field adopted)" = $adopted ] || fail "$1: adopted $(status_field adopted) times, not $adopted"
	journalctl --no-pager _PID="$MUS_PID" | grep -q "adopted the kernel half" || fail "$1: it does not say that it has adopted"
	say "$1: started again and adopted after $took ms"
}

# reloaded WHEN: another has taken the place of OLD, without an end of the service.
reloaded() {
	adopted=$((adopted + 1))
	runs "$1"
	[ "$MUS_PID" != "$old" ] && [ ! -e "/proc/$old" ] || fail "$1: pid $old is still there"
	expect NRestarts $restarts "$1"
	[ "$(status_field adopted)" = $adopted ] || fail "$1: adopted $(status_field adopted) times, not $adopted"
	! journal | grep "not our child" || fail "$1: systemd does not wait for the end of such a one"
}

hangs() {
	timeouts=$(journal | grep -c "Watchdog timeout")
	kill -STOP "$MUS_PID"
	restarted "$1" 60
	[ "$(journal | grep -c "Watchdog timeout")" = $((timeouts + 1)) ] || fail "$1: it was not the watchdog"
}

tries=0
until [ "$(systemctl is-system-running 2>/dev/null)" = running ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || fail "systemd is $(systemctl is-system-running)"
	sleep 0.2
done
[ "$(cat /proc/1/comm)" = systemd ] || fail "the first process is $(cat /proc/1/comm)"
systemctl --version | head -1
systemctl start systemd-journald || fail "no journal"
mkdir -p /etc/default /usr/local/lib/systemd/system
install_unit 's/^WatchdogSec=10$/WatchdogSec=5/'
cgroup load
unlike load 3

begun=$(now_ms)
systemctl start mus || fail "start: status $?"
say "systemctl start takes $(($(now_ms) - begun)) ms"
runs start
expect WatchdogUSec 5s start
say "$(of_unit StatusText)"

kill -9 "$MUS_PID"
restarted "kill -9" 60
hangs SIGSTOP

# reload: with what is in the file now.
echo 'MUS_OPTIONS="--policy fifo --slice-us 2000"' >/etc/default/mus
old=$MUS_PID begun=$(now_ms)
systemctl reload mus || fail "reload: status $?"
took=$(($(now_ms) - begun))
reloaded reload
journalctl --no-pager _PID="$MUS_PID" | grep -q "took over from pid $old" || fail "reload: it does not say that it took over"
of_unit StatusText | grep -q "policy fifo" || fail "reload: the flags are not those of the file: $(of_unit StatusText)"
say "systemctl reload takes $took ms; $(of_unit StatusText)"

# The new one was not begun by systemd, and is watched and kept all the same.
sleep 8
expect MainPID "$MUS_PID" "8 s after reload, with a watchdog of 5 s"
hangs "SIGSTOP after reload"

echo 'MUS_OPTIONS=--no-such-flag' >/etc/default/mus
! systemctl reload mus 2>/dev/null || fail "reload with a wrong flag succeeds"
expect MainPID "$MUS_PID" "reload with a wrong flag"
runs "reload with a wrong flag"
say "reload with a wrong flag: refused, and the daemon goes on"

rm /etc/default/mus

# The one that is stopped has come by a reload.
old=$MUS_PID
systemctl reload mus || fail "reload before stop: status $?"
reloaded "reload before stop"
accounted "before the end"
begun=$(now_ms)
systemctl stop mus || fail "stop: status $?"
say "systemctl stop takes $(($(now_ms) - begun)) ms"
[ "$(state)" = disabled ] || fail "stop: sched_ext is $(state)"
expect ActiveState inactive stop
expect Result success stop
expect ExecMainStatus 0 stop
[ -z "$(ls /sys/fs/bpf/mus)" ] || fail "stop: pins were left: $(ls /sys/fs/bpf/mus)"
[ "$(moves_locked_pages)" = 1 ] || fail "stop: vm.compact_unevictable_allowed is not what it was"
[ -z "$(systemctl --failed --no-legend --plain)" ] || fail "stop: failed units: $(systemctl --failed --no-legend --plain)"
journal | grep -q "unregistered from user space" || fail "stop: no exit reason was printed"

echo 'MUS_OPTIONS=--no-such-flag' >/etc/default/mus
! systemctl start mus 2>/dev/null || fail "start with a wrong flag succeeds"
sleep 3 # RestartSec is a tenth of a second
expect ActiveState failed "wrong flag"
expect ExecMainStatus 2 "wrong flag"
expect NRestarts 0 "wrong flag"
[ "$(journal | grep -c no-such-flag)" = 2 ] || fail "wrong flag: not said once by start and once by reload"
[ "$(state)" = disabled ] || fail "wrong flag: sched_ext is $(state)"
say "start with a wrong flag: failed with status 2, not started again"

# A new daemon that tells systemd nothing when it has taken over, as if it were late: that the unit tells it is enough.
rm /etc/default/mus
mkdir -p /opt/mute
printf '#!/bin/sh\nunset NOTIFY_SOCKET\nexec /usr/local/bin/mus-userland "$@"\n' >/opt/mute/mus-userland
chmod +x /opt/mute/mus-userland
install_unit '/--replace/s,/usr/local/bin,/opt/mute,; s/^WatchdogSec=.*/WatchdogSec=120/'
no_kernel_error
dmesg -c >/dev/null # runs() wants one line of mus in it
systemctl enable --quiet --now mus || fail "start after wrong flags: status $?"
[ "$(systemctl is-enabled mus)" = enabled ] || fail "enabled: $(systemctl is-enabled mus)"
restarts=0 adopted=0
runs "start after wrong flags"
old=$MUS_PID
systemctl reload mus || fail "reload, mute: status $?"
reloaded "reload, mute"
kill -9 "$MUS_PID"
restarted "kill -9 after reload" 60

# One that dies when it has taken over. systemd saw the one before end with status 0.
cat >/opt/mute/mus-userland <<-'EOF'
	#!/bin/sh
	unset NOTIFY_SOCKET
	/usr/local/bin/mus-userland "$@" &
	while kill -0 "$MAINPID" 2>/dev/null; do sleep 0.01; done
	kill -9 $!
EOF
systemctl reload mus 2>/dev/null || : # it may be over before that
adopted=$((adopted + 1))
restarted "reload, and the new one dies" 60
systemctl stop mus || fail "stop: status $?"
[ "$(state)" = disabled ] || fail "stop: sched_ext is $(state)"
[ -z "$(systemctl --failed --no-legend --plain)" ] || fail "failed units: $(systemctl --failed --no-legend --plain)"
kill_cgroup load
no_kernel_error

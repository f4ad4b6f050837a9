# SPDX-License-Identifier: GPL-2.0-only
# The control socket and musctl on a running scheduler: weights live, boosts that end, restarts, bad input.
. /root/lib.sh
cgroup a
cgroup b
mkdir $CG/a/inner # without the cpu controller: its tasks count as those of a

mus_start
spinners a 2
spinners b 2
sleep 1
share a b 3
expect_near "equal weights" "$SHARE" 50 5
musctl weight set /a 400 || fail "musctl weight set"
share a b 3
expect_near "musctl weight set /a 400" "$SHARE" 80 5
musctl weight unset /a || fail "musctl weight unset"
echo 400 >$CG/a/cpu.weight
share a b 3
expect_near "echo 400 > cpu.weight" "$SHARE" 80 5
musctl weight get /a | grep -q "400" || fail "musctl weight get"
musctl weight set /a 100 --for 2s || fail "musctl weight set --for"
share a b 1
expect_near "a weight set wins over cpu.weight" "$SHARE" 50 10
sleep 2
musctl --json weight list | grep -q '"weights":\[\]' || fail "a boost did not end: $(musctl weight list)"
share a b 3
expect_near "the boost has ended" "$SHARE" 80 5

# What was set is still there after a restart, and still ends by itself.
musctl weight set /b 1600 --for 60s || fail "musctl weight set"
mus_stop
mus_start
musctl weight list | grep -q "^/b.*1600" || fail "the weight was lost in the restart: $(musctl weight list)"
share a b 3
expect_near "after a restart" "$SHARE" 20 5
musctl weight unset /b
echo 100 >$CG/a/cpu.weight

# Mistakes are named, and change nothing.
expect_refused() {
	code=$1 text=$2
	shift 2
	status=0
	"$@" >/tmp/refused 2>&1 || status=$?
	[ "$status" = "$code" ] && grep -q "$text" /tmp/refused || fail "$*: status $status, $(cat /tmp/refused)"
}
expect_refused 1 "no cgroup /aa" musctl weight set /aa 100
expect_refused 2 "not allowed" musctl weight set /../etc 100
expect_refused 2 "10000" musctl weight set /a 10001
expect_refused 2 "" musctl weight set /a nan
expect_refused 1 "vtime" musctl policy use vtimo
expect_refused 1 "slice-us" musctl policy use vtime --set slice-us=1
expect_refused 1 "slice-us" musctl policy use vtime --set slize-us=1000
musctl --json weight list | grep -q '"weights":\[\]' || fail "a mistake changed a weight"

kill_cgroup a
kill_cgroup b

# A thousand weights a second, all answered.
spinners b 2
control_load /a --rate 1000 --seconds 5 || fail "weights were lost"
kill_cgroup b
musctl stats >/dev/null || fail "musctl stats"
musctl weight get /a | grep -q 299 || fail "the last weight did not stay: $(musctl weight get /a)"
musctl top --once >/tmp/top || fail "musctl top: status $?"
grep -q "^  a  *299" /tmp/top || fail "musctl top shows no /a: $(cat /tmp/top)"
mus_stop
no_kernel_error

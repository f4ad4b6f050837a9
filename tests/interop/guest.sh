# SPDX-License-Identifier: GPL-2.0-only
# What scx's own programs read from a running mus. In the VM; tests/interop/run starts it.
. /root/lib.sh
cgroup a 400
cgroup b
mus_start --policy vtime
spinners a 2
spinners b 2
sleep 2

say "the client library of scx"
scx_stats_client >/tmp/client 2>&1 || fail "scx_stats_client: $(cat /tmp/client)"
cat /tmp/client

say "the OpenMetrics bridge of scx"
# metric NAME: its last value; "none": there was none.
metric() { grep -F "$1 " /tmp/metrics | sed -n 's/^mus_[^ ]* //p' | tail -1 | grep . || echo none; }
# whole TIMES NAME: the value, so many times, as a whole number.
whole() { metric "$2" | awk -v times="$1" '{ printf "%d", $1 * times + 0.5 }'; }

python3 -u /root/scxstats_to_openmetrics.py -i 1 >/tmp/metrics 2>/tmp/bridge.err &
bridge=$!
tries=0
until grep -q '^mus_cgroup_share{cgroup="/b"}' /tmp/metrics; do # Python takes its time to start here
	tries=$((tries + 1))
	[ $tries -lt 60 ] || fail "the bridge shows no /b: $(cat /tmp/bridge.err; tail -50 /tmp/metrics)"
	sleep 1
done
sleep 3
a=$(whole 1000 'mus_cgroup_share{cgroup="/a"}') b=$(whole 1000 'mus_cgroup_share{cgroup="/b"}')
[ "$((a + b))" -gt 0 ] || fail "the bridge shows no shares: $(cat /tmp/bridge.err; tail -50 /tmp/metrics)"
expect_near "share of /a in /a and /b, %" $((a * 100 / (a + b))) 80 10
expect_near "weight of /a" "$(whole 1 'mus_cgroup_weight{cgroup="/a"}')" 400 0
expect_near "CPUs" "$(whole 1 'mus_cpus')" 2 0
[ "$(whole 1 'mus_events_per_s')" -gt 0 ] || fail "no events: $(metric mus_events_per_s)"
tail -100 /tmp/metrics | grep -e '^mus_cgroup_.*"/a"' -e '^mus_[a-z_]* [0-9]' | sort -u -k1,1

# The bridge shows the last value that it was told for ever: of what ends it must be told an end.
kill_cgroup b
sleep 3
expect_near "tasks of /b, which has none left" "$(whole 1 'mus_cgroup_runnable{cgroup="/b"}')" 0 0
expect_near "share of /b, thousandths" "$(whole 1000 'mus_cgroup_share{cgroup="/b"}')" 0 0
kill_cgroup a
sleep 1
rmdir $CG/a
sleep 3
expect_near "share of /a, which is gone" "$(whole 1000 'mus_cgroup_share{cgroup="/a"}')" 0 0
expect_near "its time" "$(whole 1000 'mus_cgroup_cpu_ms{cgroup="/a"}')" 0 0
kill $bridge
say "$(grep -c '^# TYPE' /tmp/metrics) times a metric, $(grep '^# TYPE' /tmp/metrics | sort -u | wc -l) different ones"
[ ! -s /tmp/bridge.err ] || fail "the bridge complains: $(cat /tmp/bridge.err)"

mus_stop
no_kernel_error

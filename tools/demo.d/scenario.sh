#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What tools/demo shows: one Redis and one crowd of CPU eaters, each in its cgroup, under one scheduler after the
# other. Runs in the VM, or on this machine with --native. Prints lines that start with "@@" for tools/demo.d/demo.py:
#
#   @@ kernel RELEASE CPUS          @@ say TEXT
#   @@ phase NAME                   @@ bench CSV-LINE-OF-REDIS-BENCHMARK
#   @@ cpu GROUP BEFORE_US AFTER_US @@ stats WHAT-MUS-USERLAND-WROTE
#   @@ phase-done NAME              @@ enabled TIMES (the kernel's log says that mus was enabled)
#   @@ trouble|note LINE-OF-THE-LOG @@ keep (a shell follows)          @@ done
#
# Environment: SECONDS_MEASURED, GROUP_BASE (a folder of cgroup2), GROUP_ROOT (the mount point), REDIS_PORT,
# WORK (a folder that is ours), PHASES, KEEP.
. "$(dirname "$0")/scheduler.sh"

redis_pid=
noise_pid=
ask_pid=
made_groups=
enabled_controller_in=

say() { echo "@@ say $*"; }

fail() { # MESSAGE [LOG]
    echo "demo: $1" >&2
    [ -z "$2" ] || tail -n 15 "$2" 2>/dev/null | sed 's/^/  | /' >&2
    exit 1
}

clean_up() {
    clean_status=$?
    trap - EXIT
    trap '' INT TERM HUP # a second Ctrl-C must not leave half of it behind
    scheduler_stop || true
    # shellcheck disable=SC2086
    kill $ask_pid $noise_pid $redis_pid 2>/dev/null
    # shellcheck disable=SC2086
    [ -z "$noise_pid$redis_pid" ] || wait $ask_pid $noise_pid $redis_pid 2>/dev/null
    for group in $made_groups; do
        [ ! -e "$group/cgroup.kill" ] || echo 1 >"$group/cgroup.kill"
    done
    [ -z "$made_groups" ] || sleep 0.5
    for group in $made_groups; do
        rmdir "$group" || echo "demo: could not remove $group" >&2
    done
    [ -z "$enabled_controller_in" ] || echo -cpu >"$enabled_controller_in/cgroup.subtree_control"
    exit $clean_status
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

make_group() {
    [ ! -d "$1" ] || fail "the cgroup $1 is there already"
    mkdir "$1" || fail "cannot make the cgroup $1"
    made_groups="$1 $made_groups"
}

usage_us() {
    sed -n 's/^usage_usec //p' "$1/cpu.stat"
}

# ask REQUESTS SECONDS: redis-benchmark in Redis's cgroup; its line of figures is in $line.
ask() {
    (in_group "$redis" timeout "$2" redis-benchmark -p "$REDIS_PORT" -c 20 -d 128 -t get --threads 2 -P 8 -n "$1" --csv) \
        >"$WORK/benchmark.csv" 2>"$WORK/benchmark.log" </dev/null &
    ask_pid=$!
    ask_status=0
    wait $ask_pid || ask_status=$? # unlike a foreground command, interrupted by a signal
    ask_pid=
    line=$(grep '^"GET"' "$WORK/benchmark.csv")
    if [ $ask_status -ne 0 ] || [ -z "$line" ]; then
        cat "$WORK/benchmark.csv" >>"$WORK/benchmark.log"
        [ $ask_status -ne 124 ] && [ $ask_status -ne 143 ] ||
            fail "redis-benchmark was not done with $1 requests in $2 s" "$WORK/benchmark.log"
        fail "redis-benchmark failed, status $ask_status" "$WORK/benchmark.log"
    fi
}

# Requests that take about $1 seconds at the pace of the last run.
requests_for() {
    pace=$(echo "$line" | cut -d '"' -f 4 | cut -d . -f 1)
    requests=$((pace * $1))
    [ $requests -ge 200 ] || requests=200
}

measure() { # NAME
    ask 1000 60
    requests_for 2
    ask "$requests" 60
    requests_for "$SECONDS_MEASURED"
    say "$1: measuring for about $SECONDS_MEASURED s"
    redis_before=$(usage_us "$redis")
    noise_before=$(usage_us "$noise")
    ask "$requests" $((SECONDS_MEASURED * 5 + 30))
    redis_after=$(usage_us "$redis")
    noise_after=$(usage_us "$noise")
    echo "@@ bench $line"
    echo "@@ cpu redis $redis_before $redis_after"
    echo "@@ cpu noise $noise_before $noise_after"
}

phase() { # NAME [ARGUMENT OF MUS...]
    name=$1
    shift
    echo "@@ phase $name"
    if [ "$name" = eevdf ]; then
        measure "$name"
    else
        rm -f "$WORK/stats.json"
        say "$name: starting mus-userland $*"
        # shellcheck disable=SC2086
        scheduler_start "$WORK/mus.log" mus-userland $stats_argument "$@" || fail "mus-userland did not start"
        measure "$name"
        scheduler_alive || fail "mus was thrown out in this phase (sched_ext: $(scx_state))" "$WORK/mus.log"
        scheduler_stop || fail "mus-userland ended with status $?" "$WORK/mus.log"
        [ ! -s "$WORK/stats.json" ] || echo "@@ stats $(tr '\n' ' ' <"$WORK/stats.json")"
    fi
    kill -0 "$redis_pid" 2>/dev/null || fail "redis-server ended" "$WORK/redis.log"
    kill -0 "$noise_pid" 2>/dev/null || fail "stress-ng ended" "$WORK/noise.log"
    echo "@@ phase-done $name"
}

set_up() {
    mkdir -p "$WORK" || fail "cannot make $WORK"
    if [ "$GROUP_BASE" != "$GROUP_ROOT" ]; then
        if ! grep -qw cpu "$GROUP_ROOT/cgroup.subtree_control"; then
            echo +cpu >"$GROUP_ROOT/cgroup.subtree_control" || fail "cannot enable the cpu controller in $GROUP_ROOT"
            enabled_controller_in=$GROUP_ROOT
        fi
        make_group "$GROUP_BASE"
        echo +cpu >"$GROUP_BASE/cgroup.subtree_control" || fail "cannot enable the cpu controller in $GROUP_BASE"
    fi
    redis=$GROUP_BASE/redis
    noise=$GROUP_BASE/noise
    make_group "$redis"
    make_group "$noise"
    [ "$(cat "$redis/cpu.weight")" = 100 ] && [ "$(cat "$noise/cpu.weight")" = 100 ] ||
        fail "new cgroups should have cpu.weight 100"

    (in_group "$redis" redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --save '' --appendonly no --dir "$WORK") \
        >"$WORK/redis.log" 2>&1 </dev/null &
    redis_pid=$!
    tries=0
    until [ "$(redis-cli -p "$REDIS_PORT" ping 2>/dev/null)" = PONG ]; do
        tries=$((tries + 1))
        kill -0 $redis_pid 2>/dev/null && [ $tries -lt 100 ] || fail "redis-server did not start" "$WORK/redis.log"
        sleep 0.2
    done
    redis-benchmark -p "$REDIS_PORT" -c 20 -d 128 -t set -n 1000 --csv >/dev/null 2>"$WORK/benchmark.log" ||
        fail "redis-benchmark cannot talk to redis-server" "$WORK/benchmark.log"
    (in_group "$noise" stress-ng --cpu 4 --temp-path "$WORK") >"$WORK/noise.log" 2>&1 </dev/null &
    noise_pid=$!
    sleep 1
    kill -0 $noise_pid 2>/dev/null || fail "stress-ng did not start" "$WORK/noise.log"
}

echo "@@ kernel $(uname -r) $(nproc)"
[ "$(scx_state)" = disabled ] || fail "this kernel's sched_ext is '$(scx_state)': the demo needs it there and free"
kernel_log_mark
say "starting redis-server in one cgroup and stress-ng --cpu 4 in another"
set_up
redis_name=${redis#"$GROUP_ROOT"}
stats_argument=
if mus-userland --help 2>&1 | grep -q -e --stats-json; then
    stats_argument="--stats-json $WORK/stats.json"
fi
for name in $PHASES; do
    case $name in
        eevdf | mus-equal) phase "$name" ;;
        mus-favoured) phase "$name" --weight "$redis_name=400" ;;
        *) fail "no phase '$name'" ;;
    esac
done
echo "@@ enabled $(kernel_log | grep -c 'sched_ext: BPF scheduler "mus.*" enabled')"
kernel_trouble | sed 's/^/@@ trouble /'
kernel_notes | sed 's/^/@@ note /'
if [ "$KEEP" = 1 ]; then
    scheduler_start "$WORK/mus.log" mus-userland --weight "$redis_name=400" || fail "mus-userland did not start"
    echo "@@ keep"
    trap : INT # the shell's business now; ignored, it would be so in the shell's children too
    # shellcheck disable=SC2086
    PS1='mus-demo# ' ${KEEP_SHELL:-sh}
    exit 0
fi
echo "@@ done"

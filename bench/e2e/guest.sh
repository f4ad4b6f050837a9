#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The half of bench/run and bench/e2e/compare that runs inside the VM: every benchmark under every scheduler, round by round.
# It measures nothing itself; it prints what the programs said, framed by lines that start with "@@", and
# bench/e2e/figures.py makes figures of it.
#
#   @@ run ROUND SCHEDULER BENCHMARK      then the benchmark's own output
#   @@ before|after FIELDS...             one line for each thread of the daemon: CPU time, context switches, page faults
#   @@ time SECONDS                       how long the benchmark took
#   @@ stats FILE-CONTENTS                what mus-userland --stats-json wrote
#   @@ log LINE                           after a failure: all that the scheduler said, the kernel's dump included
#   @@ end STATUS                         0: benchmark and scheduler were well; else what failed is on stderr
#
# Settings come in the environment: ROUNDS, SCHEDULERS, BENCHMARKS, REPEAT, PIPE_LOOPS, SECONDS_EACH, and
# COMMAND_<scheduler> for each but eevdf.
. /root/scheduler.sh

CPUS=$(nproc)
WORK=/tmp/compare
mkdir -p $WORK

daemon_sample() { # before|after
    [ -n "$SCHEDULER_PID" ] && ! process_ended "$SCHEDULER_PID" || return 0
    for task in /proc/"$SCHEDULER_PID"/task/*; do
        # Of stat, behind the name in brackets: minor faults are field 8, major ones 10.
        echo "@@ $1 ${task##*/} $(cat "$task/schedstat") $(sed -n 's/.*ctxt_switches:[[:space:]]*//p' "$task/status" | tr '\n' ' ')" \
            "$(sed 's/.*) //' "$task/stat" | cut -d ' ' -f 8,10)"
    done
}

now() {
    read -r now_up _ </proc/uptime
    echo "$now_up"
}

bench_pipe() {
    perf bench sched pipe -l "$PIPE_LOOPS"
}

bench_hackbench() {
    for _ in $(seq "$REPEAT"); do
        hackbench -g 2 -l 100 || return 1
    done
}

bench_hackbench_threads() {
    for _ in $(seq "$REPEAT"); do
        hackbench -T -g 2 -l 100 || return 1
    done
}

# Eight groups: 320 tasks. As many messages in all as two groups send.
bench_hackbench_8() {
    for _ in $(seq "$REPEAT"); do
        hackbench -g 8 -l 25 || return 1
    done
}

bench_hackbench_threads_8() {
    for _ in $(seq "$REPEAT"); do
        hackbench -T -g 8 -l 25 || return 1
    done
}

bench_messaging() {
    for _ in $(seq "$REPEAT"); do
        perf bench sched messaging -g 2 -l 100 || return 1
    done
}

# Two threads a CPU: each switch is time lost.
bench_sysbench() {
    sysbench cpu --threads=$((CPUS * 2)) --time="$SECONDS_EACH" run
}

bench_switch() {
    stress-ng --switch "$CPUS" --timeout "$SECONDS_EACH" --metrics-brief
}

bench_wakeup() {
    wakeup --seconds "$SECONDS_EACH" --json
}

bench_wakeup_busy() {
    wakeup --think-us 0 --seconds "$SECONDS_EACH" --json
}

# Two spinning shells for each CPU.
spin() {
    spinners=
    for _ in $(seq $((CPUS * 2))); do
        sh -c 'while :; do :; done' &
        spinners="$spinners $!"
    done
}

stop_spinning() {
    kill $spinners
    wait $spinners 2>/dev/null
}

# One task that sleeps 2 ms at a time, beside spinning shells.
bench_cyclictest() {
    spin
    sleep 1
    cyclictest --policy=other -i 2000 -D "$SECONDS_EACH" -q -h 200000 --histfile=/dev/null \
        --json=$WORK/cyclictest.json >/dev/null
    bench_status=$?
    stop_spinning
    cat $WORK/cyclictest.json
    return $bench_status
}

# The same file again and again, 4 times a CPU, by two compilers a CPU.
bench_compile() {
    [ -e $WORK/file.c ] || for i in $(seq 25); do
        echo "int f$i(int *a, int n) { int s = $i; for (int i = 0; i < n; i++) { s += a[i] * $i; if (s & $i) s ^= a[s & 7] << 1; } return s; }"
    done >$WORK/file.c
    begun=$(now)
    seq $((CPUS * 4)) | xargs -P $((CPUS * 2)) -I{} cc1 -quiet -ffreestanding -O2 -o $WORK/file{}.s $WORK/file.c || return 1
    echo "compiled in $(echo "$(now) $begun" | awk '{ print $1 - $2 }') s"
    rm -f $WORK/file*.s
}

# make_group FOLDER WEIGHT
make_group() {
    mkdir -p "$1" && echo "$2" >"$1"/cpu.weight
}

# within_10s COMMAND...: until it succeeds.
within_10s() {
    tries=0
    until "$@" >/dev/null 2>&1 || [ $tries -ge 100 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}

# Redis in a cgroup of weight 400, for its clients too; in one of weight 100 two that compute for each CPU.
start_redis() {
    favoured=/sys/fs/cgroup/favoured noise=/sys/fs/cgroup/noise
    echo +cpu >/sys/fs/cgroup/cgroup.subtree_control
    make_group $favoured 400 && make_group $noise 100 || return 1
    (in_group $favoured redis-server --save '' --appendonly no) >$WORK/redis.log &
    members=$!
    (in_group $noise stress-ng --cpu $((CPUS * 2)) --timeout 0) >$WORK/noise.log 2>&1 &
    members="$members $!"
    within_10s redis-cli ping
}

stop_redis() {
    for group in $favoured $noise; do
        echo 1 >$group/cgroup.kill
    done
    wait $members 2>/dev/null
    within_10s rmdir $favoured  # children of theirs may still be about to end
    within_10s rmdir $noise
}

# ask_redis REQUESTS: without the lines that show how far it has come.
ask_redis() {
    (in_group $favoured redis-benchmark --precision 2 -c 20 -d 128 -t get -n "$1") | sed -n '/^Latency by percentile/,$p'
}

# Clients that wait for an answer before they ask again.
bench_redis() {
    start_redis || return 1
    bench_status=0
    pace=$(ask_redis 300 | sed -n 's/.*throughput summary: \([0-9]*\).*/\1/p')
    [ -n "$pace" ] && ask_redis $((pace * SECONDS_EACH + 100)) || bench_status=1
    stop_redis
    return $bench_status
}

# Clients that ask when it is time to: a rate that leaves Redis idle for more than half of the time under EEVDF.
bench_redis_open() {
    start_redis || return 1
    (in_group $favoured open_loop --rate 800 --seconds "$SECONDS_EACH" --json)
    bench_status=$?
    stop_redis
    return $bench_status
}

# periodic_json SECONDS CALIBRATION: two tasks a CPU that work for some 1 ms of each 10: emulated, 300 us by rt-app's count take as long.
periodic_json() {
    cat >$WORK/periodic.json <<END
{"tasks": {"periodic": {"instance": $((CPUS * 2)), "loop": -1, "run": 300, "timer": {"ref": "unique", "period": 10000}}},
 "global": {"duration": $1, "calibration": $2, "default_policy": "SCHED_OTHER", "logdir": "$WORK", "log_basename": "rt"}}
END
}

# rt-app's periodic tasks, beside two spinning shells a CPU. What 1 ms of work is was measured once, on an idle machine. The output is its log.
bench_periodic() {
    [ -n "$LOOP_NS" ] || return 1
    periodic_json "$SECONDS_EACH" "$LOOP_NS"
    spin
    rt-app $WORK/periodic.json >$WORK/periodic.log 2>&1
    bench_status=$?
    stop_spinning
    [ $bench_status = 0 ] || cat $WORK/periodic.log
    cat $WORK/rt-*.log
    rm -f $WORK/rt-*.log
    return $bench_status
}

run() { # ROUND SCHEDULER BENCHMARK
    status=0
    echo "@@ run $1 $2 $3"
    rm -f $WORK/stats.json
    if [ "$2" != eevdf ]; then
        eval "command=\$COMMAND_$2"
        # Words on purpose: the command and its arguments.
        scheduler_start $WORK/scheduler.log $command || { echo "@@ end 1"; return; }
    fi
    daemon_sample before
    started=$(now)
    "bench_$(echo "$3" | tr - _)" 2>&1 || { status=$?; echo "$3 failed under $2, status $status" >&2; }
    ended=$(now)
    daemon_sample after
    echo "@@ time $started $ended"
    if [ "$2" != eevdf ]; then
        if ! scheduler_alive; then
            status=1
            echo "$2 was thrown out during $3 (sched_ext state: $(scx_state))" >&2
        fi
        scheduler_stop || { status=$?; echo "$2 ended with status $status after $3" >&2; }
        [ $status -eq 0 ] || sed 's/^/@@ log /' $WORK/scheduler.log
        [ ! -s $WORK/stats.json ] || echo "@@ stats $(tr '\n' ' ' <$WORK/stats.json)"
    fi
    echo "@@ end $status"
}

case " $BENCHMARKS " in
    *' periodic '*)
        periodic_json 1 '"CPU0"'
        LOOP_NS=$(rt-app $WORK/periodic.json 2>&1 | sed -n 's/.*pLoad = \([0-9]*\)ns.*/\1/p')
        rm -f $WORK/rt-*.log
        ;;
esac
kernel_log_mark
echo "@@ guest $(uname -r) $CPUS"
case " $SCHEDULERS " in
    *' mus '*)
        echo "@@ version mus $(mus-userland -V 2>&1 | head -n 1)"
        if mus-userland --help 2>&1 | grep -q -e --stats-json; then
            COMMAND_mus="$COMMAND_mus --stats-json $WORK/stats.json"
        fi
        ;;
esac
for round in $(seq "$ROUNDS"); do
    for benchmark in $BENCHMARKS; do
        for scheduler in $SCHEDULERS; do
            run "$round" "$scheduler" "$benchmark"
        done
    done
done
kernel_trouble | sed 's/^/@@ trouble /'
kernel_notes | sed 's/^/@@ note /'
echo "@@ done"

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Starts and stops sched_ext schedulers, and puts programs into cgroups. Sourced by the scripts that measure, mostly inside the VM.

SCX=/sys/kernel/sched_ext
SCHEDULER_PID=
SCHEDULER_LOG=

# in_group FOLDER COMMAND [ARG...]: becomes COMMAND, in the cgroup; for a subshell.
in_group() {
    # shellcheck disable=SC2016
    exec sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$@"
}

scx_state() {
    cat $SCX/state 2>/dev/null || echo missing
}

# True when the process is gone, or is only waiting for us to ask how it ended.
process_ended() {
    ! grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null
}

# scheduler_start LOG COMMAND [ARG...]: returns when the kernel says "enabled", 1 when that does not come.
scheduler_start() {
    SCHEDULER_LOG=$1
    shift
    if [ "$(scx_state)" != disabled ]; then
        echo "cannot start $1: $SCX/state is $(scx_state), not disabled" >&2
        return 1
    fi
    "$@" >"$SCHEDULER_LOG" 2>&1 </dev/null &
    SCHEDULER_PID=$!
    scheduler_tries=0
    while [ "$(scx_state)" != enabled ]; do
        scheduler_tries=$((scheduler_tries + 1))
        if process_ended "$SCHEDULER_PID" || [ $scheduler_tries -gt 300 ]; then
            scheduler_complain "$1 did not come up (sched_ext state: $(scx_state))"
            scheduler_stop >/dev/null 2>&1
            return 1
        fi
        sleep 0.1
    done
}

# True while the scheduler is running tasks; a scheduler that the kernel evicted is not.
scheduler_alive() {
    [ "$(scx_state)" = enabled ] && ! process_ended "$SCHEDULER_PID"
}

# Ends the scheduler as a user would; its exit status, or 1 when it had to be killed.
scheduler_stop() {
    [ -n "$SCHEDULER_PID" ] || return 0
    scheduler_status=0
    kill -TERM "$SCHEDULER_PID" 2>/dev/null
    scheduler_tries=0
    until process_ended "$SCHEDULER_PID"; do
        scheduler_tries=$((scheduler_tries + 1))
        if [ $scheduler_tries -gt 200 ]; then
            scheduler_complain "the scheduler did not end within 20 s: killed"
            kill -KILL "$SCHEDULER_PID" 2>/dev/null
            break
        fi
        sleep 0.1
    done
    wait "$SCHEDULER_PID" || scheduler_status=$?
    SCHEDULER_PID=
    while [ "$(scx_state)" != disabled ] && [ $scheduler_tries -lt 300 ]; do
        scheduler_tries=$((scheduler_tries + 1))
        sleep 0.1
    done
    if [ "$(scx_state)" != disabled ]; then
        scheduler_complain "the scheduler ended, but sched_ext is still $(scx_state)"
        return 1
    fi
    return $scheduler_status
}

scheduler_complain() {
    echo "$1; the end of its log:" >&2
    tail -n 20 "$SCHEDULER_LOG" 2>/dev/null | sed 's/^/  | /' >&2
}

# Writes a mark into the kernel's log, so that kernel_log is what came after it.
kernel_log_mark() {
    KERNEL_LOG_MARK="mus: mark $$ $(cut -d ' ' -f 1 /proc/uptime)"
    echo "$KERNEL_LOG_MARK" >/dev/kmsg
}

kernel_log() {
    dmesg | sed -n "/${KERNEL_LOG_MARK:-.}/,\$p"
}

# Linux before 7.0 can leave a direct dispatch of ops.select_cpu behind in a task that is dequeued or changes its
# scheduler, and warns (once a boot) when the task is dispatched next: "sched_ext: Fix stale direct dispatch state in
# ddsp_dsq_id" in 7.0. It happens under any sched_ext scheduler, so it is a note here, not a scheduler's error.
KNOWN_WARNING='WARNING: .*kernel/sched/ext\.c:.* scx_dsq_insert_commit'

kernel_has_known_warning() {
    case $(uname -r) in
        6.*) true ;;
        *) false ;;
    esac
}

# What that log says about schedulers that were thrown out, and about the kernel's own trouble. Empty is good.
kernel_trouble() {
    trouble_except='^$'
    ! kernel_has_known_warning || trouble_except=$KNOWN_WARNING
    kernel_log | grep -E -A 3 'sched_ext: .* disabled \(|Oops[: ]|BUG: |WARNING: ' |
        grep -E 'sched_ext: |Oops|BUG: |WARNING: ' |
        grep -v -E -e 'disabled \(unregistered|BPF scheduler .* enabled' -e "$trouble_except"
}

# Lines that are worth knowing and prove nothing against the scheduler.
kernel_notes() {
    ! kernel_has_known_warning || kernel_log | grep -E "$KNOWN_WARNING"
}

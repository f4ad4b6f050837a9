#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The half of bench/fairness/run that runs inside the VM: every case under every scheduler, in real cgroups. It judges
# nothing; bench/fairness/run does. /root/cases has, for each case,
#
#   case NAME SCHEDULERS NEEDS    NEEDS: a program without which it is skipped, or -
#   group PATH WEIGHT             parents first
#   heartbeat ARGUMENTS           ends the case
#
# and this prints, in that order,
#
#   @@ run SCHEDULER CASE
#   @@ result JSON                what heartbeat said
#   @@ log LINE                   after a failure: what the scheduler said
#   @@ end STATUS                 or "@@ skip REASON"
#
# Settings come in the environment: SCHEDULERS, MUS_COMMAND.
. /root/scheduler.sh

CG=/sys/fs/cgroup
WORK=/tmp/fairness
mkdir -p $WORK

make_groups() {
    while read -r path weight; do
        mkdir -p "$CG/$path"
        echo "$weight" >"$CG/$path/cpu.weight" || return 1
    done <$WORK/groups
}

# "+cpu" below each group that has children, so that they have weights of their own.
make_controllers() {
    while read -r path _; do
        parent=${path%/*}
        [ "$parent" = "$path" ] || { mkdir -p "$CG/$parent" && echo +cpu >"$CG/$parent/cgroup.subtree_control"; } || return 1
    done <$WORK/groups
}

remove_groups() {
    sed 's/ .*//' $WORK/groups | sort -r | while read -r path; do
        tries=0
        until rmdir "$CG/$path" 2>/dev/null || [ $tries -gt 50 ]; do
            tries=$((tries + 1))
            sleep 0.1
        done
    done
}

run() { # SCHEDULER CASE NEEDS HEARTBEAT-ARGUMENTS...
    scheduler=$1 name=$2 needs=$3
    shift 3
    echo "@@ run $scheduler $name"
    if [ "$needs" != - ] && ! command -v "$needs" >/dev/null; then
        echo "@@ skip there is no $needs in the guest"
        return
    fi
    status=0
    make_controllers && make_groups || { echo "@@ end 1"; return; }
    if [ "$scheduler" = mus ]; then
        # Words on purpose: the command and its arguments.
        scheduler_start $WORK/scheduler.log $MUS_COMMAND || { echo "@@ end 1"; return; }
    fi
    eval "heartbeat $*" >$WORK/result || status=$?
    if [ "$scheduler" = mus ]; then
        scheduler_alive || { status=1 && echo "mus was thrown out during $name" >&2; }
        scheduler_stop || status=$?
        [ $status -eq 0 ] || sed 's/^/@@ log /' $WORK/scheduler.log
    fi
    remove_groups
    echo "@@ result $(cat $WORK/result)"
    echo "@@ end $status"
}

kernel_log_mark
echo "@@ guest $(uname -r) $(nproc)"
while read -r kind rest; do
    case $kind in
        case)
            set -- $rest
            case_name=$1 case_schedulers=$2 case_needs=$3
            : >$WORK/groups
            ;;
        group) echo "$rest" >>$WORK/groups ;;
        heartbeat)
            for scheduler in $SCHEDULERS; do
                case ,$case_schedulers, in
                    *,"$scheduler",*) run "$scheduler" "$case_name" "$case_needs" "$rest" </dev/null ;;
                esac
            done
            ;;
    esac
done </root/cases
kernel_trouble | sed 's/^/@@ trouble /'
echo "@@ done"

#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
#
# First process of the guest: makes a small Linux system, runs one command and reports to the host. With --init it gives its
# place to another program, and a child of it does the rest.
#   ttyS0  kernel console
#   ttyS1  the command's stdout (its terminal in an interactive run)
#   ttyS2  the command's stderr
#   ttyS3  control channel, guest to host, lines: READY, BEAT, EXIT <status>, FAIL <text>
export PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin
export HOME=/root USER=root LOGNAME=root SHELL=/bin/sh LANG=C.UTF-8
umask 022

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs -o mode=755 devtmpfs /dev
exec 3>/dev/ttyS3 4<>/dev/ttyS1 5>/dev/ttyS2
stty raw -echo clocal -hupcl 115200 <&3 3<&-
stty raw -echo clocal -hupcl 115200 <&4
stty raw -echo clocal -hupcl 115200 <&5 5<&-
. /.mus/settings

mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
chmod 1777 /tmp # part of the root, which is a tmpfs: files from the host may be there
mount -t tmpfs -o mode=755 tmpfs /run
ln -sfn /proc/self/fd /dev/fd
ln -sfn /proc/self/fd/0 /dev/stdin
ln -sfn /proc/self/fd/1 /dev/stdout
ln -sfn /proc/self/fd/2 /dev/stderr
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for controller in cpu cpuset memory pids io; do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done 2>/dev/null
mount -t bpf -o mode=700 bpffs /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
hostname mus
ip link set lo up
ulimit -l unlimited
ulimit -n 65536
ulimit -c 0
cd /root || echo FAIL "the guest has no /root" >&3

# From here on every kernel message goes to the console, which the host reads.
echo 8 >/proc/sys/kernel/printk

# Sign of life: no fork, so that it disturbs measurements as little as it can.
mkfifo /run/mus-heartbeat.fifo
(
    exec 4>&- 5>&- 6<>/run/mus-heartbeat.fifo
    while :; do
        echo BEAT
        read -r -t 1 _ <&6
    done >&3
) &
echo $! >/run/mus-heartbeat.pid

run_command() {
    if [ "$MUS_INTERACTIVE" = 1 ]; then
        stty sane rows "$MUS_ROWS" cols "$MUS_COLUMNS" <&4
        export TERM="$MUS_TERM"
        setsid -c /bin/sh /.mus/command <&4 >&4 2>&4 3>&- 4>&- 5>&-
        status=$?
        stty raw -echo <&4
    else
        export TERM=dumb PAGER=cat PERF_PAGER=cat
        setsid /bin/sh /.mus/command </dev/null >&4 2>&5 3>&- 4>&- 5>&-
        status=$?
    fi

    # Each stream ends with a mark of its own, so that the host knows that it has all of it.
    printf '%s' "$MUS_END_MARK" >&4
    printf '%s' "$MUS_END_MARK" >&5
    echo "EXIT $status" >&3
}

echo READY >&3
if [ -n "$MUS_INIT" ]; then
    run_command &
    exec "$MUS_INIT" 3>&- 4>&- 5>&-
fi
run_command
while :; do
    sleep 3600
done

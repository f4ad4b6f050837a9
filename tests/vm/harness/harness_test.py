#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of tools/vm/run itself: what goes into the guest, what comes out, and how failures are told apart.

Each boot takes seconds, so one boot serves several checks.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
RUN = PROJECT / "tools" / "vm" / "run"
EXIT_PANIC, EXIT_HANG, EXIT_EMULATOR, EXIT_TIMEOUT, EXIT_HARNESS = 120, 121, 122, 124, 125
SKIP = 77  # what ctest takes as "skipped"


def run(*arguments, **environment):
    return subprocess.run([RUN, *map(str, arguments)], capture_output=True, stdin=subprocess.DEVNULL,
                          env={**os.environ, **environment}, timeout=300)


class Output(unittest.TestCase):
    def test_streams_status_and_added_files(self):
        with tempfile.TemporaryDirectory() as folder:
            payload = os.urandom(1 << 20)
            data = Path(folder, "payload.bin")
            data.write_bytes(payload)
            script = Path(folder, "check.sh")
            script.write_text("#!/bin/sh\ncat /root/payload.bin\nprintf 'to stderr\\n' >&2\nexit 7\n")
            script.chmod(0o755)
            done = run("--add", data, "--", script)
        self.assertEqual(done.returncode, 7, done.stderr[-2000:])
        self.assertEqual(len(done.stdout), len(payload))
        self.assertTrue(done.stdout == payload, "stdout differs from what the guest wrote")
        self.assertEqual(done.stderr, b"to stderr\n")

    def test_guest_is_a_small_linux_with_host_programs(self):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "hello")
            program.write_text("#!/bin/sh\necho added program: \"$@\"\n")
            program.chmod(0o755)
            done = run("--add", program, "--add", f"{program}:/opt/other", "--cpus", 3, "--", "sh", "-c", """
                hello a 'b c'; /opt/other; nproc; id -u
                grep -cw cpu /sys/fs/cgroup/cgroup.subtree_control
                for dir in /sys/fs/cgroup /sys/fs/bpf /sys/kernel/tracing /proc /sys /dev/shm; do
                    awk -v d=$dir '$2 == d { print d, $3 }' /proc/mounts
                done
                cat /sys/kernel/sched_ext/state
                taskset -c 1 nproc
                ip addr show lo | grep -c 127.0.0.1
                stat -c %a /tmp; ulimit -l; pwd; echo $HOME
                """)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.decode().splitlines(), [
            "added program: a b c", "added program:", "3", "0", "1", "/sys/fs/cgroup cgroup2", "/sys/fs/bpf bpf",
            "/sys/kernel/tracing tracefs", "/proc proc", "/sys sysfs", "/dev/shm tmpfs",
            "disabled", "1", "1", "1777", "unlimited", "/root", "/root"])
        self.assertEqual(done.stderr, b"")

    def test_another_first_process(self):
        with tempfile.TemporaryDirectory() as folder:
            first = Path(folder, "first")
            first.write_text("#!/bin/sh\nexec sleep 1000\n")
            first.chmod(0o755)
            done = run("--init", first, "--timeout", 60, "--", "sh", "-c",
                       "until grep -x sleep /proc/1/comm; do sleep 0.1; done; exit 7")
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertEqual(done.stdout, b"sleep\n")


class Failures(unittest.TestCase):
    def test_panic(self):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder, "console.txt")
            done = run("--console-log", log, "--", "sh", "-c", "echo before; echo c > /proc/sysrq-trigger; sleep 60")
            console = log.read_text(errors="replace")
        self.assertEqual(done.returncode, EXIT_PANIC, done.stderr)
        self.assertEqual(done.stdout, b"before\n")
        self.assertIn(b"vm: error: kernel panic", done.stderr)
        self.assertIn("Kernel panic - not syncing", console)

    def test_panic_at_a_breakpoint_that_is_gone_is_the_emulators(self):
        for byte, status in (("0f", EXIT_EMULATOR), ("cc", EXIT_PANIC)):
            done = run("--", "sh", "-c", f"""
                echo 'Oops: int3: 0000 [#1] SMP NOPTI' > /dev/kmsg
                echo 'Code: 8d 87 e8 00 00 00 {byte} <1f> 44 00 00 e9' > /dev/kmsg
                echo c > /proc/sysrq-trigger; sleep 60""")
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertEqual(b"run it again" in done.stderr, status == EXIT_EMULATOR, done.stderr)

    def test_hang(self):
        done = run("--", "sh", "-c", "kill $(cat /run/mus-heartbeat.pid); sleep 200", MUS_VM_HANG_SEC="4")
        self.assertEqual(done.returncode, EXIT_HANG, done.stderr)
        self.assertIn(b"vm: error: hang: the guest gave no sign of life for 4 s", done.stderr)

    def test_time_out_passes_on_what_was_written(self):
        done = run("--timeout", 15, "--", "sh", "-c", "echo early; sleep 200")
        self.assertEqual(done.returncode, EXIT_TIMEOUT, done.stderr)
        self.assertIn(b"vm: error: time-out", done.stderr)
        self.assertEqual(done.stdout, b"early\n")

    def test_reboot_is_not_success(self):
        done = run("--", "reboot", "-f")
        self.assertEqual(done.returncode, EXIT_HARNESS, done.stderr)
        self.assertIn(b"powered off or rebooted", done.stderr)

    def test_unknown_kernel_names_those_there_are(self):
        done = run("--kernel", "5.5", "--", "true")
        self.assertEqual(done.returncode, EXIT_HARNESS)
        self.assertRegex(done.stderr, rb"no kernel 5\.5 .*there is: .*6\.18")

    def test_mistakes_are_one_line_each(self):
        for arguments, message in (
            (("--", "no-such-program"), b"no-such-program is not installed"),
            (("--add", "/no/such/file", "--", "true"), b"/no/such/file: no such file"),
            (("--tools", "no-such-tool", "--", "true"), b"no-such-tool is not installed"),
            (("--kernel", "/no/vmlinuz", "--", "true"), b"/no/vmlinuz: no such file"),
            (("--topology", "sockets=x", "--", "true"), b"write it like sockets=2"),
            ((), b"no command"),
        ):
            done = run(*arguments)
            self.assertEqual(done.returncode, EXIT_HARNESS, done.stderr)
            self.assertIn(message, done.stderr)
            self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)

    def test_interrupted_run_leaves_no_qemu(self):
        process = subprocess.Popen([RUN, "--", "sleep", "200"], stderr=subprocess.PIPE)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        qemu = None
        deadline = time.monotonic() + 60
        while not qemu and time.monotonic() < deadline:
            time.sleep(0.1)
            for child in children.read_text().split():
                try:
                    if "qemu" in Path(f"/proc/{child}/comm").read_text() and \
                            b"initrd" in Path(f"/proc/{child}/cmdline").read_bytes():
                        qemu = child
                except OSError:
                    pass
        self.assertTrue(qemu, "QEMU did not start")
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, errors)
        self.assertFalse(Path(f"/proc/{qemu}").exists())


if __name__ == "__main__":
    if not shutil.which("qemu-system-x86_64") or not shutil.which("busybox"):
        print("skipped: qemu-system-x86_64 or busybox is not installed (run tools/setup)")
        sys.exit(SKIP)
    unittest.main(verbosity=2)

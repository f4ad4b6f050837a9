# SPDX-License-Identifier: GPL-2.0-only
"""Starts QEMU, passes the command's output through, and notices when the guest dies.

Shape:   four serial ports, each a socket pair: console, stdout, stderr, control (see init.sh).
Threads: one reader for each port; the caller's thread waits for what they report.
Errors:  VmError with EXIT_PANIC, EXIT_EMULATOR, EXIT_HANG, EXIT_TIMEOUT or EXIT_HARNESS.
"""

import contextlib
import ctypes
import hashlib
import os
import queue
import re
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from common import EXIT_EMULATOR, EXIT_HANG, EXIT_PANIC, EXIT_TIMEOUT, VmError, cache_dir, say

QEMU = "qemu-system-x86_64"
MINIMUM_QEMU = 10
KVM_PROBE_SEC = 10
KVM_SILENT_SEC = 4
NO_ROOT = re.compile(rb"VFS: (Unable to mount root|Cannot open root)")
BOOT_SEC = 120
PORTS = ("console", "stdout", "stderr", "control")
PR_SET_PDEATHSIG = 1
PANIC = re.compile(rb"Kernel panic - not syncing")
TROUBLE_BEGINS = re.compile(r"Kernel panic|BUG: |Oops|sysrq: Trigger|sched_ext: .*disabled \((?!unregistered)")
# The CPU says that it met a breakpoint, and the kernel's own dump of the code (the byte before <>) shows that there is none.
GONE_BREAKPOINT = re.compile(r"Oops: int3(?:(?!Code:).)*Code: [0-9a-f ]*\b(?!cc)[0-9a-f]{2} <", re.DOTALL)
COMMAND_LINE = "console=ttyS0,115200 quiet panic=-1 oops=panic rdinit=/init 8250.nr_uarts=4 printk.devkmsg=on"


def version():
    try:
        done = subprocess.run([QEMU, "--version"], capture_output=True, text=True)
    except FileNotFoundError:
        raise VmError(f"{QEMU} is not installed: run tools/setup")
    match = re.search(r"version (\d+)\.(\d+)", done.stdout)
    if not match:
        raise VmError(f"{QEMU} --version says nothing of use: run tools/setup")
    if int(match[1]) < MINIMUM_QEMU:
        say(f"warning: QEMU {match[1]}.{match[2]} can crash the guest when a scheduler is enabled under load; "
            f"QEMU {MINIMUM_QEMU} or later is needed: run tools/setup")
    return done.stdout.splitlines()[0]


def panic(console, detail=""):
    """Whose panic it was: the guest's own, or one that QEMU's emulation of two CPUs caused while the kernel patched its code."""
    if GONE_BREAKPOINT.search(console):
        return VmError("the emulator, not the guest: QEMU ran a breakpoint of the kernel's code patching that was gone by then "
                       "(rare, only without KVM); run it again", EXIT_EMULATOR, detail)
    return VmError("kernel panic in the guest", EXIT_PANIC, detail)


def die_with_parent():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def machine(accel, cpus, memory_mb, topology="", virtual_time=False):
    argv = [QEMU, "-M", "q35", "-cpu", "max", "-m", f"{memory_mb}M", "-smp", f"{cpus}{topology}", "-display", "none",
            "-nodefaults", "-no-user-config", "-no-reboot", "-nic", "none"]
    if virtual_time:
        return argv + ["-accel", "tcg,thread=single", "-icount", "shift=1,sleep=off",
                       "-rtc", "base=2026-01-01,clock=vm"]
    return argv + ["-accel", "kvm" if accel == "kvm" else "tcg,thread=multi"]


def choose_accel(wanted, kernel, kernel_sha256):
    """kvm where it is known to boot this kernel, else tcg. The verdict is kept until the machine reboots."""
    if wanted != "auto":
        return wanted
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = hashlib.sha256(f"{kernel_sha256} {version()} {boot_id}".encode()).hexdigest()[:24]
    verdict = cache_dir("kvm") / key
    if verdict.exists():
        return verdict.read_text().strip()
    accel = "kvm" if kvm_boots(kernel) else "tcg"
    if accel == "tcg":
        say("KVM does not boot this kernel here; using emulation (remembered until this machine reboots)")
    for old in verdict.parent.iterdir():
        if time.time() - old.stat().st_mtime > 30 * 24 * 3600:
            old.unlink(missing_ok=True)
    partial = verdict.with_name(f"{key}.{os.getpid()}")
    partial.write_text(accel + "\n")
    partial.rename(verdict)
    return accel


def kvm_boots(kernel):
    """Boots the kernel under KVM, with nothing to run: works when it comes as far as looking for a root."""
    argv = machine("kvm", 2, 512) + ["-serial", "stdio", "-kernel", str(kernel), "-append",
                                     "console=ttyS0 panic=-1 root=/dev/none"]
    probe = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             preexec_fn=die_with_parent)
    output, started = b"", time.monotonic()
    try:
        while not NO_ROOT.search(output):
            limit = KVM_PROBE_SEC if output else KVM_SILENT_SEC
            remaining = started + limit - time.monotonic()
            if remaining <= 0 or not select.select([probe.stdout], [], [], remaining)[0]:
                return False
            data = os.read(probe.stdout.fileno(), 65536)
            if not data:
                return False
            output += data
        return True
    finally:
        probe.kill()
        probe.wait()


class EndMark:
    """Lets a stream through until the mark; holds back only what may be the mark's beginning."""

    def __init__(self, mark):
        self.mark = mark
        self.held = b""
        self.ended = False

    def feed(self, data):
        if self.ended:
            return b""
        data = self.held + data
        at = data.find(self.mark)
        if at >= 0:
            self.ended, self.held = True, b""
            return data[:at]
        keep = next((n for n in range(min(len(self.mark) - 1, len(data)), 0, -1)
                     if data.endswith(self.mark[:n])), 0)
        self.held = data[len(data) - keep:]
        return data[:len(data) - keep]


class Guest:
    """One run of QEMU. Use as a context manager: leaving it kills this QEMU."""

    def __init__(self, argv, kernel, image, end_mark, console_log, append=""):
        self.events = queue.SimpleQueue()
        self.console_path = Path(console_log)
        self.end_mark = end_mark
        self.argv, self.kernel, self.image, self.append = argv, kernel, image, append
        self.process = None
        self.ports = {}
        self.readers = {}

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _start(self):
        # Both files live in memory only: nothing to clean up, even after kill -9.
        initrd = os.memfd_create("initrd")
        with open(initrd, "wb", closefd=False) as file:
            self.image.archive.write(file)
        self.errors = os.fdopen(os.memfd_create("qemu.log"), "w+")
        argv = list(self.argv)
        theirs = []
        for number, name in enumerate(PORTS):
            ours, other = socket.socketpair()
            self.ports[name] = ours
            theirs.append(other)
            argv += ["-chardev", f"socket,id={name},fd={other.fileno()}",
                     "-device", f"isa-serial,chardev={name},index={number}"]
        argv += ["-kernel", str(self.kernel), "-initrd", f"/proc/self/fd/{initrd}", "-append", f"{COMMAND_LINE} {self.append}".strip()]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors,
            pass_fds=[initrd, *(other.fileno() for other in theirs)], preexec_fn=self._child_setup)
        os.close(initrd)
        for other in theirs:
            other.close()
        for name, reader in (("console", self._read_console), ("stdout", self._read_stream),
                             ("stderr", self._read_stream), ("control", self._read_control)):
            self.readers[name] = threading.Thread(target=reader, args=(name,), daemon=True)
            self.readers[name].start()

    @staticmethod
    def _child_setup():
        os.setpgrp()  # Ctrl-C is for us: we end QEMU ourselves
        die_with_parent()
        # QEMU's first thread sets off the guest's timers. Behind the virtual CPUs on a machine that has no core to spare it was 2 to 5 ms
        # late once in 50 times. The other threads, which it starts, do not inherit this. Only where it is permitted (root).
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        if "console" in self.readers:
            self.readers["console"].join(timeout=1)  # the last messages may still be on their way to the log
        for port in self.ports.values():
            try:
                port.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _chunks(self, name):
        port = self.ports[name]
        while True:
            try:
                data = port.recv(65536)
            except OSError:
                data = b""
            if not data:
                return
            yield data

    def _read_console(self, name):
        seen = b""
        with open(self.console_path, "wb", buffering=0) as log:
            for data in self._chunks(name):
                log.write(data)
                seen = seen[-200:] + data
                if PANIC.search(seen):
                    self.events.put(("panic", ""))
                    seen = b""
        self.events.put(("closed", name))

    def _read_stream(self, name):
        end = EndMark(self.end_mark)
        descriptor = 1 if name == "stdout" else 2
        usable = True
        for data in self._chunks(name):
            data = end.feed(data)
            while data and usable:
                try:
                    data = data[os.write(descriptor, data):]
                except OSError:  # nobody reads it any more: go on to the end, for the exit status
                    usable = False
            if end.ended:
                self.events.put(("ended", name))
                return
        if end.held and usable:
            os.write(descriptor, end.held)
        self.events.put(("ended", name))

    def _read_control(self, name):
        pending = b""
        for data in self._chunks(name):
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                word, _, rest = line.decode(errors="replace").strip().partition(" ")
                self.events.put((word, rest))

    def type(self, data):
        """Input for an interactive guest."""
        self.ports["stdout"].sendall(data)

    def console_tail(self, count=15):
        """The console from where trouble begins, and its last lines."""
        try:
            text = self.console_path.read_bytes().decode(errors="replace")
        except OSError:
            return ""
        lines = [line.rstrip() for line in text.splitlines()]
        first = next((n for n, line in enumerate(lines) if TROUBLE_BEGINS.search(line)), len(lines))
        if first + 2 * count >= len(lines):
            return "\n".join(lines[min(first, len(lines) - count) if len(lines) > count else 0:])
        return "\n".join([*lines[first:first + count], "...", *lines[-count:]])

    def wait(self, timeout_sec, hang_sec, on_ready=None):
        """Waits for the command's end; returns its exit status, with all its output passed on."""
        started = last_sign = time.monotonic()
        ready, panicked, status, ended = False, None, None, set()
        finished_at = None
        while True:
            now = time.monotonic()
            if status is not None and (ended >= {"stdout", "stderr"} or now - finished_at > 5):
                return status
            if panicked and now - panicked > 2:
                raise self._panic()
            if status is None and not panicked:
                if timeout_sec and now - started > timeout_sec:
                    raise VmError(f"time-out: the command did not end within {timeout_sec:g} s (--timeout)",
                                  EXIT_TIMEOUT)
                limit = hang_sec if ready else max(BOOT_SEC, hang_sec)
                if now - last_sign > limit:
                    what = "gave no sign of life" if ready else "did not boot"
                    raise VmError(f"hang: the guest {what} for {limit:g} s", EXIT_HANG, self.console_tail())
            try:
                kind, text = self.events.get(timeout=0.25)
            except queue.Empty:
                continue
            if kind in ("BEAT", "READY"):
                last_sign = time.monotonic()
                if kind == "READY":
                    ready = True
                    if on_ready:
                        on_ready(last_sign - started)
            elif kind == "EXIT":
                status, finished_at = int(text), time.monotonic()
            elif kind == "FAIL":
                raise VmError(f"the guest's init failed: {text}", detail=self.console_tail())
            elif kind == "panic":
                panicked = panicked or time.monotonic()
            elif kind == "ended":
                ended.add(text)
            elif kind == "closed" and status is None:
                if panicked or PANIC.search(self.console_path.read_bytes()):
                    raise self._panic()
                raise self._stopped()

    def _panic(self):
        return panic(self.console_path.read_text(errors="replace"), self.console_tail())

    def _stopped(self):
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            pass
        self.errors.seek(0)
        message = self.errors.read().strip()
        if message:
            return VmError(f"QEMU ended early: {message.splitlines()[-1]}", detail=self.console_tail())
        return VmError("the guest powered off or rebooted before the command ended", detail=self.console_tail())

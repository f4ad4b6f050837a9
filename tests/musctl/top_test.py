#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""`musctl top` in a real terminal (tmux) against a fake daemon: what it shows, its keys, sizes, a lost
connection, and that it gives the terminal back on every way out.

    MUS_BUILD_DIR=build/dev tests/musctl/top_test.py
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
MUSCTL = pathlib.Path(os.environ.get("MUS_BUILD_DIR", "build")).resolve() / "bin" / "musctl"
PATIENCE_S = 20  # sanitizers, loaded machines


class Terminal:
    """A tmux server of our own with one shell in it."""

    def __init__(self, folder, width=80, height=24):
        self.socket = folder / "tmux"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TMUX")}
        environment |= {"PS1": "$ ", "LC_ALL": "C.UTF-8", "ENV": ""}
        subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y",
                        str(height), "env", "TERM=screen-256color", "PS1=$ ", "sh"], check=True, env=environment)
        self.wait_for("$")

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-S", self.socket, *arguments], check=True, capture_output=True, text=True).stdout

    def text(self):
        return self.tmux("capture-pane", "-p")

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def type(self, line):
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def flag(self, name):
        return self.tmux("display-message", "-p", "#{" + name + "}").strip()

    def resize(self, width, height):
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    def wait_for(self, *texts, absent=()):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            screen = self.text()
            if all(t in screen for t in texts) and not any(t in screen for t in absent):
                return screen
            if time.monotonic() > deadline:
                raise AssertionError(f"waited for {texts}, without {absent}; the screen is:\n{screen}")
            time.sleep(0.05)

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False)


class TopTest(unittest.TestCase):
    def setUp(self):
        # Short: a UNIX socket's path has at most 107 bytes.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mus-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.socket = self.folder / "s"
        self.daemon = None
        self.addCleanup(self.stop_daemon)
        self.start_daemon()
        self.terminal = Terminal(self.folder)
        self.addCleanup(self.terminal.close)
        self.terminal.type(f"stty -a > {self.folder}/before; export MUS_SOCKET={self.socket}")

    def start_daemon(self):
        self.daemon = subprocess.Popen([sys.executable, HERE / "fake_daemon.py", self.socket], stdout=subprocess.PIPE)
        self.assertEqual(self.daemon.stdout.readline(), b"ready\n")

    def stop_daemon(self):
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()
            self.daemon.stdout.close()
            self.daemon = None

    def start_top(self):
        self.terminal.type(f"clear; {MUSCTL} top --interval 0.2; echo exit=$?")
        return self.terminal.wait_for("redis.service", "q quit")

    def pid_of_top(self):
        shell = self.terminal.flag("pane_pid")
        return int(subprocess.run(["pgrep", "-P", shell, "-x", "musctl"], capture_output=True, text=True, check=True).stdout)

    def check_restored(self, exit_code):
        self.terminal.wait_for(f"exit={exit_code}", absent=["q quit"])
        self.assertEqual(self.terminal.flag("alternate_on"), "0", "still on the alternate screen")
        self.assertEqual(self.terminal.flag("cursor_flag"), "1", "the cursor is hidden")
        self.assertEqual(self.terminal.flag("keypad_flag"), "0", "the keypad is in application mode")
        self.terminal.type(f"stty -a > {self.folder}/after; echo done-stty")
        self.terminal.wait_for("\ndone-stty")
        self.assertEqual((self.folder / "after").read_text(), (self.folder / "before").read_text())

    def test_shows_everything_in_80_columns(self):
        screen = self.start_top()
        if path := os.environ.get("MUS_TOP_SCREEN"):  # keeps a picture for the documentation
            pathlib.Path(path).write_text(screen)
        for text in ("mus userland", "policy vtime", "CPUs 2", "kernel 6.18.15", "decisions/s 4100", "userland 99.7 %",
                     "daemon 0.9 %", "CGROUP", "WEIGHT", "PROM%", "REAL%", "LAG ms", "TASKS", "WAIT50", "WAIT99", "ms/s",
                     "\n    - user-1000.slice"):
            self.assertIn(text, screen)
        self.assertLessEqual(max(map(len, screen.splitlines())), 80)
        self.assertTrue(screen.splitlines()[23].startswith("q quit"), screen)

    def test_keys_change_weights(self):
        self.start_top()
        self.terminal.keys("j", "+")
        self.terminal.wait_for("/system.slice: 100 -> 125, until it is unset", " 125*", "55.6")
        self.terminal.keys("-")
        self.terminal.wait_for("/system.slice: 125 -> 94", " 94*")
        self.terminal.keys("=")
        self.terminal.wait_for("weight of /system.slice")
        self.terminal.keys("4", "0", "9", "BSpace", "0", "Enter")
        self.terminal.wait_for("94 -> 400", " 400*", "80.0")
        self.terminal.keys("=", "7", "Escape")
        self.terminal.wait_for(" 400*", "q quit", absent=["weight of"])
        self.terminal.keys("=", "q", "Enter")
        self.terminal.wait_for("'q' is not a weight")
        self.terminal.keys("u")
        self.terminal.wait_for("400 -> 100, unset", absent=["*"])
        self.terminal.keys("k", "+")
        self.terminal.wait_for("the root has no weight")

    def test_keys_fold_sort_pause_and_help(self):
        self.start_top()
        self.terminal.keys("Down", "Left")
        self.terminal.wait_for("+ system.slice", "user.slice", absent=["redis.service"])
        self.terminal.keys("Space")
        self.terminal.wait_for("- system.slice", "redis.service")
        self.terminal.keys("s")
        self.terminal.wait_for("sort: share", "~redis.service")
        self.terminal.keys("s", "s", "s")
        self.terminal.wait_for("sort: tree")
        self.terminal.keys("p")
        self.terminal.wait_for("paused")
        self.terminal.keys("p")
        self.terminal.wait_for("q quit", absent=["paused"])
        self.terminal.keys("h")
        self.terminal.wait_for("fold or unfold", "any key: back")
        self.terminal.keys("x")
        self.terminal.wait_for("redis.service", absent=["fold or unfold"])

    def test_follows_every_size(self):
        self.start_top()
        for width, height, wanted in ((40, 10, "WEIGHT"), (20, 5, "mus userland"), (2, 2, ""), (1, 1, ""), (140, 40, "WAIT50"), (80, 24, "WAIT50")):
            self.terminal.resize(width, height)
            screen = self.terminal.wait_for(wanted)
            self.assertLessEqual(max(map(len, screen.splitlines() or [""])), width)
            self.assertEqual(self.terminal.flag("alternate_on"), "1", f"died at {width}x{height}")
        self.terminal.keys("q")
        self.check_restored(0)

    def test_reconnects(self):
        self.start_top()
        self.stop_daemon()
        self.terminal.wait_for("no connection", "reconnecting")
        self.terminal.keys("j", "+")
        self.terminal.wait_for("there is no connection")
        self.start_daemon()
        self.terminal.wait_for("mus userland", "redis.service", "connected again", absent=["no connection"])
        self.stop_daemon()
        self.terminal.wait_for("no connection")
        self.terminal.keys("q")
        self.check_restored(0)

    def test_gives_the_terminal_back(self):
        for way, code in ((signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131),
                          (signal.SIGABRT, 134), (signal.SIGSEGV, 139)):
            with self.subTest(signal=way.name):
                self.start_top()
                os.kill(self.pid_of_top(), way)
                self.check_restored(code)
        self.start_top()
        self.terminal.keys("C-c")
        self.check_restored(0)

    def test_survives_being_stopped(self):
        self.start_top()
        self.terminal.keys("C-z")
        self.terminal.wait_for("Stopped")
        self.assertEqual(self.terminal.flag("alternate_on"), "0")
        self.terminal.type("fg")
        self.terminal.wait_for("redis.service", "q quit")
        self.terminal.keys("q")
        self.check_restored(148)  # what the shell was told when it stopped; this is still to be read there

    def test_says_that_the_daemon_is_silent(self):
        self.start_top()
        self.daemon.send_signal(signal.SIGSTOP)
        self.terminal.wait_for("no news for")
        self.daemon.send_signal(signal.SIGCONT)
        self.terminal.wait_for("redis.service", absent=["no news"])

    def test_says_why_there_is_no_screen(self):
        self.stop_daemon()
        self.terminal.type(f"clear; {MUSCTL} top; echo exit=$?")
        self.terminal.wait_for("mus-userland is not running", "exit=3")
        self.start_daemon()
        self.terminal.type(f"clear; TERM=nonsense {MUSCTL} top; echo exit=$?")
        self.terminal.wait_for("TERM is 'nonsense'", "exit=2")
        self.terminal.type(f"clear; {MUSCTL} top --once | head -n 1; echo exit=$?")
        self.terminal.wait_for("mus userland", "exit=0")


if __name__ == "__main__":
    for program in ("tmux", "pgrep"):
        if not shutil.which(program):
            print(f"skipped: {program} is not installed (tools/setup installs it)")
            sys.exit(77)
    if not MUSCTL.exists():
        sys.exit(f"{MUSCTL} is not built; MUS_BUILD_DIR names the build tree")
    unittest.main(verbosity=2)

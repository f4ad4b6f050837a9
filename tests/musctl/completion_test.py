#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Shell completion: what bash completes, with a cgroup tree of its own; that zsh and fish can read theirs; and
that all three know every command and flag of musctl --help.

    MUS_BUILD_DIR=build/dev tests/musctl/completion_test.py
"""
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from help_pages import DAEMON, MUSCTL, SOURCE, musctl_pages, read_page

COMPLETION = SOURCE / "tools" / "completion"


class BashTest(unittest.TestCase):
    def setUp(self):
        self.mount = pathlib.Path(tempfile.mkdtemp(prefix="mus-"))
        self.addCleanup(shutil.rmtree, self.mount)
        for name in ("redis", "system.slice/a.service", "system.slice/b\\x2dc.service", "user.slice"):
            (self.mount / name).mkdir(parents=True)
        (self.mount / "cgroup.procs").touch()

    def complete(self, *words):
        """What bash offers after these words; the last is being typed."""
        script = f"""
            source {COMPLETION}/musctl.bash
            _musctl_cgroup_mount() {{ echo {self.mount}; }}
            _musctl_policies() {{ echo vtime fifo; }}
            COMP_WORDS=(musctl "$@") COMP_CWORD=$#
            _musctl
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        run = subprocess.run(["bash", "--norc", "-c", script, "bash", *words], capture_output=True, text=True, check=False)
        self.assertEqual(run.stderr, "")
        return run.stdout.split()

    def test_commands(self):
        self.assertEqual(self.complete("st"), ["status", "stats"])
        self.assertEqual(self.complete("weight", ""), ["set", "get", "list", "unset"])
        self.assertEqual(self.complete("--json", "--socket", "/x", "policy", "u"), ["use"])

    def test_cgroups_one_level_at_a_time(self):
        self.assertEqual(self.complete("weight", "set", ""), ["/", "id:", "pid:"])
        self.assertEqual(self.complete("weight", "set", "p"), ["pid:"])
        self.assertEqual(self.complete("weight", "set", "/"), ["/redis", "/system.slice", "/user.slice"])
        self.assertEqual(self.complete("weight", "get", "/s"), ["/system.slice"])
        self.assertEqual(self.complete("weight", "unset", "/system.slice/"),
                         ["/system.slice/a.service", "/system.slice/b\\x2dc.service"])
        self.assertEqual(self.complete("weight", "unset", "/system.slice/b\\\\x2d"), ["/system.slice/b\\x2dc.service"])
        self.assertEqual(self.complete("weight", "get", "/nothing"), [])

    def test_policies(self):
        self.assertEqual(self.complete("policy", "use", ""), ["vtime", "fifo"])
        self.assertEqual(self.complete("policy", "show", "f"), ["fifo"])

    def test_flags(self):
        self.assertEqual(self.complete("weight", "set", "/redis", "400", "--f"), ["--for"])
        self.assertEqual(self.complete("weight", "set", "/redis", "400", "--for", "3"), ["30s"])
        self.assertEqual(self.complete("weight", "list", "--a"), ["--all"])
        self.assertEqual(self.complete("policy", "use", "fifo", "--s"), ["--socket", "--set"])
        self.assertIn("--once", self.complete("top", "--"))
        self.assertEqual(self.complete("weight", "set", "/redis", "400", ""), [])


class DaemonBashTest(unittest.TestCase):
    def complete(self, *words):
        script = f"""
            source {COMPLETION}/mus-userland.bash
            COMP_WORDS=(mus-userland "$@") COMP_CWORD=$#
            _mus_userland
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        run = subprocess.run(["bash", "--norc", "-c", script, "bash", *words], capture_output=True, text=True, check=False)
        self.assertEqual(run.stderr, "")
        return run.stdout.split()

    def test_flags_and_policies(self):
        self.assertEqual(self.complete("--rep"), ["--replace"])
        self.assertEqual(self.complete("--policy", ""), ["vtime", "fifo"])
        self.assertEqual(self.complete("--orphan-sec", ""), [])
        self.assertEqual(self.complete("--replace", "--no"), ["--no-pin"])


class SyntaxTest(unittest.TestCase):
    def test_each_shell_can_read_its_own(self):
        for shell, file in (("bash", "musctl.bash"), ("zsh", "_musctl"), ("fish", "musctl.fish"),
                            ("bash", "mus-userland.bash"), ("zsh", "_mus-userland"), ("fish", "mus-userland.fish")):
            with self.subTest(shell=shell, file=file):
                if not shutil.which(shell):
                    self.skipTest(f"{shell} is not installed")
                run = subprocess.run([shell, "-n", COMPLETION / file], capture_output=True, text=True, check=False)
                self.assertEqual((run.returncode, run.stderr), (0, ""))


class CompletenessTest(unittest.TestCase):
    def test_every_command_and_flag_is_completed(self):
        self.assertTrue(MUSCTL.exists(), "musctl is not built; MUS_BUILD_DIR names the build tree")
        for file in ("musctl.bash", "_musctl", "musctl.fish"):
            text = (COMPLETION / file).read_text()
            for page in musctl_pages():
                for flag in page.flags:
                    wanted = f"-l {flag[2:]}" if file.endswith("fish") else flag
                    if flag.startswith("--"):
                        self.assertIn(wanted, text, f"{file}: {' '.join(page.command)}")
                for name in page.subcommands:
                    self.assertTrue(re.search(rf"\b{name}\b", text), f"{file}: {name}")

    def test_every_flag_of_the_daemon_is_completed(self):
        self.assertTrue(DAEMON.exists(), "mus-userland is not built; MUS_BUILD_DIR names the build tree")
        flags = [flag for flag in read_page(DAEMON).flags if flag.startswith("--")]
        self.assertIn("--replace", flags)
        for file in ("mus-userland.bash", "_mus-userland", "mus-userland.fish"):
            text = (COMPLETION / file).read_text()
            known = set(re.findall(r"-l ([a-z-]+)" if file.endswith("fish") else r"--([a-z][a-z-]+)", text))
            self.assertEqual(known, {flag[2:] for flag in flags}, file)


if __name__ == "__main__":
    unittest.main(verbosity=2)

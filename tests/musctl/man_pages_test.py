#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The man pages: every flag and command of --help is in them, every exit code, and the formatters are content.

    MUS_BUILD_DIR=build/dev tests/musctl/man_pages_test.py
"""
import re
import shutil
import subprocess
import unittest

from help_pages import DAEMON, MUSCTL, SOURCE, musctl_pages, read_page

MAN = SOURCE / "docs" / "man"


def flags_in(text):
    """The flags that a page of mdoc marks up as such: what follows the macro Fl, up to the next macro."""
    found = set()
    for line in text.splitlines():
        for words in re.findall(r"\bFl ((?:(?![A-Z][a-z]\b)\S+ ?)+)", line):
            for word in words.split():
                if re.fullmatch(r"-[a-z-]+", word):
                    found.add("-" + word)
                elif re.fullmatch(r"[a-zA-Z]+", word):
                    found.update("-" + letter for letter in word)
    return found


class ManPagesTest(unittest.TestCase):
    def test_musctl_has_every_command_and_flag(self):
        self.assertTrue(MUSCTL.exists(), "musctl is not built; MUS_BUILD_DIR names the build tree")
        text = (MAN / "musctl.1").read_text()
        known = flags_in(text)
        for page in musctl_pages():
            for flag in page.flags:
                self.assertIn(flag, known, f"musctl {' '.join(page.command)}")
            for name in page.positionals:
                self.assertRegex(text, rf"\bAr {name.upper()}\b", f"musctl {' '.join(page.command)}")
            if page.command and not page.subcommands:
                self.assertRegex(text, rf"\.It Cm {' '.join(page.command)}\b")

    def test_musctl_has_no_flag_that_is_not_there(self):
        there = {flag for page in musctl_pages() for flag in page.flags}
        of_the_daemon = {"--socket-group", "--weight", "--policy"}
        self.assertLessEqual(flags_in((MAN / "musctl.1").read_text()) - of_the_daemon, there)

    def test_the_daemon_has_every_flag(self):
        if not DAEMON.exists():
            self.skipTest("mus-userland is not built")
        known = flags_in((MAN / "mus-userland.8").read_text())
        for flag in read_page(DAEMON).flags:
            self.assertIn(flag, known)

    def test_every_exit_code_is_told(self):
        for page, header in (("musctl.1", "tools/musctl/exit_code.h"), ("mus-userland.8", "userspace/exit_code.h")):
            text = (MAN / page).read_text()
            for code in re.findall(r"kExit\w+ = (\d+)", (SOURCE / header).read_text()):
                self.assertRegex(text, rf"\.It {code}\n", page)

    def test_the_formatters_are_content(self):
        tools = [t for t in (["mandoc", "-Tlint", "-Wwarning"], ["groff", "-mandoc", "-ww", "-z"]) if shutil.which(t[0])]
        if not tools:
            self.skipTest("neither mandoc nor groff is installed")
        for page in sorted(MAN.glob("*.[18]")):
            for tool in tools:
                run = subprocess.run([*tool, page], capture_output=True, text=True, check=False)
                self.assertEqual((run.stdout + run.stderr, run.returncode), ("", 0), f"{tool[0]} {page.name}")


if __name__ == "__main__":
    unittest.main(verbosity=2)

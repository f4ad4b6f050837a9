# SPDX-License-Identifier: GPL-2.0-only
"""What must be there before the demo can run: packages (tools/setup) and a release build."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BUILD = PROJECT / "build" / "release"
LOG = BUILD / "demo-build.log"
SAY_EVERY_S = 5
SHOWN_OF_LOG = 25


class DemoError(Exception):
    """A failure of the demo: one clear line for the user, and what the log says."""

    def __init__(self, message, detail="", status=1):
        super().__init__(message)
        self.detail = detail
        self.status = status


def say(message):
    print(f"demo: {message}", file=sys.stderr, flush=True)


def packages():
    """Runs tools/setup when something is missing. Its own messages say what it does."""
    setup = PROJECT / "tools" / "setup"
    if subprocess.run([setup, "--check", "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                      stdin=subprocess.DEVNULL).returncode == 0:
        return
    say("installing what mus needs (tools/setup); minutes on a fresh machine")
    done = subprocess.run([setup], stdout=sys.stderr, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise DemoError("tools/setup did not succeed; it says above what to do")


def build():
    """Configures and builds the release preset; quick when nothing changed."""
    if not shutil.which("cmake"):
        raise DemoError("cmake is not installed: run tools/setup")
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(LOG, "w", encoding="utf-8") as log:
        if not (BUILD / "build.ninja").exists():
            say("configuring the release build")
            step(["cmake", "--preset", "release"], log)
        step(["cmake", "--build", "--preset", "release"], log)
    if not (BUILD / "bin" / "mus-userland").is_file():
        raise DemoError(f"the build made no {BUILD}/bin/mus-userland", tail())


def step(command, log):
    """Runs a step of the build with its output in the log; ninja's counters become a progress line now and then."""
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", stdin=subprocess.DEVNULL,
                               env={**os.environ, "NINJA_STATUS": "[%f/%t] "})
    said_at = time.monotonic()
    try:
        for line in process.stdout:
            log.write(line)
            counter = re.match(r"\[(\d+)/(\d+)\] ", line)
            if counter and time.monotonic() - said_at > SAY_EVERY_S:
                said_at = time.monotonic()
                say(f"building the release preset: {counter[1]} of {counter[2]}")
    except BaseException:
        process.terminate()
        process.wait()
        raise
    log.flush()
    if process.wait():
        raise DemoError(f"'{' '.join(command)}' failed. Mend what it says above (is everything installed? tools/setup "
                        f"--check), then run tools/demo again; rm -r build/release starts afresh. Whole log: {LOG}",
                        tail())


def tail():
    lines = LOG.read_text(errors="replace").splitlines()
    errors = [i for i, line in enumerate(lines) if re.search(r"error[: ]|FAILED|CMake Error", line)]
    start = errors[0] if errors else len(lines) - SHOWN_OF_LOG
    return "\n".join(lines[max(start, 0):][:SHOWN_OF_LOG])

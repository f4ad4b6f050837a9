# SPDX-License-Identifier: GPL-2.0-only
"""What every part of the VM runner shares: exit statuses, errors, the cache folder, messages."""

import os
import sys
from pathlib import Path

# Exit statuses of tools/vm/run itself. Anything else is the command's own.
EXIT_PANIC = 120
EXIT_HANG = 121
EXIT_EMULATOR = 122
EXIT_TIMEOUT = 124
EXIT_HARNESS = 125
EXIT_INTERRUPTED = 130

PROJECT = Path(__file__).resolve().parents[2]


class VmError(Exception):
    """A failure of the runner: one clear line for the user, and the exit status that tells it apart."""

    def __init__(self, message, status=EXIT_HARNESS, detail=""):
        super().__init__(message)
        self.status = status
        self.detail = detail


def say(message):
    print(f"vm: {message}", file=sys.stderr, flush=True)


def cache_dir(*parts):
    """A folder below the user's cache, created when it is missing."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base, "mus", *parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VmError(f"cannot create {folder}: {error.strerror}; set XDG_CACHE_HOME to a writable folder")
    return folder

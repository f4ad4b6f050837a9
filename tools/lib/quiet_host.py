# SPDX-License-Identifier: GPL-2.0-only
"""Measuring in a VM is only worth something on a quiet host: one measurement at a time, and other work noticed."""

import fcntl
import os
import sys
import time
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def one_at_a_time(program):
    """Waits until no other tool of mus measures for this user. Keep what it returns open while measuring."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mus")
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / "measure.lock", "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{program}: another measurement is running on this machine: waiting for its end", file=sys.stderr, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


class OtherWork:
    """How much of this machine's CPU time went to anything but the given process and its children.

    Units: fractions of all CPUs, since the last call of share().
    """

    def __init__(self, pid):
        self.pid = pid
        self.last = self._sample()

    def share(self):
        now = self._sample()
        elapsed = now[0] - self.last[0]
        other = (now[1] - self.last[1]) - (now[2] - self.last[2])
        self.last = now
        return max(0.0, other / elapsed / os.cpu_count()) if elapsed > 0 else 0.0

    def _sample(self):
        """Now, busy seconds of all CPUs (stolen ones too), CPU seconds of our processes."""
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
        busy = user + nice + system + irq + softirq + steal
        return time.monotonic(), busy / TICKS_PER_S, self._tree(self.pid) / TICKS_PER_S

    def _tree(self, pid):
        try:
            # After the name in brackets: state is field 0, utime 11, stime 12.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return 0
        return int(fields[11]) + int(fields[12]) + sum(self._tree(child) for child in children)

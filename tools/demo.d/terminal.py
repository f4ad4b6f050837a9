# SPDX-License-Identifier: GPL-2.0-only
"""Runs a program on a terminal of its own: first its lines are read, then the user takes over (--keep)."""

import fcntl
import os
import pty
import select
import signal
import sys
import termios
import tty


class OwnTerminal:
    """Shape:  one child on one pseudo-terminal.
    Owner:  close() ends the child if it is still there."""

    def __init__(self, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execvp(command[0], command)
            finally:
                os._exit(127)
        self._copy_size()
        self.left = b""
        self.status = None

    def _copy_size(self):
        try:
            size = fcntl.ioctl(1, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(self.fd, termios.TIOCSWINSZ, size)
        except OSError:
            pass

    def _read(self):
        try:
            return os.read(self.fd, 65536)
        except OSError:  # how Linux says that the other side is closed
            return b""

    def lines(self):
        """Lines as they come, until the child ends. The caller may stop taking them and call hand_over()."""
        while True:
            while b"\n" in self.left:
                line, self.left = self.left.split(b"\n", 1)
                yield line.decode(errors="replace").rstrip("\r")
            data = self._read()
            if not data:
                return
            self.left += data

    def hand_over(self):
        """Connects the user's terminal until the child ends."""
        saved = termios.tcgetattr(0)
        os.write(1, self.left)
        tty.setraw(0)
        try:
            while True:
                ready, _, _ = select.select([0, self.fd], [], [])
                if self.fd in ready:
                    data = self._read()
                    if not data:
                        return
                    os.write(1, data)
                if 0 in ready:
                    os.write(self.fd, os.read(0, 1024))
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)

    def wait(self):
        if self.status is None:
            _, status = os.waitpid(self.pid, 0)
            self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGTERM)
            self.wait()
        sys.stdout.flush()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Holds open_loop to what it promises, before a server of this file's own. Its one argument: the program."""

import json
import socket
import subprocess
import sys
import threading
import time
import unittest

PROGRAM = sys.argv.pop()
REQUEST = b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n"


class Server(threading.Thread):
    """Answers on one connection: `replies` in turn, the n-th after delays.get(n, 0) seconds; closes it when they are used up."""

    def __init__(self, replies, delays=None):
        super().__init__(daemon=True)
        self.replies, self.delays, self.asked = replies, delays or {}, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        with self.listener, self.listener.accept()[0] as connection:
            pending = b""
            for number, reply in enumerate(self.replies):
                while not pending.startswith(REQUEST):
                    came = connection.recv(4096)
                    if not came:
                        return
                    pending += came
                pending = pending[len(REQUEST):]
                self.asked += 1
                time.sleep(self.delays.get(number, 0))
                for part in reply:
                    connection.sendall(part)


class OpenLoopTest(unittest.TestCase):
    def run_it(self, server):
        return subprocess.run([PROGRAM, "--json", "--seconds", "1", "--warm-up-ms", "100", "--connections", "1", "--rate", "100",
                               "--port", str(server.port)], capture_output=True, text=True, timeout=50)

    def test_it_asks_as_often_as_it_was_told(self):
        # Nothing, a value, and a value in two pieces.
        server = Server([[b"$-1\r\n"], [b"$3\r\nabc\r\n"], [b"$3\r\nab", b"c\r\n"]] * 100)
        done = self.run_it(server)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        said = json.loads(done.stdout)
        self.assertEqual((server.asked, said["requests"], sum(said["histogram"].values())), (110, 100, 100))  # 10 to warm up
        self.assertLess(said["requests_per_s"], 110)

    def test_who_was_due_while_the_server_stalled_is_late(self):
        done = self.run_it(Server([[b"$-1\r\n"]] * 200, delays={20: 0.5}))
        late = sum(count for us, count in json.loads(done.stdout)["histogram"].items() if float(us) > 100_000)
        self.assertGreaterEqual(late, 39)  # 50 were due in that time, the first 40 of them over 100 ms before its end

    def test_what_the_server_refuses_gives_no_figure(self):
        for replies, reason in (([[b"-NOAUTH Authentication required.\r\n"]], "NOAUTH"), ([[b"$-1\r\n"]] * 5, "open_loop: ")):
            done = self.run_it(Server(replies))
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(reason, done.stderr)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""A program that shows something again and again: what each of its refreshes costs, itself and others."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading

from harness.waiting import SLOWNESS
from measuring import Use

# Those at the beginning do not count: the first ones open every file.
BEFORE = 3


class Looker:
    """Used with `with`: the program runs. Each refresh has one `sign` in its output, and they are counted. On a terminal of
    200 × 50, or into a pipe."""

    def __init__(self, command, sign, environment=None, terminal=False):
        self.command, self.sign, self.environment, self.terminal = command, sign, environment, terminal
        self.seen, self.ended = 0, False
        self.last = b""
        self.news = threading.Condition()
        self.process = self.output = self.reader = None

    def __enter__(self):
        self.output, end = pty.openpty() if self.terminal else os.pipe()
        if self.terminal:
            fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.process = subprocess.Popen(
            self.command, stdin=end if self.terminal else subprocess.DEVNULL, stdout=end, stderr=end,
            env=self.environment, start_new_session=True)
        os.close(end)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.reader.join()
        os.close(self.output)

    def _read(self):
        cut = b""
        while not self.ended:
            try:
                new = os.read(self.output, 65_536)
            except OSError:
                # The terminal of a program that has ended.
                new = b""
            with self.news:
                self.ended = not new
                # A sign may come in two pieces.
                text = cut + new
                self.seen += text.count(self.sign)
                cut = text[len(text) - len(self.sign) + 1:] if len(text) >= len(self.sign) else text
                self.last = (self.last + new)[-2_000:]
                self.news.notify_all()

    def _wait_for(self, refreshes):
        with self.news:
            self.news.wait_for(lambda: self.ended or self.seen >= refreshes, timeout=(30 + 2 * refreshes) * SLOWNESS)
            if self.seen < refreshes:
                shown = self.last.decode("utf-8", "replace").strip()[-300:]
                raise LookupError(f"{self.command[0]} does not show these here: {self.seen} refreshes of {refreshes}. {shown}")

    def cost(self, refreshes, others):
        """Seconds of CPU time of each refresh by name: of `others`, pids by name, and of the program as `itself`."""
        pids = {**others, "itself": self.process.pid}
        self._wait_for(BEFORE)
        before = {name: Use([pid]) for name, pid in pids.items()}
        self._wait_for(BEFORE + refreshes)
        return {name: (Use([pid]) - before[name]).cpu_seconds / refreshes for name, pid in pids.items()}

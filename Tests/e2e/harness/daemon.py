# SPDX-License-Identifier: Apache-2.0
"""One of the two daemons as a child process, with its log in a file."""

import contextlib
import os
import resource
import signal
import subprocess
import time

from .waiting import SLOWNESS, Deadline


class Daemon:
    """Starts at once; `wait_until_ready` comes next, and `stop` or `kill` last."""

    def __init__(self, name, arguments, log_path, environment, descriptors=()):
        self.name = name
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True,
                pass_fds=descriptors)

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process.poll() is None

    def log(self):
        with open(self.log_path, "rb") as file:
            return file.read().decode("utf-8", "replace")

    def descriptors(self):
        """What its descriptors are, by number."""
        base, found = f"/proc/{self.pid}/fd", {}
        for name in os.listdir(base):
            try:
                found[int(name)] = os.readlink(f"{base}/{name}")
            except OSError:
                continue
        return found

    @contextlib.contextmanager
    def without_free_descriptors(self):
        """Whatever it opens meanwhile is refused with EMFILE."""
        before = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        taken = self.descriptors()
        # The limit is on the number, so with the lowest free one as the limit there is none left.
        lowest = next(number for number in range(len(taken) + 1) if number not in taken)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (lowest, before[1]))
        try:
            yield
        finally:
            if self.running:
                resource.prlimit(self.pid, resource.RLIMIT_NOFILE, before)

    def wait_until_ready(self, ready, seconds=20):
        """Asks `ready()` until it says yes. There is no event to wait for before a daemon listens."""
        deadline = Deadline(seconds)
        while True:
            if not self.running:
                code = self.process.returncode
                raise AssertionError(f"{self.name} ended with {code} at start:\n{self.log()[-3000:]}")
            try:
                if ready():
                    return
            except (OSError, ValueError, AssertionError):
                pass
            if deadline.passed:
                raise AssertionError(f"{self.name} is not ready after {deadline.seconds:.0f} s:\n{self.log()[-3000:]}")
            time.sleep(0.02)

    def stop(self, seconds=15):
        """SIGTERM; returns the exit code."""
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds * SLOWNESS)

    def kill(self):
        """SIGKILL, as a crash."""
        if self.running:
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait(timeout=10 * SLOWNESS)

# SPDX-License-Identifier: Apache-2.0
"""One of the two daemons as a child process, with its log in a file."""

import os
import signal
import subprocess
import time

from .waiting import SLOWNESS, Deadline


class Daemon:
    """Starts at once; `wait_until_ready` comes next, and `stop` or `kill` last."""

    def __init__(self, name, arguments, log_path, environment):
        self.name = name
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process.poll() is None

    def log(self):
        with open(self.log_path, "rb") as file:
            return file.read().decode("utf-8", "replace")

    def wait_until_ready(self, ready, seconds=20):
        """Asks `ready()` until it says yes. There is no event to wait for before a daemon listens."""
        deadline = Deadline(seconds)
        while True:
            if not self.running:
                code = self.process.returncode
                raise AssertionError(f"{self.name} ended with {code} at start:\n{self.log()[:3000]}")
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

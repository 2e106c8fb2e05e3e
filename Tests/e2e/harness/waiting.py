# SPDX-License-Identifier: Apache-2.0
"""Waiting for things that happen, with a limit. Nothing here sleeps for a guessed time."""

import errno
import os
import queue
import select
import threading
import time

# The VM leg runs emulated and sets 8; every limit is multiplied by it. Limits only say when to give up.
SLOWNESS = float(os.environ.get("E2E_SLOWNESS", "1"))


class Deadline:
    """A point in time after which a wait has failed."""

    def __init__(self, seconds):
        self.seconds = seconds * SLOWNESS
        self.end = time.monotonic() + self.seconds

    @property
    def left(self):
        return max(0.0, self.end - time.monotonic())

    @property
    def passed(self):
        return self.left == 0.0


class Lines:
    """Lines of a stream that a thread reads, so that a wait for the next one can have a limit."""

    END = object()

    def __init__(self, stream):
        self.closing = False  # Set it before closing the stream: then an error of the reader is the end, no failure.
        self._queue = queue.Queue()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream):
        try:
            for line in stream:
                self._queue.put(line)
        except Exception as error:  # http.client raises many kinds when its socket is closed under it.
            if not self.closing and not isinstance(error, OSError):
                raise
        self._queue.put(self.END)

    def next(self, seconds):
        """The next line; None when the seconds pass, `END` at the end of the stream."""
        try:
            line = self._queue.get(timeout=seconds)
        except queue.Empty:
            return None
        if line is self.END:
            self._queue.put(self.END)
        return line

    def until(self, wanted, seconds, what):
        """Reads up to the first line for which `wanted(line)` is true, and returns it."""
        deadline, seen = Deadline(seconds), []
        while not deadline.passed:
            line = self.next(deadline.left)
            if line is self.END:
                raise AssertionError(f"the stream ended before {what}; seen: {seen[-20:]}")
            if line is None:
                break
            seen.append(line)
            if wanted(line):
                return line
        raise AssertionError(f"{what} did not come within {deadline.seconds:.0f} s; seen: {seen[-20:]}")


def wait_for_exit(pid, seconds=10):
    """Waits until a process, ours or not, has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(seconds * SLOWNESS * 1000):
            raise AssertionError(f"process {pid} still runs after {seconds * SLOWNESS:.0f} s")
    finally:
        os.close(descriptor)


def wait_for_file_to_say(path, wanted, seconds=10):
    """Waits until a kernel file that signals POLLPRI (cgroup.events) has contents for which `wanted` is true.

    A file that is gone counts as empty.
    """
    deadline = Deadline(seconds)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLPRI)
            # With pread: a file object asks whether it can seek, and says no of a cgroup that is just removed.
            while not wanted(text := os.pread(descriptor, 65536, 0).decode("ascii")):
                if deadline.passed:
                    raise AssertionError(f"{path} still says {text!r}")
                poll.poll(deadline.left * 1000)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):  # The cgroup was removed.
            raise
        if not wanted(""):
            raise AssertionError(f"{path} is gone") from error

# SPDX-License-Identifier: Apache-2.0
"""What the apps themselves left behind: their journals and their lines in the log.

Both are held open, so that they can still be read when the platform has removed them with a destroyed app.
"""

import os
import re
import threading
import time
from dataclasses import dataclass, field

from harness.waiting import Deadline


@dataclass
class RunTold:
    """One run as the app told of it."""

    token: str
    slot: str
    release: str
    began: int
    ended: int | None = None
    end: str | None = None  # `code:17` or `signal:11`, written just before it happens.
    printed: tuple | None = None  # Lines of stdout and stderr.
    kills: list = field(default_factory=list)  # What a campaign killed of it from outside: `app` or `init`.
    killed: int | None = None  # When it did so first.

    @property
    def moment(self):
        """The best that is known of when it ended."""
        return self.ended or self.killed or self.began


class Evidence:
    """Of one app. `hold` as soon as the app has run, and `hold_to_the_end` when it is destroyed."""

    def __init__(self, home, app_id, name):
        self.app_id = app_id
        self.name = name
        self._journal_path = home / "agent/apps" / app_id / "data/journal"
        self._logs_path = home / "agent/logs" / app_id
        self._journal = None
        self._segments = {}
        self._watch = None

    def hold_to_the_end(self):
        """Beside the caller, until nothing of the app is left: it may print, and its log get new segments, to the last."""
        self._watch = threading.Thread(target=self._hold_until_gone, daemon=True)
        self._watch.start()

    def _hold_until_gone(self):
        deadline = Deadline(60)
        while (self._logs_path.exists() or self._journal_path.exists()) and not deadline.passed:
            self._hold_now()
            time.sleep(0.01)

    def hold(self):
        """Opens what is there; true once the journal is."""
        if self._watch:
            self._watch.join()
        return self._hold_now()

    def _hold_now(self):
        if self._journal is None:
            try:
                self._journal = os.open(self._journal_path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
        try:
            # Beside each segment lies its index, which says nothing of its own.
            names = [name for name in os.listdir(self._logs_path) if name.endswith(".log")]
        except FileNotFoundError:
            names = []
        # Segments are numbered in the order of writing, and a number is never given twice.
        for name in set(names) - self._segments.keys():
            try:
                self._segments[name] = os.open(self._logs_path / name, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
        return True

    def release(self):
        for descriptor in [self._journal, *self._segments.values()]:
            if descriptor is not None:
                os.close(descriptor)
        self._journal, self._segments = None, {}

    def runs(self):
        """Every run that got as far as writing its first line, by token, oldest first."""
        found = {}
        for line in ([] if self._journal is None else whole(self._journal).decode().splitlines()):
            word, token, *rest = line.split()
            if word == "begin":
                found[token] = RunTold(token, rest[0], rest[1], int(rest[2]))
            else:
                run = found[token]
                run.end, run.printed, run.ended = rest[0], (int(rest[1]), int(rest[2])), int(rest[3])
        return found

    def log(self):
        """The records of the log (docs/decisions/0002), oldest first."""
        for name in sorted(self._segments):
            for line in whole(self._segments[name]).split(b"\n"):
                if line:
                    yield line.decode("utf-8", "replace").split(" ", 5)


LINE = re.compile(r"([0-9a-f]{12}) ([oe]) (\d+) x*\.")


def numbered_lines(records):
    """Sorts the log's lines by run: `{(token, stream letter): [numbers]}`, and what is no whole line of the app."""
    found, torn, parts = {}, [], {}
    for record in records:
        if len(record) < 6:
            torn.append(" ".join(record))
            continue
        _, stream, mark, slot, release, text = record
        if stream == "system":
            continue
        key = (stream, slot, release)
        if mark == "P":
            parts[key] = parts.get(key, "") + text
            continue
        # Instances of two generations may share slot and release, so a line that is whole without the part is itself.
        match = LINE.fullmatch(text)
        if not match:
            text = parts.pop(key, "") + text
            match = LINE.fullmatch(text)
        if match:
            found.setdefault((match[1], match[2]), []).append(int(match[3]))
        else:
            torn.append(text)
    return found, torn + [part for part in parts.values() if part]


def whole(descriptor):
    """All bytes of an open file."""
    pieces, offset = [], 0
    while True:
        piece = os.pread(descriptor, 1 << 20, offset)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        offset += len(piece)

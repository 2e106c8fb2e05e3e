# SPDX-License-Identifier: Apache-2.0
"""A real terminal: a program in a tmux server of its own, keys in, screen out."""

import os
import shutil
import subprocess
import time

from .waiting import SLOWNESS, Deadline


def unavailable():
    """Why there is no tmux, or None."""
    return None if shutil.which("tmux") else "needs tmux (apt-get install tmux)"


class Screen:
    """One session of one window. `close` it; the server ends with it."""

    serial = 0

    def __init__(self, environment, columns=160, lines=30):
        Screen.serial += 1
        self.name = f"paas-e2e-{os.getpid()}-{Screen.serial}"
        self.environment = {**environment, "TERM": "xterm-256color"}
        self.environment.pop("TMUX", None)
        self.columns, self.lines = columns, lines
        # A shell that waits: what it shows after the program is what the program left behind.
        self._tmux("new-session", "-d", "-s", "main", "-x", str(columns), "-y", str(lines), "exec sh")
        self.wait_for(lambda text: text.strip() != "", "a prompt")

    def _tmux(self, *arguments):
        done = subprocess.run(
            ["tmux", "-L", self.name, "-f", "/dev/null", *arguments], capture_output=True, env=self.environment,
            timeout=20 * SLOWNESS, check=False, text=True)
        if done.returncode != 0:
            raise AssertionError(f"tmux {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def type(self, text):
        """Types a line and Enter."""
        self._tmux("send-keys", "-t", "main", "-l", text)
        self.press("Enter")

    def press(self, *keys):
        """Presses keys by tmux's names: q, Down, C-c."""
        self._tmux("send-keys", "-t", "main", *keys)

    def resize(self, columns, lines):
        self._tmux("resize-window", "-t", "main", "-x", str(columns), "-y", str(lines))

    def text(self, colours=False):
        """What the screen shows; with its escape sequences when `colours`."""
        return self._tmux("capture-pane", "-p", *(["-e"] if colours else []), "-t", "main")

    def is_alternate(self):
        return self._tmux("display-message", "-p", "-t", "main", "#{alternate_on}").strip() == "1"

    def is_cursor_shown(self):
        return self._tmux("display-message", "-p", "-t", "main", "#{cursor_flag}").strip() == "1"

    def wait_for(self, wanted, what, seconds=20):
        """Looks until `wanted(text)` is true, and returns the text. tmux tells nobody when a screen changes."""
        deadline = Deadline(seconds)
        while True:
            text = self.text()
            if wanted(text):
                return text
            if deadline.passed:
                raise AssertionError(f"{what} did not come within {deadline.seconds:.0f} s; the screen:\n{text}")
            time.sleep(0.05)

    def close(self):
        subprocess.run(["tmux", "-L", self.name, "kill-server"], capture_output=True, check=False,
                       env=self.environment, timeout=20 * SLOWNESS)

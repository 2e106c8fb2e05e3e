#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command that must end by itself: `with-limit.py SECONDS COMMAND [ARGUMENT…]` exits as the command does.

After SECONDS it says which processes still run, kills all of them and exits with 124, so that a test that hangs is a
failure with a culprit instead of a run that never ends.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path


def descendants(pid):
    """`pid` and what it started, parents first."""
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            pass  # It ended while we looked.
    return found


def describe(pid):
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        waiting = Path(f"/proc/{pid}/wchan").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return f"  {pid}  waits in {waiting}: {words[:120]}" if words else None


def main():
    limit, command = float(sys.argv[1]), sys.argv[2:]
    process = subprocess.Popen(command)
    try:
        return process.wait(timeout=limit)
    except KeyboardInterrupt:
        return process.wait()  # Its process group is ours: it got the signal too.
    except subprocess.TimeoutExpired:
        pass
    running = descendants(process.pid)
    print(f"FAIL  no end after {limit:g} s: {' '.join(command)[:120]}; these processes still run:", flush=True)
    print("\n".join(filter(None, map(describe, running))), flush=True)
    for pid in running:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # It went with its parent.
    process.wait()
    return 124


if __name__ == "__main__":
    status = main()
    sys.exit(status if status >= 0 else 128 - status)

# SPDX-License-Identifier: Apache-2.0
"""The small app of the benchmarks, what it has written down, and how a benchmark that runs many of them begins and ends."""

import argparse
import contextlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECORD = struct.Struct("=qq")


def compiler_missing():
    return None if shutil.which("gcc") else "needs gcc and libc6-dev"


def compiled(name, directory):
    """A static program of this directory's C file, there."""
    program = Path(directory) / name
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-o", program, HERE / f"{name}.c"], check=True)
    return program


def starts(path):
    """Moments, in nanoseconds of CLOCK_MONOTONIC, at which the apps began that write to this file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return [moment for moment, _ in RECORD.iter_unpack(content[:len(content) // RECORD.size * RECORD.size])]


@contextlib.contextmanager
def scratch(name):
    """A directory of the benchmark's own. Ctrl-C and SIGTERM end a benchmark by way of all that it has to clean up."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    with tempfile.TemporaryDirectory(prefix=f"paas-bench-{name}-") as directory:
        # Apps have users of their own.
        Path(directory).chmod(0o755)
        yield Path(directory)


@contextlib.contextmanager
def undisturbed():
    """Cleaning up is not left half-way because somebody presses Ctrl-C again."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def positive(most):
    """Reads an option that is a number from 1 to `most`."""
    def read(text):
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to {most:,}")
        return int(text)
    return read


def several(read):
    """Reads an option that is one or more such values with commas between them."""
    return lambda text: sorted({read(part) for part in text.split(",")})


def names(known):
    """Reads an option that is some of these words with commas between them, or nothing."""
    def read(text):
        wanted = [part for part in text.split(",") if part]
        for part in wanted:
            if part not in known:
                raise argparse.ArgumentTypeError(f"'{part}' is none of {', '.join(known)}")
        return wanted
    return read

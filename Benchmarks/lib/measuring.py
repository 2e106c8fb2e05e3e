# SPDX-License-Identifier: Apache-2.0
"""What the kernel knows of processes, medians of it, and a table."""

import os
import platform
import re
import shutil
import statistics
import subprocess
import time
from pathlib import Path


def processes():
    """Parent and command of every process of the machine, by pid."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            head, tail = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)
        except OSError:
            continue
        found[int(entry)] = (int(tail.split()[1]), head.split("(", 1)[1])
    return found


def descendants(root, known=None):
    """The process and everything below it."""
    known = known or processes()
    found, frontier = [], [root]
    while frontier:
        found += frontier
        below = set(frontier)
        frontier = [pid for pid, (parent, _) in known.items() if parent in below]
    return found


class Use:
    """CPU time and context switches of processes at one moment; subtract an earlier one. Of a thread that has ended in between the
    switches are not known and not counted, its CPU time is."""

    def __init__(self, pids):
        self.cpu_seconds, self.by_thread = 0, {}
        for pid in pids:
            # The process's own clock (clock_getcpuclockid(3)) knows of all its threads.
            self.cpu_seconds += time.clock_gettime(~pid << 3 | 2)
            for task in Path(f"/proc/{pid}/task").iterdir():
                counts = re.findall(r"ctxt_switches:\s+(\d+)", (task / "status").read_text())
                self.by_thread[task.name] = sum(map(int, counts))

    def __sub__(self, earlier):
        difference = Use([])
        difference.cpu_seconds = self.cpu_seconds - earlier.cpu_seconds
        difference.by_thread = {thread: count - earlier.by_thread.get(thread, 0) for thread, count in self.by_thread.items()}
        return difference

    @property
    def switches(self):
        return sum(self.by_thread.values())


class Memory:
    """KiB of processes together: `private`, what would be free without them; `anonymous`, what they have written, whoever else runs the
    same programs; `proportional`, shared pages divided."""

    def __init__(self, pids):
        self.private = self.anonymous = self.proportional = self.resident = 0
        for pid in pids:
            fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M))
            self.resident += int(fields["Rss"])
            self.proportional += int(fields["Pss"])
            self.anonymous += int(fields["Anonymous"])
            self.private += int(fields["Private_Clean"]) + int(fields["Private_Dirty"])


def descriptors(pids):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


class SystemCalls:
    """Counts those of processes, all their threads, for some seconds; with perf(1), because strace(1) wakes what it attaches to.
    Enter it, measure, and `wait` for the counts."""

    def __init__(self, pids_by_name, seconds):
        self.pids_by_name, self.seconds = pids_by_name, seconds
        self.counters = {}

    @staticmethod
    def unavailable():
        """Why they cannot be counted here, or None."""
        tried = subprocess.run(["perf", "stat", "-e", "raw_syscalls:sys_enter", "--", "true"], capture_output=True, text=True,
                               check=False) if shutil.which("perf") else None
        if tried is None:
            return "system calls are not counted: needs perf (apt-get install linux-perf)"
        return f"system calls are not counted: {tried.stderr.strip()[-300:]}" if tried.returncode else None

    def __enter__(self):
        for name, pids in self.pids_by_name.items():
            self.counters[name] = subprocess.Popen(
                ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", ",".join(map(str, pids)), "--", "sleep",
                 str(self.seconds)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        return self

    def wait(self):
        """Calls by name, once the seconds are over."""
        calls = {}
        for name, counter in self.counters.items():
            counted = re.search(r"^([^,]*),[^,]*,raw_syscalls:sys_enter", counter.stderr.read(), re.M)
            if not counted:
                calls[name] = None
            else:
                # What did not run at all is "not counted".
                calls[name] = int(counted.group(1)) if counted.group(1).isdigit() else 0
        return calls

    def __exit__(self, *_):
        for counter in self.counters.values():
            counter.kill()
            counter.wait()
            counter.stderr.close()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values):
    return statistics.median(values)


def seconds(function):
    """How long a call takes, and what it returned."""
    began = time.monotonic()
    result = function()
    return time.monotonic() - began, result


def machine():
    """One line about where this was measured."""
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1)) / 2**20
    load = Path("/proc/loadavg").read_text().split()[0]
    return (f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, Linux {platform.release()}, {os.cpu_count()} x "
            f"{model.group(1) if model else platform.machine()}, {memory:.0f} GiB, load {load} at the start")


def table(rows, title=None):
    """Prints rows, the first of which is the head, as a Markdown table whose columns are aligned."""
    rows = [[cell if isinstance(cell, str) else figure(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    if title:
        print(f"\n{title}\n")
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) if column == 0 else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        print("| " + " | ".join(cells) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 1) + ("-" if column == 0 else ":") for column, width in enumerate(widths)) + "|")
    print(flush=True)


def figure(value):
    """Three significant digits, as people write them; - for what there is none of."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if value == 0:
        return "0"
    digits = max(0, 2 - int(f"{abs(value):e}".split("e")[1]))
    return f"{value:,.{digits}f}"

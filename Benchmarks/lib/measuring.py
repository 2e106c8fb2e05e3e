# SPDX-License-Identifier: Apache-2.0
"""What the kernel knows of processes, medians of it, and a table."""

import os
import platform
import re
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
    """CPU time, context switches and system calls of processes at one moment; subtract an earlier one."""

    def __init__(self, pids):
        self.cpu_seconds = self.switches = 0
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                self.cpu_seconds += int((task / "schedstat").read_text().split()[0]) / 1e9
                self.switches += sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", (task / "status").read_text())))

    def __sub__(self, earlier):
        difference = Use([])
        difference.cpu_seconds = self.cpu_seconds - earlier.cpu_seconds
        difference.switches = self.switches - earlier.switches
        return difference


class Memory:
    """KiB of processes together: `private`, what would be free without them; `proportional`, shared pages divided."""

    def __init__(self, pids):
        self.private = self.proportional = self.resident = 0
        for pid in pids:
            fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M))
            self.resident += int(fields["Rss"])
            self.proportional += int(fields["Pss"])
            self.private += int(fields["Private_Clean"]) + int(fields["Private_Dirty"])


def descriptors(pids):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


class SystemCalls:
    """Counts with strace(1), of all threads of each process, from now until `stop`."""

    def __init__(self, pids_by_name, directory):
        self.tracers = {}
        for name, pids in pids_by_name.items():
            out = Path(directory) / f"strace.{name}"
            command = ["strace", "-f", "-c", "-o", str(out)]
            for pid in pids:
                command += ["-p", str(pid)]
            tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                      text=True)
            self.tracers[name] = (tracer, out)
        for name, (tracer, _) in self.tracers.items():
            # It says so when the last one is attached.
            for _ in pids_by_name[name]:
                tracer.stderr.readline()

    def stop(self):
        """Calls by name; counting ends for all."""
        calls = {}
        for name, (tracer, out) in self.tracers.items():
            tracer.send_signal(2)
            tracer.wait()
            tracer.stderr.close()
            total = re.search(r"^100\.00\s+\S+\s+\S*\s+(\d+).*total$", out.read_text(), re.M)
            calls[name] = int(total.group(1)) if total else 0
        return calls


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

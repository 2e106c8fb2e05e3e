# SPDX-License-Identifier: Apache-2.0
"""What a campaign plays on: a platform of its own with a tap in it, the history as it comes, and looks at what runs."""

import glob
import json
import os
import select
import shutil
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

from harness.platform import Platform
from harness.waiting import Deadline, Lines
from tap import Tap

ORPHANS = "processes that no instance owns"
LEAKS = "cgroups, FIFOs, files or descriptors left over"
DIED = "a daemon that ended by itself"


def nanoseconds(text):
    """A timestamp of the API on the wall clock."""
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return int(moment.timestamp() * 1000) * 1_000_000


class History(threading.Thread):
    """Every event of the control plane, from the first; comes back when the control plane does."""

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api = api
        self.events = []
        self.changed = threading.Condition()
        self.leaving = threading.Event()
        self.close = lambda: None
        self.start()

    def run(self):
        while not self.leaving.is_set():
            since = self.events[-1]["id"] if self.events else 0
            try:
                lines, self.close = self.api.follow(f"/events?follow=true&limit=10000&since={since}")
            except (OSError, AssertionError):
                self.leaving.wait(0.1)  # There is no event for a socket that will be there again.
                continue
            if self.leaving.is_set():
                break  # `leave` has closed the one before.
            while (line := lines.next(3600)) is not Lines.END:
                if line is not None:
                    with self.changed:
                        self.events.append(json.loads(line))
                        self.changed.notify_all()
            self.close()
        self.close()

    def leave(self):
        self.leaving.set()
        self.close()
        self.join()

    def wait_for(self, wanted, what, seconds=60):
        """Waits until `wanted(events)` is true; it is asked after every event."""
        deadline = Deadline(seconds)
        with self.changed:
            while not wanted(self.events):
                if deadline.passed:
                    raise AssertionError(f"{what} did not come within {deadline.seconds:.0f} s")
                self.changed.wait(deadline.left)


class Stage(Platform):
    """A platform whose agent talks to its control plane through a tap."""

    def __init__(self, evidence=None):
        super().__init__()
        self.evidence = evidence
        self.tap_path = self.home / "tap.sock"
        self.tap = Tap(self.tap_path, self.home / "run/paasd.sock")
        self.history = None
        self.earlier_agents = []  # Replaced ones; a failed replacement leaves one running.

    def start(self):
        super().start()
        self.history = History(self.api)
        return self

    def start_agent(self, wait=True, arguments=()):
        if self.agent and self.agent.running:
            self.earlier_agents.append(self.agent)
        super().start_agent(wait, ["--api", f"unix:{self.tap_path}", *arguments])

    def wait_until_connected(self):
        self.agent.wait_until_ready(lambda: any(node["connected"] for node in self.api.get("/nodes")), seconds=30)

    def tear_down(self):
        if self.history:
            self.history.leave()
        if self.evidence:
            self.leave_evidence(self.evidence / self.name)
        for agent in self.earlier_agents:
            agent.stop()
        problems = super().tear_down()
        self.tap.close()
        return problems

    def leave_evidence(self, place):
        """A line of JSON for each report, assignment and event, and the logs."""
        place.mkdir(parents=True, exist_ok=True)
        for name, found in (("reports", self.tap.in_order()), ("assignments", self.tap.assignments.items()),
                            ("history", self.history.events if self.history else [])):
            (place / f"{name}.ndjson").write_text("".join(json.dumps(one) + "\n" for one in found))
        for log in self.home.glob("*.log"):
            shutil.copy(log, place)
        for journal in self.home.glob("agent/apps/*/data/journal"):
            shutil.copy(journal, place / f"journal-{journal.parts[-3]}")

    # What is there

    def live_runs(self):
        """Run cgroups with a process in them, by the run's name."""
        found = {}
        for path in self.cgroups("paas-*.slice/*/"):
            if populated(path):
                found[path.name] = path
        return found

    def cgroups(self, pattern):
        """Directories below the agent's root. Unlike Path.glob it survives one that goes meanwhile."""
        return [Path(path) for path in glob.glob(f"{self.cgroup.path}/{pattern}")]

    def recorded_runs(self):
        """Names of the runs that stand in the agent's records, each with its instance."""
        found = {}
        for path in (self.home / "agent/instances").glob("*.record"):
            try:
                record = written_record(path.read_bytes())
            except OSError:
                continue
            if record is None:
                continue
            for kind in ("run", "standby"):
                if record.get(kind):
                    found[record[kind]["runID"]] = path.stem
        return found

    def look_for_orphans(self, findings):
        """Processes outside every recorded run: an agent that just started may still be killing some, so each gets
        time to become empty or known."""
        for name, path in self.live_runs().items():
            deadline = Deadline(20)
            while name not in self.recorded_runs() and populated(path):
                if deadline.passed:
                    findings.violated(ORPHANS, f"{path}: {sorted(self.processes_in(path).values())}")
                    break
                wait_for_change(path / "cgroup.events", min(0.2, deadline.left))

    def processes_in(self, path):
        found = {}
        for directory, _, _ in os.walk(path):
            try:
                pids = Path(directory, "cgroup.procs").read_text().split()
            except OSError:
                continue
            for pid in pids:
                try:
                    with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                        found[int(pid)] = file.read().strip()
                except OSError:
                    continue
        return found

    def look_for_leaks(self, findings, runs):
        """At rest with `runs` runs alive: the agent holds one pidfd for each, and nothing of a run that is gone."""
        names = set(self.live_runs())
        found = self.agent.descriptors()
        pidfds = sum(link == "anon_inode:[pidfd]" or link.startswith("pidfd:") for link in found.values())
        if pidfds != runs:
            findings.violated(LEAKS, f"the agent holds {pidfds} pidfds for {runs} runs")
        for link in found.values():
            of_run = "/agent/runs/" in link or ".slice/" in link
            if of_run and ("(deleted)" in link or not any(name in link for name in names)):
                findings.violated(LEAKS, f"the agent holds {link}")
        prepared = [name for name in os.listdir(self.home / "agent/runs") if name.startswith("prepared-")]
        if len(prepared) > 2 * max(2, os.cpu_count()):
            findings.violated(LEAKS, f"agent/runs has {len(prepared)} directories for runs to come")
        for name in os.listdir(self.home / "agent/runs"):
            if name not in names and name not in prepared:
                findings.violated(LEAKS, f"agent/runs/{name} of no live run")
        for path in self.cgroups("paas-*.slice/*/"):
            if path.name not in names:
                findings.violated(LEAKS, f"cgroup {path.parent.name}/{path.name} of no live run")

    def look_for_remains(self, findings):
        """After every app was destroyed there is nothing. The agent removes an app's files after its last report, and
        there is no event for that."""
        deadline = Deadline(20)
        while (found := self.remains()) and not deadline.passed:
            time.sleep(0.05)
        for what in found:
            findings.violated(LEAKS, f"{what} after the last app was destroyed")

    def remains(self):
        places = [self.home / "agent" / name for name in ("runs", "instances", "apps", "logs", "outbox")]
        files = [
            path for place in places for path in place.iterdir()
            if path.name != "reserved" and not path.name.startswith("prepared-")
        ]
        return [str(path) for path in [*self.cgroups("paas-*.slice/"), *files]]


def written_record(content):
    """The record in a file of two places, see RecordFile; None when neither has a whole one."""
    found = {}
    half = len(content) // 2
    for place in (content[:half], content[half:]):
        head, _, rest = place.partition(b"\n")
        fields = head.split()
        if len(fields) != 5 or fields[0] != b"paas-record":
            continue
        try:
            found[int(fields[2], 16)] = json.loads(rest[: int(fields[3], 16)])
        except ValueError:
            continue
    return found[max(found)] if found else None


def populated(path):
    try:
        return "populated 1" in (path / "cgroup.events").read_text()
    except OSError:
        return False


def wait_for_change(path, seconds):
    """Waits until a kernel file signals a change, or the seconds pass."""
    try:
        with open(path, encoding="ascii") as file:
            file.read()
            poll = select.poll()
            poll.register(file, select.POLLPRI)
            poll.poll(seconds * 1000)
    except OSError:
        pass

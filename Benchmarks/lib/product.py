# SPDX-License-Identifier: Apache-2.0
"""A Mini PaaS with many small apps, which ends completely whatever happens. Import it before the harness."""

import contextlib
import hashlib
import io
import json
import os
import sys
import tarfile
import time
from pathlib import Path

# Limits of waiting only say when to give up, and a thousand apps take longer than those of a test.
os.environ.setdefault("E2E_SLOWNESS", "5")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Tests/e2e"))

from beats import compiler_missing, starts, undisturbed  # noqa: E402
from harness import platform  # noqa: E402
from harness.waiting import Deadline  # noqa: E402

# Relative, because with sandbox off there is no /app.
APP = "./beat"
PORTS, FEW_APPS = "21000-23999", 2_900
# All that there are below those of daemons; tests that run meanwhile have theirs among them.
MORE_PORTS, MOST_APPS = "20000-29999", 9_000


def unavailable():
    """Why no benchmark with apps can run here, or None."""
    missing = [name for name in ("paasd", "agent", "paas", "paas-init") if not (platform.BINARIES / name).exists()]
    if missing:
        return f"{', '.join(missing)} not found in {platform.BINARIES}; run deploy/build or set PAAS_BINARIES"
    return platform.unavailable() or compiler_missing()


class Product(platform.Platform):
    """Used with `with`: paasd, agent and the app's bundle are there at its beginning, and nothing is at its end."""

    def __init__(self, name, beat, agent_arguments=(), apps=1):
        super().__init__()
        # An app with sandbox off finds its files by their true path.
        self.home.chmod(0o711)
        self.title = name
        self.beat = beat
        self.agent_arguments = agent_arguments
        self.port_range = PORTS if apps <= FEW_APPS else MORE_PORTS
        self.bundle = None

    def __enter__(self):
        try:
            self.start_paasd()
            self.start_agent(arguments=self.agent_arguments)
            self.bundle = self._upload()
        except BaseException:
            self._end_all()
            raise
        return self

    def __exit__(self, *_):
        self._end_all()

    def _upload(self):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(self.beat, "beat")
        digest = hashlib.sha256(archive.getvalue()).hexdigest()
        answer = self.api.request("PUT", f"/bundles/{digest}", archive.getvalue(), {"Content-Type": "application/octet-stream"})
        if answer.status not in (200, 201):
            raise AssertionError(f"the bundle was not taken: {answer.status} {answer.text}")
        return digest

    def create(self, name, arguments=(), **fields):
        """Asks for one app and does not wait for it."""
        answer = self.api.request("POST", "/apps", {"name": name, "command": [APP, *arguments], "bundle": self.bundle, **fields})
        if answer.status != 201:
            raise AssertionError(f"{name} was not taken: {answer.status} {answer.text}")
        return answer.json

    def create_idle(self, numbers, **fields):
        """Apps that leave no trace, one for each number."""
        for number in numbers:
            self.create(f"idle-{number:04}", ["/dev/null"], **fields)

    @contextlib.contextmanager
    def expecting(self, count, seconds=120):
        """Ends when so many apps have become ready since its beginning, or the time is over. The events are read, not the apps: a
        list of a thousand, made again and again, would cost paasd more than what is measured."""
        lines, close = self.api.follow("/events?follow=true&limit=0")
        try:
            yield
            deadline = Deadline(seconds)
            while count > 0 and not deadline.passed:
                line = lines.next(deadline.left)
                if line is lines.END:
                    break
                count -= line is not None and json.loads(line)["kind"] == "ready"
        finally:
            close()

    def wait_for_all(self, wanted, seconds=120):
        """Looks until `wanted(app)` holds of all apps, or the time is over; those of which it does not hold. Looking takes at
        most a twentieth of the time, because it costs paasd what is measured."""
        deadline = Deadline(seconds)
        while True:
            began = time.monotonic()
            late = [app["name"] for app in self.api.get("/apps") if not wanted(app)]
            if not late or deadline.passed:
                return late
            time.sleep(max(0.05, 19 * (time.monotonic() - began)))

    def wait_until_running(self, seconds=120):
        late = self.wait_for_all(lambda app: app["status"] in ("running", "failed"), seconds)
        late += [app["name"] for app in self.api.get("/apps") if app["status"] == "failed"]
        if late:
            app = self.app(late[0])
            raise AssertionError(f"{len(late)} apps do not run, such as {app['name']}: {app['status']}, {app['reason']}")

    def apps_and_others(self):
        """Pids below the agent's cgroup: those of the apps, and those of what stands around them."""
        found = self.cgroup.processes()
        apps = [pid for pid, command in found.items() if command.split(" ")[0] == APP]
        return apps, [pid for pid in found if pid not in set(apps)]

    def apps_cpu(self):
        """Seconds of CPU time that apps, and what stands around them, have used so far."""
        return cgroup_cpu(self.cgroup.path)

    def starts(self):
        """When the app began that writes it down; only one of them does."""
        return [moment for path in (self.home / "agent/apps").glob("*/data/started") for moment in starts(path)]

    def _end_all(self):
        with undisturbed():
            problems = []
            try:
                # Without its agent nothing starts again what is killed.
                if self.agent:
                    self._end(self.agent, problems)
                if self.cgroup.processes():
                    self.cgroup.kill()
                problems += self.tear_down()
            finally:
                if self.paasd:
                    self.paasd.kill()
            for problem in problems:
                print(f"left over: {problem}", file=sys.stderr)


def cgroup_cpu(directory):
    fields = dict(line.split() for line in (directory / "cpu.stat").read_text().splitlines())
    return int(fields["usage_usec"]) / 1e6

# SPDX-License-Identifier: Apache-2.0
"""One fault at a time on a platform of its own: a bystander that must serve all along, and a victim."""

import contextlib
import random
import re
import subprocess
import time
from pathlib import Path

import verdicts
from ends import judge_reports, stop_all, wait_until_reported
from fleet import Fleet
from harness.waiting import Deadline
from stage import DIED, LEAKS, Stage

SILENT = "faults that nothing clear was said of"
HURT = "faults that hurt the agent or an app they did not concern"
STUCK = "faults that outlasted their cause"


class Scene:
    """A context manager. At its end everything is stopped and every end and every leak is judged."""

    def __init__(self, name, findings, options, mounts=(), check_lines=True):
        self.evidence = options.evidence and options.evidence / name
        self.findings = findings
        findings.context = f"{name}: "
        self.mounts = mounts  # (directory below the home, size) of a small file system each.
        self.check_lines = check_lines
        self.cleanup = contextlib.ExitStack()
        self.stage = None
        self.fleet = None
        self.said = []  # (pattern, app) of what an event must tell in the end.

    def __enter__(self):
        self.stage = Stage(self.evidence)
        try:
            for place, size in self.mounts:
                path = self.stage.home / place
                path.mkdir(mode=0o700)
                self.mount("-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", path)
            self.stage.unmount = self.unmount
            self.stage.start()
            self.fleet = Fleet(self.stage, self.findings, random.Random(1), 0, roles=("server",))
            self.bystander = self.add("bystander")
            self.victim = self.add("victim")
        except BaseException:
            self.stage.tear_down()
            raise
        return self

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self.judge()
            elif issubclass(kind, AssertionError):
                self.violated(STUCK, str(error))
        finally:
            for problem in self.stage.tear_down():
                self.violated(LEAKS, problem)
            self.findings.context = ""
        return kind is not None and issubclass(kind, AssertionError)

    def judge(self):
        self.goes_on()
        stop_all(self.stage, self.fleet, self.findings)
        wait_until_reported(self.stage, self.findings)
        self.stage.look_for_leaks(self.findings, runs=0)
        for pattern, app in self.said:
            if not any(re.search(pattern, text) for text in self.told(app)):
                self.violated(SILENT, f"no event{app and ' of ' + app.name or ''} says '{pattern}'")
        judge_reports(self.stage, self.fleet, self.findings, lines=self.check_lines)

    def violated(self, invariant, sentence):
        self.findings.violated(invariant, sentence)

    # The apps

    def add(self, name, wait=True):
        app = self.fleet.create(name)
        if wait:
            self.wait_until_runs(app)
        return app

    def wait_until_runs(self, app, seconds=30):
        return self.stage.wait_for_app(app.name, lambda one: one["status"] == "running", "running", seconds)

    def kill(self, app):
        """Returns the pid that was."""
        pid = self.stage.app(app.name)["pid"]
        app.evidence.hold()
        self.fleet.kill_app(app)
        return pid

    # What must be so

    def says(self, pattern, app=None, by_event=True, seconds=30):
        """The agent's log or an event (of the app) says it while it lasts; unless `by_event` is false an event does so in
        the end. There is nothing to wait for that tells of a line in a log file."""
        if by_event:
            self.said.append((pattern, app))
        deadline = Deadline(seconds)
        while not deadline.passed:
            if any(re.search(pattern, text) for text in [*self.told(app), *self.stage.agent.log().splitlines()]):
                return
            time.sleep(0.05)
        self.violated(SILENT, f"neither log nor event says '{pattern}'")

    def told(self, app):
        """The sentences of all events so far, or of those of an app."""
        with self.stage.history.changed:
            events = list(self.stage.history.events)
        return [event["message"] for event in events if app is None or event.get("app") == app.name]

    def goes_on(self):
        """The agent lives, and the bystander serves through it."""
        if not self.stage.agent.running:
            self.violated(DIED, f"the agent ended with {self.stage.agent.process.returncode}: "
                                f"{self.stage.agent.log()[-1500:]}")
            return
        self.serves(self.bystander)

    def serves(self, app):
        try:
            answer = self.stage.get(app.name, timeout=10)
        except OSError as error:
            self.violated(HURT, f"{app.name} does not answer: {error}")
            return
        if answer.status != 200:
            self.violated(HURT, f"{app.name} answers {answer.status} {answer.text[:200]}")

    def recovers(self, app=None, but_not_pid=None, seconds=90):
        """Without help the app runs, as the control plane sees it and as the router does."""
        app = app or self.victim
        try:
            self.stage.wait_for_app(
                app.name, lambda one: one["status"] == "running" and one["pid"] and one["pid"] != but_not_pid,
                "recovery", seconds)
        except AssertionError as error:
            self.violated(STUCK, str(error))
            return
        self.serves(app)

    # Means

    def mount(self, *arguments):
        """Inside the private mount namespace that `run faults` made. Its end is `unmount`, or that of the scene."""
        subprocess.run(["mount", *arguments], check=True)
        self.cleanup.callback(subprocess.run, ["umount", "--lazy", arguments[-1]], check=True)

    def unmount(self):
        self.cleanup.close()

    def supervisor_thread(self):
        """The thread id of the agent's supervisor, which alone starts processes."""
        for task in (self.proc() / "task").iterdir():
            if (task / "comm").read_text().strip() == "supervisor":
                return task.name
        raise AssertionError("the agent has no thread 'supervisor'")

    def proc(self):
        return Path(f"/proc/{self.stage.agent.pid}")


ALL = (SILENT, HURT, STUCK, DIED, LEAKS, *verdicts.ALL)

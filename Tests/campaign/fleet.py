# SPDX-License-Identifier: Apache-2.0
"""The apps of a campaign, and what is done to them: deployed, stopped, started, scaled, destroyed, killed."""

import os
import signal
import threading
import time
from pathlib import Path

from evidence import Evidence

APP_SOURCE = Path(__file__).resolve().parent / "apps/numbered"

# What kinds of apps there are: environment, and what else their creation says.
ROLES = {
    "server": ({"RATE": "10"}, {}),
    "crasher": ({"LIFE": "0.3-4"}, {}),
    "brief": ({"LIFE": "0-0.4", "SILENT": "1"}, {}),
    "chatty": ({"RATE": "40", "BURST": "1500"}, {}),
    "forker": ({"LIFE": "0.5-6", "DAEMONS": "3"}, {}),
    "deaf": ({"STOP": "deaf", "DAEMONS": "1"}, {"stopGraceSeconds": 0.5}),
    "signalled": ({"STOP": "signal", "ENDS": "signal", "LIFE": "1-8"}, {}),
    "once": ({"LIFE": "0.3-3"}, {"restart": "never"}),
    "careful": ({"LIFE": "0.3-3", "ENDS": "code"}, {"restart": "on-failure"}),
    "pair": ({"LIFE": "2-10", "ENDS": "code"}, {"instances": 2}),
}


class FleetApp:
    def __init__(self, home, shown, role):
        self.name = shown["name"]
        self.id = shown["id"]
        self.role = role
        self.always = shown["restart"] == "always"
        self.evidence = Evidence(home, self.id, self.name)
        self.running = True
        self.instances = shown["instances"]
        self.destroyed = False


class Fleet:
    """All apps; `act` does one random thing to one of them."""

    def __init__(self, stage, findings, dice, size, roles=tuple(ROLES)):
        self.roles = roles
        self.stage = stage
        self.findings = findings
        self.dice = dice
        self.size = size
        self.apps = []
        self.kills = {}  # By token: what was killed from outside, `app` or `init`, and when.
        self.refused = 0
        self.lock = threading.Lock()
        stage.paas("deploy", "--name", "template", "--source", APP_SOURCE, "--instances", "0", "--no-wait")
        (release,) = stage.api.get("/apps/template/releases")
        self.bundle, self.command = release["bundle"], release["command"]

    @property
    def present(self):
        return [app for app in self.apps if not app.destroyed]

    def create(self, name=None):
        role = self.roles[len(self.apps) % len(self.roles)]
        environment, more = ROLES[role]
        body = {
            "name": name or f"{role}-{len(self.apps)}", "command": self.command, "bundle": self.bundle,
            "env": {"SEED": str(self.dice.random()), **environment}, **more,
        }
        answer = self.stage.api.request("POST", "/apps", body)
        if answer.status != 201:
            raise AssertionError(f"POST /apps: {answer.status} {answer.text}")
        self.apps.append(FleetApp(self.stage.home, answer.json, role))
        self.findings.count("apps created")
        return self.apps[-1]

    def fill(self):
        while len(self.present) < self.size:
            self.create()

    # Acts

    def act(self):
        """One act. Weights: what makes runs begin and end comes most often."""
        acts = {self.stop: 3, self.start: 4, self.restart: 3, self.scale: 2, self.change: 2, self.kill_app: 3,
                self.kill_init: 1, self.destroy: 1}
        act = self.dice.choices(list(acts), list(acts.values()))[0]
        app = self.dice.choice(self.present)
        # In time, and before an act that may remove it.
        has_run = app.evidence.hold()
        if act != self.destroy or has_run:
            act(app)
            self.findings.count("acts")
        self.fill()

    def ask(self, method, path, body=None):
        """A request that may be refused (409: a change is under way), and must not fail."""
        answer = self.stage.api.request(method, path, body)
        if answer.status >= 500:
            self.findings.violated("requests that failed", f"{method} {path}: {answer.status} {answer.text}")
        if answer.status >= 300:
            self.refused += 1
        return answer.status < 300

    def stop(self, app):
        if self.ask("POST", f"/apps/{app.name}/stop"):
            app.running = False

    def start(self, app):
        if self.ask("POST", f"/apps/{app.name}/start"):
            app.running = True

    def restart(self, app):
        if self.ask("POST", f"/apps/{app.name}/restart"):
            app.running = True

    def scale(self, app):
        number = self.dice.randint(1, 3)
        if self.ask("POST", f"/apps/{app.name}/scale", {"instances": number}):
            app.instances = number

    def change(self, app):
        self.ask("PATCH", f"/apps/{app.name}", {"env": {"CHANGED": str(self.dice.random())}})

    def destroy(self, app):
        if self.ask("DELETE", f"/apps/{app.name}"):
            app.evidence.hold_to_the_end()
            app.destroyed = True
            self.findings.count("apps destroyed")

    def kill_app(self, app):
        self._kill(app, "app")

    def kill_init(self, app):
        self._kill(app, "init")

    def _kill(self, app, what):
        """SIGKILL from outside to one run. The run's token is the name of the app's own process."""
        for path in self.stage.live_runs().values():
            if path.parent.name != f"paas-{app.name}.slice":
                continue
            names = self.stage.processes_in(path)
            token = next((name for name in names.values() if len(name) == 12 and name.isalnum()), None)
            wanted = token if what == "app" else "paas-init"
            pid = next((pid for pid, name in names.items() if name == wanted), None)
            if not token or not pid:
                continue
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                # Once the pidfd is open the number cannot come to mean another process.
                if self.stage.processes_in(path).get(pid) != wanted:
                    continue
                with self.lock:
                    self.kills.setdefault(token, []).append((what, time.time_ns()))
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                self.findings.count("runs killed from outside")
            except ProcessLookupError:
                pass
            finally:
                os.close(descriptor)
            return

    # The end

    def calm_down(self):
        """From now on no app ends by itself."""
        for app in self.present:
            self.calm(app)

    def calm(self, app):
        """Calms one app. One that has never run yet has no directory, and is calmed by a later call."""
        data = self.stage.home / "agent/apps" / app.id / "data"
        if data.exists():
            (data / "calm").touch()

    def runs(self, app):
        """The app's runs, with what was done to them."""
        found = app.evidence.runs()
        for token, run in found.items():
            kills = self.kills.get(token, [])
            run.kills = [what for what, _ in kills]
            run.killed = kills[0][1] if kills else None
        return list(found.values())


class Driver(threading.Thread):
    """Acts until it is told to leave, with random pauses. An exception ends it and is raised by `leave`."""

    def __init__(self, fleet, dice, longest_pause):
        super().__init__(daemon=True)
        self.fleet = fleet
        self.dice = dice
        self.longest_pause = longest_pause
        self.leaving = threading.Event()
        self.error = None
        self.start()

    def run(self):
        try:
            while not self.leaving.wait(self.dice.uniform(0, self.longest_pause)):
                self.fleet.act()
        except Exception as error:  # Told by `leave`, in the thread that can end the campaign.
            self.error = error

    def leave(self):
        self.leaving.set()
        self.join()
        if self.error:
            raise self.error

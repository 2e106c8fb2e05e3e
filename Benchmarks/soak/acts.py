# SPDX-License-Identifier: Apache-2.0
"""What the driver does to the platform, one act after the other. Every act leaves the same apps behind, and they have as many
instances as before."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time

from harness.http import fetch
from harness.platform import BINARIES
from harness.waiting import Deadline
from holdings import LOG_SIZE

# Contents of the bundle: a release whose bundle nobody refers to any more leaves it on disk for an hour.
VARIANTS = 20
RELEASES_KEPT = 100
EVENTS_KEPT = 10_000
FOLLOWERS = 4
# A crash after so long a life is answered at once.
LIFECYCLE = {"healthyAfterSeconds": 0.3, "drainSeconds": 2, "logSizeBytes": LOG_SIZE}
FLEET = {
    "one": {}, "two": {"instances": 2}, "three": {"instances": 3},
    "dropping": {"lifecycle": {**LIFECYCLE, "logFlood": "drop"}},
    "strict": {"sandbox": "strict"}, "checked": {"healthPath": "/healthz"},
    "outbound": {"network": "egress"}, "disk": {"limits": {"diskBytes": 64 << 20}},
}
SIGNALS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM)
# A path of the greatest length that the access log keeps fills it soon.
LONG = "/" + "x" * 1_000
# Times the harness's slowness: far beyond what anything takes, because the driver may be stopped for minutes and clocks go on.
PATIENCE = 120


class Failed(Exception):
    """An act did not do what it had to."""


class Load:
    """`act` does one act, chosen by chance, and counts it by name."""

    def __init__(self, platform, web, dice, directory):
        self.platform, self.dice, self.directory = platform, dice, directory
        self.counts, self.failures = {}, []
        self.followers = []
        self.serial = 0
        self.apps = {}
        for number in range(VARIANTS):
            variant = directory / f"variant-{number}"
            variant.mkdir()
            shutil.copy(web, variant / "web")
            (variant / "Procfile").write_text("web: exec ./web\n")
            (variant / "content").write_text(f"{number}\n")
        # How often each comes, of all.
        self.acts = {
            self.request: 14, self.crash: 10, self.flood: 6, self.fork: 2, self.deploy: 6, self.fail: 1, self.change: 3, self.scale: 2,
            self.roll_back: 2, self.restart: 3, self.stop: 2, self.one_off: 3, self.execute: 2, self.follow: 4, self.look: 4,
            self.come_and_go: 4, self.token: 1, self.leave: 2,
        }

    # The fleet

    def begin(self):
        """Creates the apps, each with as many releases as are kept. One that this node refuses is left out."""
        self.paas("deploy", "--name", "seed", "--source", self.directory / "variant-0", "--instances", "0", "--no-wait")
        (release,) = self.platform.api.get("/apps/seed/releases")
        for name, fields in FLEET.items():
            body = {"name": name, "command": release["command"], "bundle": release["bundle"], "lifecycle": LIFECYCLE, **fields}
            instances = body.pop("instances", 1)
            answer = self.ask("POST", "/apps", {**body, "instances": 0}, expect=None)
            if answer.status != 201:
                print(f"{name} is left out: {answer.status} {answer.text}", flush=True)
                continue
            for number in range(RELEASES_KEPT):
                self.ask("PATCH", f"/apps/{name}", {"env": {"VERSION": str(number)}})
            self.ask("POST", f"/apps/{name}/scale", {"instances": instances})
            self.apps[name] = instances
        self.paas("destroy", "seed", "--yes")
        for name in list(self.apps):
            try:
                self.wait_for(name)
            except Failed as error:
                print(f"{name} is left out: {error}", flush=True)
                self.paas("destroy", name, "--yes")
                del self.apps[name]

    @property
    def full(self):
        """Whether there is as much history as is kept: from then on what comes takes the place of what goes."""
        newest = self.platform.api.get("/events?limit=1")
        return bool(newest) and newest[0]["id"] > EVENTS_KEPT * 1.1

    def rest(self):
        """No act under way, nobody who follows, every app as it was at the beginning."""
        while self.followers:
            self.end_follower()
        for name in self.apps:
            self.wait_for(name)
        names = {app["name"] for app in self.platform.api.get("/apps")}
        for name in names - set(self.apps):
            self.paas("destroy", name, "--yes")

    def wait_for(self, name):
        deadline = Deadline(PATIENCE)
        while True:
            app = self.platform.app(name)
            running = [one for one in self.platform.api.get(f"/apps/{name}/instances") if (one["status"] or {}).get("state") == "running"]
            if app["status"] == "running" and len(running) == self.apps[name] == app["instances"] and not under_way(app):
                return
            if app["status"] == "failed" or deadline.passed:
                raise Failed(f"{name} is {app['status']} with {len(running)} of {self.apps[name]} instances: {app.get('reason')}")
            time.sleep(0.1)

    # Asking

    def act(self):
        act = self.dice.choices(list(self.acts), list(self.acts.values()))[0]
        name = act.__name__
        try:
            act()
            self.counts[name] = self.counts.get(name, 0) + 1
        except (Failed, AssertionError, OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
            self.failures.append(f"{time.strftime('%H:%M:%S')} {name}: {type(error).__name__}: {str(error).strip()[:2_000]}")

    def paas(self, *arguments, expect=0):
        return self.platform.paas(*arguments, expect=expect, timeout=PATIENCE)

    def ask(self, method, path, body=None, expect=300):
        answer = self.platform.api.request(method, path, body)
        if expect and answer.status >= expect:
            raise Failed(f"{method} {path}: {answer.status} {answer.text[:300]}")
        return answer

    def some_app(self):
        return self.dice.choice(list(self.apps))

    def get(self, name, path="/"):
        """A request that may meet an app that has just ended, but not one that stays away."""
        deadline = Deadline(PATIENCE)
        while (answer := self.platform.get(name, path)).status in (502, 503) and not deadline.passed:
            time.sleep(0.05)
        if answer.status != 200:
            raise Failed(f"GET {name}{path[:40]}: {answer.status} {answer.text[:200]}")
        return answer.text

    # Acts

    def request(self):
        """Fifty on one connection, and ten on connections of their own."""
        name = self.some_app()
        self.get(name)
        connection = http.client.HTTPConnection("127.0.0.1", self.platform.router_port, timeout=PATIENCE)
        try:
            for _ in range(50):
                connection.request("GET", f"/apps/{name}{LONG}")
                connection.getresponse().read()
        finally:
            connection.close()
        for _ in range(10):
            self.get(name, LONG)

    def crash(self):
        name = self.some_app()
        before = self.get(name)
        how = self.dice.choice([f"/exit/{self.dice.randint(0, 125)}", f"/signal/{int(self.dice.choice(SIGNALS))}"])
        try:
            self.platform.get(name, how)
        except (OSError, http.client.HTTPException):
            pass
        if self.apps[name] == 1 and self.get(name) == before:
            raise Failed(f"{name} did not end by {how}")
        # Not before it counts as healthy: the next crash is to be answered at once as well.
        time.sleep(LIFECYCLE["healthyAfterSeconds"])

    def flood(self):
        self.get(self.some_app(), f"/flood/{self.dice.randint(1_000, 40_000)}")

    def fork(self):
        """Daemons that outlive the app, and must not outlive its instance."""
        name = self.some_app()
        self.get(name, "/fork/3")
        self.paas("restart", name)

    def deploy(self):
        name = self.some_app()
        self.paas("deploy", "--name", name, "--source", self.variant(), "-e", f"VERSION={self.next()}")
        self.get(name)

    def fail(self):
        """A release that cannot start; the one before goes on. What it had set is taken back."""
        name = self.some_app()
        self.paas("deploy", "--name", name, "--source", self.variant(), "-e", "BROKEN=1", "--start-timeout", "5s", expect=1)
        self.paas("deploy", "--name", name, "--source", self.variant(), "-e", f"VERSION={self.next()}", "--start-timeout", "60s", expect=None)
        self.paas("env", "unset", name, "BROKEN", expect=None)
        self.get(name)

    def change(self):
        self.paas("env", "set", self.some_app(), f"VERSION={self.next()}")

    def scale(self):
        name = self.some_app()
        self.paas("scale", name, self.apps[name] + self.dice.randint(1, 2))
        self.get(name)
        self.paas("scale", name, self.apps[name])

    def roll_back(self):
        self.paas("rollback", self.some_app())

    def restart(self):
        self.paas("restart", self.some_app())

    def stop(self):
        name = self.some_app()
        self.paas("stop", name)
        self.paas("start", name)
        self.get(name)

    def one_off(self):
        self.paas("run", self.some_app(), "sh", "-c", "exit 7", expect=7)

    def execute(self):
        name = self.some_app()
        self.get(name)
        self.paas("exec", name, "sh", "-c", "exit 9", expect=9)

    def follow(self):
        """One more that follows, and the oldest leaves when there are enough. It reads what comes, and hands it to nobody."""
        name = self.some_app()
        command = self.dice.choice([["logs", name, "-f"], ["logs", name, "--access", "-f"], ["events", name, "-f"], ["events", "-f"],
                                    ["status", "--watch"]])
        self.followers.append(subprocess.Popen(
            [BINARIES / "paas", *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=self.platform.environment, start_new_session=True))
        if len(self.followers) > FOLLOWERS:
            self.end_follower()

    def end_follower(self):
        follower = self.followers.pop(0)
        # Some end by the book and some do not.
        follower.send_signal(self.dice.choice([signal.SIGTERM, signal.SIGKILL]))
        follower.wait()

    def look(self):
        name = self.some_app()
        command = self.dice.choice([["status"], ["status", name], ["top", "--once"], ["inspect", name], ["releases", name], ["events"],
                                    ["logs", name, "-n", "1000"], ["doctor"]])
        self.paas(*command, expect=None)
        for path in ("/metrics", "/stats", "/openapi.json"):
            self.ask("GET", path)
        # The dashboard is on the TCP address alone, and asks for a token.
        if (status := fetch(self.platform.api_port, "/", timeout=PATIENCE).status) >= 400:
            raise Failed(f"GET / of the dashboard: {status}")

    def come_and_go(self):
        """An app with a name that there has never been."""
        name = f"guest-{self.next()}"
        self.apps[name] = 1
        try:
            self.paas("deploy", "--name", name, "--source", self.variant(), "--drain", "2s")
            self.get(name)
            if self.dice.random() < 0.5:
                self.get(name, "/flood/5000")
        finally:
            del self.apps[name]
            self.paas("destroy", name, "--yes")

    def token(self):
        name = f"token-{self.next()}"
        secret = self.paas("token", "create", name, "--scope", "read", "--expires", "1h").out.split()[-1]
        answer = fetch(self.platform.api_port, "/apps", headers={"Authorization": f"Bearer {secret}"}, timeout=PATIENCE)
        self.paas("token", "revoke", name)
        if answer.status not in (200, 401):
            raise Failed(f"GET /apps with a token: {answer.status}")

    def leave(self):
        """Clients that go in the middle: of a head, of a body, of an answer."""
        name = self.some_app()
        for text in (f"GET /apps/{name}/ HT", f"POST /apps/{name}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf",
                     f"GET /apps/{name}/flood/20000 HTTP/1.1\r\nHost: a\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.platform.router_port), timeout=PATIENCE) as client:
                client.sendall(text.encode())

    def variant(self):
        return self.directory / f"variant-{self.dice.randrange(VARIANTS)}"

    def next(self):
        self.serial += 1
        return self.serial


def under_way(app):
    """Whether a rollout of it has not come to its end."""
    rollout = app.get("rollout")
    return bool(rollout) and rollout["phase"] == "progressing"


def cpu_seconds(platform):
    """Of the platform, its apps, the driver and what the driver has started and waited for."""
    own = os.times()
    driver = own.user + own.system + own.children_user + own.children_system
    daemons = sum(time.clock_gettime(~pid << 3 | 2) for pid in (platform.agent.pid, platform.paasd.pid))
    return driver + daemons + platform.apps_cpu()

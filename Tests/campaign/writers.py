# SPDX-License-Identifier: Apache-2.0
"""Clients that write to the control plane while it is killed, and hold it to everything that it acknowledged.

Each writer alone changes its apps, so it knows what must stand there: what was acknowledged last, or, when the answer to
a later write never came, that one.
"""

import threading
import time

from harness.waiting import Deadline

LOST_WRITES = "acknowledged writes lost"
TWICE = "writes that happened twice"
REFUSED = "writes that were refused"

# Releases kept for each app are 100; an app is destroyed before the first of them goes.
MAX_RELEASES = 80


class WrittenApp:
    """One app: what is certain of it, and what one unanswered write may have made of it."""

    def __init__(self, name):
        self.name = name
        self.sure = None  # (mark of the newest release, instances), or None while it does not exist.
        self.maybe = ()  # The state after a write whose answer never came.
        self.releases = {}  # Acknowledged ones: name, mark.


class Writer(threading.Thread):
    def __init__(self, stage, findings, dice, number):
        super().__init__(daemon=True)
        self.stage = stage
        self.findings = findings
        self.dice = dice
        self.number = number
        self.apps = []
        self.created = []  # Names of all apps that there ever were, for the events.
        self.destroyed = []
        self.marks = 0
        self.leaving = threading.Event()
        self.error = None
        self.start()

    def run(self):
        try:
            # The pause leaves the machine some room for others.
            while not self.leaving.wait(self.dice.uniform(0, 0.03)):
                self.write()
        except Exception as error:  # Told by `leave`, in the thread that can end the campaign.
            self.error = error

    def leave(self):
        self.leaving.set()
        self.join()
        if self.error:
            raise self.error

    def write(self):
        if len(self.apps) < 3:
            return self.create()
        app = self.dice.choice(self.apps)
        if len(app.releases) >= MAX_RELEASES or self.dice.random() < 0.02:
            return self.destroy(app)
        return self.dice.choice([self.change, self.change, self.scale])(app)

    # Writes

    def create(self):
        """With an idempotency key, so the same request is sent until it is answered."""
        name = f"w{self.number}-{len(self.created)}"
        app = WrittenApp(name)
        body = {"name": name, "command": self.next_command(), "instances": 0}
        app.maybe = ((self.marks, 0),)
        answer = self.until_answered("POST", "/apps", body, {"Idempotency-Key": name})
        if not self.expect(answer, app, 201, 200):
            return
        self.apps.append(app)
        self.created.append(name)
        app.sure, app.maybe = app.maybe[0], ()
        app.releases[answer.json["release"]] = self.marks
        # A stopped app has no processes, however many instances it is scaled to.
        self.until_answered("POST", f"/apps/{name}/stop")

    def change(self, app):
        body = {"command": self.next_command()}
        after = (self.marks, app.sure[1])
        answer = self.once(app, after, "PATCH", f"/apps/{app.name}", body)
        if answer and self.expect(answer, app, 200):
            app.releases[answer.json["rollout"]["release"]] = after[0]

    def scale(self, app):
        number = self.dice.randint(0, 50)
        answer = self.once(app, (app.sure[0], number), "POST", f"/apps/{app.name}/scale", {"instances": number})
        if answer:
            self.expect(answer, app, 200)

    def destroy(self, app):
        answer = self.until_answered("DELETE", f"/apps/{app.name}")
        # 404: an earlier attempt was carried out and its answer lost.
        self.expect(answer, app, 204, 404)
        self.apps.remove(app)
        self.destroyed.append(app.name)
        if self.until_answered("GET", f"/apps/{app.name}").status != 404:
            self.findings.violated(LOST_WRITES, f"{app.name} is there although its removal was acknowledged")

    def next_command(self):
        self.marks += 1
        return f": {self.marks}"

    # Asking

    def once(self, app, after, method, path, body):
        """One write; None when its answer never came. Then it is found out what became of it."""
        app.maybe = (after,)
        answer = self.request(method, path, body)
        if answer is None:
            self.findings.count("writes without an answer")
            self.look_at_all()
            return None
        if answer.status < 300:
            app.sure = after
            self.findings.count("writes acknowledged")
        app.maybe = ()
        return answer

    def request(self, method, path, body=None, headers=None):
        try:
            return self.stage.api.request(method, path, body, headers)
        except Exception:  # http.client has many kinds for a connection that dies.
            return None

    def until_answered(self, method, path, body=None, headers=None):
        deadline = Deadline(60)
        while (answer := self.request(method, path, body, headers)) is None:
            if deadline.passed:
                raise AssertionError(f"{method} {path} got no answer within {deadline.seconds:.0f} s")
            time.sleep(0.02)  # There is no event for a socket that will be there again.
        return answer

    def expect(self, answer, app, *statuses):
        if answer.status in statuses:
            return True
        self.findings.violated(REFUSED, f"{app.name}: {answer.status} {answer.text[:300]}")
        return False

    # Looking

    def look_at_all(self):
        for app in list(self.apps):
            self.look_at(app)

    def look_at(self, app):
        answer = self.until_answered("GET", f"/apps/{app.name}/releases")
        if answer.status != 200:
            self.apps.remove(app)
            self.findings.violated(LOST_WRITES, f"{app.name}: {answer.status} {answer.text[:200]}")
            return
        releases = {one["name"]: one for one in answer.json}
        shown = self.until_answered("GET", f"/apps/{app.name}").json
        newest = max(releases.values(), key=lambda one: int(one["name"][1:]))
        there = (mark_of(newest), shown["instances"])
        if there not in (app.sure, *app.maybe):
            self.findings.violated(LOST_WRITES, f"{app.name}: {there} is there, {app.sure} or {app.maybe} should be")
        app.sure, app.maybe = there, ()
        for name, mark in app.releases.items():
            if name not in releases or mark_of(releases[name]) != mark:
                self.findings.violated(LOST_WRITES, f"{app.name} {name} with ': {mark}'")
        marks = [mark_of(one) for one in releases.values()]
        if len(marks) != len(set(marks)):
            self.findings.violated(TWICE, f"{app.name}: two releases with one command")

    def look_at_events(self, events):
        """Every creation and every removal is told once."""
        for kind, names in (("created", self.created), ("destroyed", self.destroyed)):
            for name in names:
                times = sum(event["kind"] == kind and event.get("app") == name for event in events)
                if times != 1:
                    invariant = LOST_WRITES if times == 0 else TWICE
                    self.findings.violated(invariant, f"{name}: {times} events '{kind}'")


def mark_of(release):
    """The number in a release's command, a string or a list of words."""
    command = release["command"]
    return int((command if isinstance(command, str) else command[-1]).split()[-1])

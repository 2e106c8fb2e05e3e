# SPDX-License-Identifier: Apache-2.0
"""Campaign `agent-kills`: SIGKILL to the agent at random moments while apps start, crash, stop, serve and print."""

import random
import time

import verdicts
from ends import LOST_APPS, judge_reports, stop_all, wait_until_reported
from fleet import Driver, Fleet
from harness.waiting import SLOWNESS
from stage import DIED, LEAKS, ORPHANS, Stage

ROUTED = "apps that the router does not reach"
FAILED = "requests that failed"
TEAR_DOWN = "the platform did not end cleanly"


def add_options(parser):
    parser.add_argument("--rounds", type=int, default=20, help="kills of the agent (20)")
    parser.add_argument("--apps", type=int, default=10, help="apps that there are at any time (10)")
    parser.add_argument("--check-every", type=int, default=10, metavar="N", help="rounds between looks for orphans (10)")
    parser.add_argument("--pace", type=float, default=0.3, metavar="SECONDS",
                        help="longest pause between two acts of the driver (0.3)")


def run(options, findings):
    findings.expects(LOST_APPS, ROUTED, ORPHANS, LEAKS, DIED, FAILED, *verdicts.ALL, verdicts.NOT_STARTED, TEAR_DOWN)
    stage = Stage(options.evidence)
    try:
        stage.start()
        Campaign(stage, findings, options).play()
    finally:
        for problem in stage.tear_down():
            findings.violated(TEAR_DOWN, problem)


class Campaign:
    def __init__(self, stage, findings, options):
        self.stage = stage
        self.findings = findings
        self.options = options
        self.dice = random.Random(options.seed)
        self.fleet = Fleet(stage, findings, random.Random(f"{options.seed}/fleet"), options.apps)

    def play(self):
        self.fleet.fill()
        driver = Driver(self.fleet, random.Random(f"{self.options.seed}/driver"), self.options.pace)
        try:
            for number in range(1, self.options.rounds + 1):
                self.kill_and_start()
                if number % self.options.check_every == 0:
                    self.stage.wait_until_connected()
                    self.stage.look_for_orphans(self.findings)
                waiting = len(list((self.stage.home / "agent/outbox").glob("*.json")))
                self.findings.progress(number, self.options.rounds, f"{len(self.stage.tap.reports)} reports, {waiting} wait")
        finally:
            driver.leave()
        self.stage.wait_until_connected()
        self.come_to_rest()
        stop_all(self.stage, self.fleet, self.findings)
        wait_until_reported(self.stage, self.findings)
        self.stage.look_for_leaks(self.findings, runs=len(self.stage.live_runs()))
        ends = judge_reports(self.stage, self.fleet, self.findings)
        verdicts.judge_starts(ends, self.findings)
        self.destroy_all()

    def kill_and_start(self):
        """While it starts, while it adopts, or in the midst of its work. The random moment is the test itself."""
        moment = self.dice.random()
        if moment < 0.5:
            time.sleep(self.dice.uniform(0, 0.1 if moment < 0.25 else 0.6) * SLOWNESS)
        else:
            self.stage.wait_until_connected()
            time.sleep(self.dice.uniform(0, 1.5) * SLOWNESS)
        if not self.stage.agent.running:
            tail = self.stage.agent.log()[-2000:]
            self.findings.violated(DIED, f"the agent ended with {self.stage.agent.process.returncode}:\n{tail}")
        self.stage.agent.kill()
        self.findings.count("kills of the agent")
        if self.dice.random() < 0.5:
            time.sleep(self.dice.uniform(0, 0.6))
        self.stage.start_agent(wait=False)

    def come_to_rest(self):
        """Every app that is wanted runs again, with all its instances, and the router finds it."""
        self.fleet.calm_down()
        for app in self.fleet.present:
            if not app.running:
                continue
            try:
                self.wait_for_rest(app)
            except AssertionError as error:
                self.findings.violated(LOST_APPS, str(error))
        self.stage.look_for_orphans(self.findings)

    def wait_for_rest(self, app):
        for again in (True, False):
            shown = self.stage.wait_for_app(app.name, lambda one: self.at_rest(one, app), "rest", seconds=100)
            answer = self.stage.get(app.name)
            if shown["status"] != "running" or answer.status == 200 and len(answer.text) == 12:
                return
            # It may have ended just before it became calm, with the report of that still on its way.
            if again:
                wait_until_reported(self.stage, self.findings)
        self.findings.violated(ROUTED, f"{app.name}: {answer.status} {answer.text[:200]}")

    def at_rest(self, shown, app):
        """Where an app comes to rest that is wanted and calm: all instances ready, or ended for good by its own policy."""
        self.fleet.calm(app)
        if shown["status"] == "running" and shown["instancesReady"] == shown["instances"]:
            return True
        if app.always or shown["lastExit"] is None:
            return False
        if shown["status"] in ("stopped", "failed"):
            return True
        # Some of its instances have ended for good, the others serve.
        instances = self.stage.api.get(f"/apps/{app.name}/instances")
        return all(one["status"]["state"] in ("running", "stopped", "failed") for one in instances)

    def destroy_all(self):
        for app in self.fleet.present:
            self.fleet.ask("DELETE", f"/apps/{app.name}?wait=10")
        self.fleet.ask("DELETE", "/apps/template?wait=10")
        wait_until_reported(self.stage, self.findings)
        self.stage.look_for_remains(self.findings)

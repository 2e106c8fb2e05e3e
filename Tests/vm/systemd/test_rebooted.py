# SPDX-License-Identifier: Apache-2.0
"""The machine of test_installed has rebooted."""

import os
import signal
import time
import unittest
from datetime import datetime
from pathlib import Path

from installed import BROKEN, NAME, OTHERS, UNITS, Installed, main_pid, property_of, run, wait_until

SERVED = {NAME, *OTHERS}


class RebootedTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.product = Installed()
        cls.product.wait_until_ready()
        for name in SERVED:
            cls.product.wait_for_app(name, lambda app: app["status"] == "running", "the start after the boot")
        wait_until(lambda: cls.first_word(BROKEN), "the last one is tried")
        # The event `starting` is of the wish, not of the process.
        cls.started = {name: cls.since_boot(cls.product.app(name)["startedAt"]) for name in SERVED}
        cls.ready = cls.times_of_readiness()

    @classmethod
    def since_boot(cls, time_text):
        """Seconds since the boot of a time such as the API gives; below 0 before it."""
        booted = time.time() - float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        return datetime.fromisoformat(time_text.replace("Z", "+00:00")).timestamp() - booted

    @classmethod
    def first_word(cls, name):
        """When it said its first word after the boot, or None."""
        times = [cls.since_boot(line["time"]) for line in cls.product.logs(name) if line["text"] == "begins"]
        return min((at for at in times if at > 0), default=None)

    @classmethod
    def times_of_readiness(cls):
        events = cls.product.paas("events", "-n", "1000", "--json").json
        times = [(event["app"], cls.since_boot(event["time"])) for event in events if event["kind"] == "ready"]
        return {name: at for name, at in reversed(times) if at > 0}

    def test_apps_came_back_a_few_at_a_time_and_those_first_that_had_served(self):
        began = {**self.started, BROKEN: self.first_word(BROKEN)}
        print(f"      seconds after the boot: began {began}, ready {self.ready}", flush=True)
        self.assertEqual(max(began, key=began.get), BROKEN)
        for name, at in began.items():
            # An app that takes longer than 10 s holds up the others no more.
            under_way = [other for other in SERVED - {name}
                         if self.started[other] <= at < min(self.ready[other], self.started[other] + 9.5)]
            self.assertLess(len(under_way), max(2, os.cpu_count()), f"{name} began while {under_way} were not ready")

    def test_app_was_asked_to_stop_and_runs_again_with_its_data(self):
        self.product.wait_until_served()
        self.assertEqual(self.product.get(NAME).json, {"starts": 2, "farewells": 1})

    def test_stopping_the_holder_stops_all_and_starting_the_agent_brings_all_back(self):
        self.product.wait_until_served()
        before = self.product.get(NAME).json
        run("systemctl", "stop", "paas-apps.service")
        self.assertEqual(property_of("paas-agent.service", "ActiveState"), "inactive")
        self.assertEqual(property_of("paasd.service", "ActiveState"), "active")
        self.assertEqual(property_of("paas-apps.service", "Result"), "success")
        run("systemctl", "start", "paas-agent.service")
        self.assertEqual(property_of("paas-apps.service", "ActiveState"), "active")
        self.product.wait_until_served()
        after = self.product.get(NAME).json
        self.assertEqual((after["starts"], after["farewells"]), (before["starts"] + 1, before["farewells"] + 1))
        for unit in UNITS:
            self.assertEqual(property_of(unit, "ActiveState"), "active")

    def test_everything_comes_back_after_the_holder_was_killed(self):
        self.product.wait_until_served()
        before = self.product.get(NAME).json
        agent = main_pid("paas-agent.service")
        os.kill(main_pid("paas-apps.service"), signal.SIGKILL)
        # Each app was asked to stop, as by 'systemctl stop'.
        again = {"starts": before["starts"] + 1, "farewells": before["farewells"] + 1}
        wait_until(lambda: self.product.get(NAME).json == again, f"the app starts again and says {again}")
        for unit in UNITS:
            wait_until(lambda unit=unit: property_of(unit, "ActiveState") == "active", f"{unit} is active")
        self.assertNotEqual(main_pid("paas-agent.service"), agent)

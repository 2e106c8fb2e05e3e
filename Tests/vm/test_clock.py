# SPDX-License-Identifier: Apache-2.0
"""A wall clock that jumps: restarts, reports and logs go on as if nothing was. Only in the machine whose clock is ours."""

import time
import unittest
from pathlib import Path

from harness.case import SharedPlatformCase

DAY = 86_400


@unittest.skipUnless(Path("/vm/on-tmpfs").exists(), "sets the machine's clock; Tests/vm runs it")
class ClockTests(SharedPlatformCase):
    def jump(self, seconds):
        time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
        self.addCleanup(lambda: time.clock_settime(time.CLOCK_REALTIME, time.time() - seconds))

    def crash(self, name, code, restarts):
        """The app ends; returns how it stands after the restart."""
        self.assertEqual(self.platform.get(name, f"/exit?code={code}").status, 502)
        return self.platform.wait_for_app(
            name, lambda app: app["restarts"] == restarts and app["status"] == "running", f"restart {restarts}", 60)

    def goes_on_over_a_jump(self, name, seconds, told):
        self.platform.deploy_probe(name)
        self.crash(name, 11, 1)
        self.jump(seconds)
        self.platform.wait_for_app(
            name, lambda _: any(told in event["message"] for event in self.platform.api.get(f"/apps/{name}/events")), told)
        self.assertEqual(self.platform.get(name).status, 200)
        # The second failure in a row, so a pause of the back-off lies between.
        app = self.crash(name, 12, 2)
        self.assertEqual(app["lastExit"]["code"], 12)
        self.assertLess(app["lastExit"]["uptimeMs"], 1_000 * DAY // 2)
        self.assertGreaterEqual(app["lastExit"]["uptimeMs"], 0)
        self.assertEqual(self.platform.get(name, "/log?text=after+the+jump").status, 200)
        self.assertIn("after the jump", [line["text"] for line in self.platform.logs(name, "-n", "20")])
        self.platform.paas("restart", name)
        self.assertEqual(self.platform.get(name).status, 200)

    def test_clock_that_jumps_a_day_ahead(self):
        self.goes_on_over_a_jump("ahead", DAY, "the node's clock was set forward by ")

    def test_clock_that_jumps_a_day_back(self):
        self.goes_on_over_a_jump("back", -DAY, "the node's clock was set back by ")

    def test_agent_that_is_killed_around_a_jump_adopts_and_reports_truly(self):
        app = self.platform.deploy_probe("kept")
        self.platform.agent.kill()
        self.jump(-DAY)
        self.platform.start_agent()
        after = self.platform.wait_for_app("kept", lambda one: one["status"] == "running", "the adoption")
        self.assertEqual((after["pid"], after["restarts"]), (app["pid"], 0))
        self.assertEqual(self.crash("kept", 13, 1)["lastExit"]["code"], 13)

# SPDX-License-Identifier: Apache-2.0
"""Daemons that die: the apps go on, and what comes back takes over where the other stopped."""

import os
import signal

from harness.case import OwnPlatformCase
from harness.http import fetch


def running_after_one_restart(app):
    return app["restarts"] == 1 and app["status"] == "running"


class SurvivalTests(OwnPlatformCase):
    def test_app_serves_while_the_agent_is_dead_and_the_next_agent_adopts_it(self):
        app = self.platform.deploy_probe("lives", "--network", "host")
        self.platform.agent.kill()
        self.assertEqual(fetch(app["port"], "/log?text=said+while+nobody+listened").status, 200)

        self.platform.start_agent()
        after = self.platform.wait_for_app(
            "lives", lambda one: one["status"] == "running" and one["pid"], "the adoption")
        self.assertEqual((after["pid"], after["port"], after["restarts"]), (app["pid"], app["port"], 0))
        self.assertEqual(self.platform.get("lives").status, 200)
        self.assertEqual(self.platform.get("lives", "/log?text=said+after+the+adoption").status, 200)
        texts = [line["text"] for line in self.platform.logs("lives")]
        self.assertIn("said while nobody listened", texts)
        self.assertIn("said after the adoption", texts)

        # The exit of an adopted app is as true as that of a child.
        self.assertEqual(self.platform.get("lives", "/exit?code=42").status, 502)
        after = self.platform.wait_for_app("lives", running_after_one_restart, "the restart")
        self.assertEqual((after["lastExit"]["code"], after["lastExit"]["signal"]), (42, None))

    def test_exit_while_the_agent_is_dead_is_reported_truly(self):
        app = self.platform.deploy_probe("alone")
        self.platform.agent.kill()
        os.kill(app["pid"], signal.SIGKILL)
        self.platform.start_agent()
        after = self.platform.wait_for_app("alone", running_after_one_restart, "the restart")
        self.assertEqual((after["lastExit"]["code"], after["lastExit"]["signal"]), (None, "SIGKILL"))
        self.assertEqual(self.platform.get("alone").status, 200)

    def test_apps_and_router_go_on_while_paasd_is_dead(self):
        app = self.platform.deploy_probe("steady")
        self.platform.paasd.kill()
        self.assertEqual(self.platform.get("steady").status, 200)
        self.platform.paas("status", expect=69)
        # The agent restarts on its own, and tells later.
        self.assertEqual(self.platform.get("steady", "/exit?code=5").status, 502)

        self.platform.start_paasd()
        after = self.platform.wait_for_app(
            "steady", running_after_one_restart, "the report of the restart", seconds=60)
        self.assertEqual(after["lastExit"]["code"], 5)
        self.assertNotEqual(after["pid"], app["pid"])
        self.assertEqual(self.platform.get("steady").status, 200)
        self.platform.deploy_probe("after", "-e", "VERSION=after")
        self.assertEqual(self.platform.get("after").json["version"], "after")

    def test_agent_that_is_asked_to_stop_leaves_the_apps_running(self):
        app = self.platform.deploy_probe("stays", "--network", "host")
        self.assertEqual(self.platform.agent.stop(), 0)
        self.assertEqual(fetch(app["port"], "/").json["env"]["PAAS_APP"], "stays")
        self.platform.start_agent()
        after = self.platform.wait_for_app("stays", lambda one: one["status"] == "running", "the adoption")
        self.assertEqual((after["pid"], after["restarts"]), (app["pid"], 0))

    def test_both_daemons_end_with_0_while_streams_are_open(self):
        self.platform.deploy_probe("followed")
        process, lines = self.platform.paas_in_background("logs", "followed", "-f")
        try:
            lines.until(lambda line: "probe: serving" in line, 20, "a line")
            self.assertEqual(self.platform.paasd.stop(), 0)
            self.assertEqual(self.platform.agent.stop(), 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def test_second_agent_on_the_same_home_is_refused(self):
        self.platform.deploy_probe("only")
        first = self.platform.agent
        self.platform.start_agent(wait=False)
        second, self.platform.agent = self.platform.agent, first
        self.assertNotEqual(second.process.wait(timeout=30), 0)
        self.assertEqual(self.platform.get("only").status, 200)

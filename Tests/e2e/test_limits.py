# SPDX-License-Identifier: Apache-2.0
"""Limits that change while an app runs, and those that no node here can enforce."""

import unittest

from harness import cgroups
from harness.cgroups import in_force
from harness.case import SharedPlatformCase


class LimitTests(SharedPlatformCase):
    def test_limit_that_the_node_cannot_enforce_is_refused_and_the_running_app_is_not_touched(self):
        # No kernel weighs disks unless somebody has switched that on.
        before = self.platform.deploy_probe("refused")
        result = self.platform.paas("deploy", "--name", "refused", "--io-weight", "50", expect=1)
        self.assertIn("--io-weight", result.out + result.err)
        app = self.platform.app("refused")
        self.assertEqual((app["pid"], app["release"], app["restarts"]), (before["pid"], "v1", 0))
        self.assertEqual(app["limits"], {})
        self.assertEqual(app["rollout"]["phase"], "failed")
        releases = {r["name"]: r["status"] for r in self.platform.api.get("/apps/refused/releases")}
        self.assertEqual(releases, {"v1": "live", "v2": "failed"})
        # What was refused says nothing about the next release.
        self.assertIn("'--io-weight none'", result.out + result.err)
        self.platform.paas("deploy", "--name", "refused", "-e", "A=1", "--io-weight", "none")
        self.assertEqual(self.platform.app("refused")["release"], "v3")

    def test_limits_that_contradict_each_other_are_usage_errors(self):
        for options in (["--cpu", "0.5", "--cpu-burst", "1"], ["--io-read-bps", "1"],
                        ["--memory", "64M", "--memory-high", "65M"], ["--cpu-weight", "0"]):
            with self.subTest(options=options):
                self.platform.paas("deploy", "true", "--name", "wrong", *options, expect=64)

    def test_node_says_which_limits_it_enforces_and_why_not(self):
        (node,) = self.platform.api.get("/nodes")
        limits = {limit["name"]: limit for limit in node["capabilities"]["limits"]}
        self.assertEqual(set(limits), {"memory", "cpu", "pids", "io-max", "io-weight", "disk"})
        for controller in ("memory", "cpu", "pids"):
            self.assertEqual(limits[controller]["enforced"], controller in cgroups.controllers())
            self.assertEqual("detail" in limits[controller], not limits[controller]["enforced"])

    @unittest.skipUnless({"memory", "cpu", "pids"} <= cgroups.controllers(), "needs the controllers of unified cgroups")
    def test_limits_change_without_a_restart_and_a_rollback_changes_them_back(self):
        app = self.platform.deploy_probe("live", "--memory", "64M", "--cpu", "0.5")
        lines, close = self.platform.api.follow("/apps/live/events?follow=true&limit=1")
        self.addCleanup(close)
        result = self.platform.paas(
            "deploy", "--name", "live", "--memory", "128M", "--memory-high", "100M", "--pids", "40", "--cpu-burst",
            "0.25", "--cpu-weight", "300")
        self.assertIn("memory 64.0 MiB to 128.0 MiB", result.out + result.err)
        lines.until(lambda line: b"limits-changed" in line, 20, "the event of the change")
        after = self.platform.app("live")
        self.assertEqual((after["pid"], after["restarts"], after["release"]), (app["pid"], 0, "v2"))
        self.assertEqual(after["limits"]["pids"], 40)
        for name, value in {"memory.max": "134217728", "memory.high": "104857600", "pids.max": "40",
                            "cpu.max.burst": "25000", "cpu.weight": "300", "cpu.max": "50000 100000"}.items():
            self.assertIn(value, in_force(app["pid"], name), name)

        self.platform.api.request("PATCH", "/apps/live", {"limits": {"pids": None, "cpu": 1, "cpuBurst": None}})
        self.platform.wait_for_app(
            "live", lambda app: app["release"] == "v3" and app["rollout"]["phase"] == "succeeded", "the third release")
        self.assertIn("100000 100000", in_force(app["pid"], "cpu.max"))
        self.assertNotIn("40", in_force(app["pid"], "pids.max"))

        self.platform.paas("rollback", "live", "v1")
        after = self.platform.app("live")
        self.assertEqual((after["pid"], after["release"], after["limits"]),
                         (app["pid"], "v1", {"memoryBytes": 67_108_864, "cpu": 0.5}))
        self.assertIn("67108864", in_force(app["pid"], "memory.max"))
        self.assertIn("100", in_force(app["pid"], "cpu.weight"))
        self.assertEqual(self.platform.get("live").status, 200)

    @unittest.skipUnless("memory" in cgroups.controllers(), "needs the memory controller")
    def test_limits_changed_live_are_those_of_the_next_start_and_of_the_exit_report(self):
        self.platform.deploy_probe("next", "--memory", "512M")
        self.platform.paas("deploy", "--name", "next", "--memory", "64M")
        self.assertEqual(self.platform.get("next", "/allocate?mb=256").status, 502)
        app = self.platform.wait_for_app(
            "next", lambda app: app["restarts"] == 1 and app["status"] == "running", "the restart")
        self.assertTrue(app["lastExit"]["oomKilled"])
        self.assertIn("of 64.0 MiB", app["lastExit"]["reason"])
        self.assertIn("67108864", in_force(app["pid"], "memory.max"))
        text = [line["text"] for line in self.platform.logs("next", "--release", "v2")]
        self.assertIn("limits changed without a restart: memory 512.0 MiB to 64.0 MiB", text)

    @unittest.skipUnless("memory" in cgroups.controllers(), "needs the memory controller")
    def test_a_new_agent_finds_live_limits_in_force(self):
        app = self.platform.deploy_probe("adopted", "--memory", "256M")
        self.platform.paas("deploy", "--name", "adopted", "--memory", "128M")
        self.platform.agent.kill()
        self.platform.start_agent()
        after = self.platform.wait_for_app("adopted", lambda app: app["status"] == "running", "the adoption")
        self.assertEqual((after["pid"], after["release"]), (app["pid"], "v2"))
        self.assertIn("134217728", in_force(app["pid"], "memory.max"))
        self.platform.paas("deploy", "--name", "adopted", "--memory", "192M")
        self.assertEqual(self.platform.app("adopted")["pid"], app["pid"])
        self.assertIn("201326592", in_force(app["pid"], "memory.max"))

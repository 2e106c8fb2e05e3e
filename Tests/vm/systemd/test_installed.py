# SPDX-License-Identifier: Apache-2.0
"""Installed from its package under systemd, the product survives what happens to a service, and its apps notice nothing."""

import json
import os
import pwd
import re
import signal
import unittest
from pathlib import Path

from harness import cgroups
from harness.outside import HOST, PEER, Outside
from harness.waiting import wait_for_exit
from installed import (
    APP, NAME, BROKEN, OTHERS, SOCKET, STATE, UNITS, Installed, Visitors, journal, main_pid, packages, property_of, run,
    wait_until)

# Of `systemd-analyze security`: 0 is no exposure, 10 everything. The figures stand in docs/operations.md.
HIGHEST_EXPOSURE = {"paasd.service": 1.5, "paas-agent.service": 6.0, "paas-apps.service": 7.0}


class InstalledTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run("dpkg", "--install", packages()[0])
        cls.product = Installed()
        cls.product.wait_until_ready()
        cls.restarts = {unit: property_of(unit, "NRestarts") for unit in UNITS}
        cls.product.paas("deploy", "--name", NAME, "--source", APP, "--memory", "64M", "--pids", "32")
        cls.pid = cls.product.app(NAME)["pid"]
        for name in (*OTHERS, BROKEN):
            cls.product.paas("deploy", "--name", name, "--source", APP)
        cls.product.get(BROKEN, "/break")

    def assert_app_noticed_nothing(self):
        # At once: a daemon that systemd says is up serves, and who connects to the router before that waits.
        self.assertEqual(self.product.get(NAME).status, 200, journal(UNITS[2]))
        self.product.wait_until_ready()
        app = self.product.app(NAME)
        self.assertEqual((app["pid"], app["status"], app["restarts"]), (self.pid, "running", 0), journal(UNITS[2]))
        self.assertEqual(self.product.get(NAME).json, {"starts": 1, "farewells": 0})

    def test_units_run_and_start_at_boot(self):
        for unit in UNITS:
            self.assertEqual(property_of(unit, "ActiveState"), "active", journal(unit))
            self.assertEqual(property_of(unit, "UnitFileState"), "enabled")
            self.assertEqual(self.restarts[unit], "0", "it did not start at the first attempt")
        self.assertEqual([property_of(SOCKET, name) for name in ("ActiveState", "UnitFileState")], ["active", "enabled"])
        self.assertEqual(run("systemctl", "list-units", "--failed", "--no-legend"), "")

    def test_units_have_no_mistake_that_systemd_knows(self):
        self.assertEqual(run("systemd-analyze", "verify", *UNITS, SOCKET), "")

    def test_paas_is_found_and_finds_what_lies_beside_it(self):
        self.assertEqual(os.path.realpath("/usr/bin/paas"), "/usr/lib/mini-paas/paas")
        self.assertIn(NAME, run("paas", "status"))

    def test_no_attack_succeeds_with_the_agent_of_the_package(self):
        self.assertRegex(run("paas", "doctor", "--sandbox"), r"(\d+)/\1 stopped")

    def test_app_may_connect_outwards_under_the_hardening_of_the_agent(self):
        outside = Outside()
        self.addCleanup(outside.close)
        self.product.deploy_probe("out", "--network", "egress")
        reach = lambda host, port: self.product.get("out", f"/connect?host={host}&port={port}&timeout=2").json["result"]
        self.assertEqual(reach(PEER, Outside.tcp_port), "connected")
        self.assertNotEqual(reach(HOST, self.product.router_port), "connected")
        self.product.paas("destroy", "out", "--yes")

    def test_data_has_its_limit_under_the_hardening_of_the_units(self):
        self.product.deploy_probe("disk", "--disk", "16M")
        for size in (16, 32):
            # The second time it grows under the first one's file system.
            self.product.paas("deploy", "--name", "disk", "--disk", f"{size}M")
            # The one before may be on its way out still.
            instance = next(one for one in json.loads(run("paas", "inspect", "disk", "--json"))["instances"] if one["state"] == "running")
            self.assertEqual(instance["disk"]["sizeBytes"], size << 20)
            free = instance["disk"]["usedBytes"] + instance["disk"]["freeBytes"]
            self.assertGreater(free, size * 3 / 4 * (1 << 20))
        self.product.paas("destroy", "disk", "--yes")

    def test_units_are_no_more_exposed_than_documented(self):
        for unit, highest in HIGHEST_EXPOSURE.items():
            text = run("systemd-analyze", "security", "--no-pager", unit)
            exposure = float(re.search(rf"exposure level for {re.escape(unit)}: ([0-9.]+)", text).group(1))
            print(f"      {unit}: exposure {exposure}", flush=True)
            self.assertLessEqual(exposure, highest, text)

    def test_app_lives_in_the_holders_cgroup_with_its_limits(self):
        directory = cgroups.cgroup_of(self.pid)
        root = Path("/sys/fs/cgroup/system.slice/paas-apps.service/paas.slice")
        self.assertTrue(directory.is_relative_to(root), directory)
        limits = [path / "memory.max" for path in (directory, *directory.parents) if path.is_relative_to(root)]
        self.assertIn("67108864", [path.read_text().strip() for path in limits])
        self.assertEqual(self.product.get(NAME).status, 200)

    def test_paasd_is_an_ordinary_user_without_capabilities(self):
        status = Path(f"/proc/{main_pid('paasd.service')}/status").read_text()
        uid = pwd.getpwnam("mini-paas").pw_uid
        self.assertIn(f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n", status)
        self.assertIn("CapBnd:\t0000000000000000\n", status)
        self.assertIn("CapEff:\t0000000000000000\n", status)
        self.assertIn("NoNewPrivs:\t1\n", status)

    def test_user_of_paasd_reaches_nothing_of_the_agents(self):
        for command in (f"ls {STATE}/agent", f"mv {STATE}/agent {STATE}/other", f"rmdir {STATE}/agent"):
            refused = run("runuser", "-u", "mini-paas", "--", "sh", "-c", f"{command}; echo $?", expect=0)
            self.assertNotEqual(refused.split()[-1], "0", refused)
        self.assertTrue((STATE / "agent").is_dir())

    def test_agent_that_is_killed_comes_back_and_loses_no_line(self):
        agent = main_pid("paas-agent.service")
        os.kill(agent, signal.SIGKILL)
        wait_for_exit(agent)
        self.assert_app_noticed_nothing()
        self.assertNotEqual(main_pid("paas-agent.service"), agent)
        self.product.get(NAME, "/say/heard-after-the-kill")
        self.assertIn("heard-after-the-kill", [line["text"] for line in self.product.logs(NAME)])

    def test_agent_that_is_restarted_takes_the_apps_over_and_loses_no_request(self):
        agent = main_pid("paas-agent.service")
        with Visitors(self.product) as visitors:
            run("systemctl", "restart", "paas-agent.service")
        self.assertEqual(visitors.problems, [])
        self.assertNotEqual(main_pid("paas-agent.service"), agent)
        self.assert_app_noticed_nothing()

    def test_paasd_that_is_restarted_or_killed_comes_back(self):
        run("systemctl", "restart", "paasd.service")
        self.assert_app_noticed_nothing()
        paasd = main_pid("paasd.service")
        os.kill(paasd, signal.SIGKILL)
        wait_for_exit(paasd)
        self.assert_app_noticed_nothing()

    def test_reload_keeps_every_process(self):
        before = [main_pid(unit) for unit in UNITS]
        run("systemctl", "reload", "paasd.service", "paas-agent.service")
        self.assertEqual([main_pid(unit) for unit in UNITS], before)
        self.assert_app_noticed_nothing()

    def test_systemd_that_starts_anew_changes_nothing(self):
        run("systemctl", "daemon-reexec")
        run("systemctl", "restart", "paas-agent.service")
        self.assert_app_noticed_nothing()

    def test_upgrade_replaces_the_daemons_under_running_apps(self):
        before = {unit: main_pid(unit) for unit in UNITS}
        (_, newer) = packages()
        with Visitors(self.product) as visitors:
            run("dpkg", "--install", newer)
        self.assertEqual(visitors.problems, [])
        version = run("dpkg-query", "-W", "-f", "${Version}", "mini-paas")
        self.assertIn(f"_{version}_", newer.name)
        self.assert_app_noticed_nothing()
        self.assertEqual(main_pid(UNITS[0]), before[UNITS[0]])
        for unit in UNITS[1:]:
            self.assertNotEqual(main_pid(unit), before[unit])

    def test_wrong_settings_are_refused_once_and_said(self):
        settings = Path("/etc/mini-paas/paasd.toml")
        text = settings.read_text()
        try:
            settings.write_text(text + "lisen = 1\n")
            run("systemctl", "restart", "paasd.service", expect=None)
            wait_until(lambda: property_of("paasd.service", "ActiveState") == "failed", "paasd ended for good")
            self.assertEqual(property_of("paasd.service", "ExecMainStatus"), "64", journal("paasd.service"))
            self.assertIn("unknown key 'lisen'", journal("paasd.service"))
        finally:
            settings.write_text(text)
            run("systemctl", "restart", "paasd.service")
        self.assert_app_noticed_nothing()

# SPDX-License-Identifier: Apache-2.0
"""The units of an ordinary user, as `deploy/install --user` has put them into the home, under that user's own manager."""

import os
import re
import signal
import unittest
from pathlib import Path

from harness import cgroups
from harness.http import Api, fetch
from installed import APP, run, wait_until

NAME, UID = "ordinary", 1_000
HOME = Path("/home") / NAME
RUNTIME = Path(f"/run/user/{UID}")
UNITS = ("paas-apps.service", "paasd.service", "paas-agent.socket", "paas-agent.service")
STATE = HOME / ".local/state/mini-paas"
APP_NAME = "own"


def as_user(*arguments, expect=0):
    """Runs a program as the user, in the session that lingers."""
    return run(
        "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "env", "-i", f"HOME={HOME}", "LANG=C.UTF-8",
        f"XDG_RUNTIME_DIR={RUNTIME}", f"PATH={HOME}/.local/bin:/usr/bin:/bin", *arguments, expect=expect)


def property_of(unit, name):
    return as_user("systemctl", "--user", "show", "--value", f"--property={name}", unit).strip()


def journals():
    return run("journalctl", "--no-pager", "--boot", f"_UID={UID}", "--lines=80")


def real_uid(pid):
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)[1])


class ForUserTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run("useradd", "--create-home", "--uid", UID, "--shell", "/bin/sh", NAME)
        run("tar", "-C", HOME, "-xpf", "/payload/home.tar")
        run("loginctl", "enable-linger", NAME)
        wait_until(lambda: as_user("systemctl", "--user", "list-units"), "the user's manager is there")
        # What the installation says when it finds no manager.
        as_user("systemctl", "--user", "daemon-reload")
        as_user("systemctl", "--user", "enable", "--now", *UNITS)
        cls.api = Api(str(RUNTIME / "mini-paas/paasd.sock"))
        try:
            cls.wait_until_ready()
            as_user("paas", "deploy", "--name", APP_NAME, "--source", APP, "--memory", "64M", "--pids", "32")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{journals()}") from error

    @classmethod
    def wait_until_ready(cls):
        wait_until(lambda: any(node["connected"] for node in cls.api.get("/nodes")), "paasd and agent are ready")

    def app(self):
        return self.api.get(f"/apps/{APP_NAME}")

    def test_1_nothing_is_root_and_limits_are_in_force(self):
        for unit in UNITS:
            self.assertEqual(property_of(unit, "ActiveState"), "active", journals())
        self.assertEqual(as_user("systemctl", "--user", "list-units", "--failed", "--no-legend"), "")
        app = self.app()
        self.assertEqual(real_uid(property_of("paas-agent.service", "MainPID")), UID)
        self.assertGreater(real_uid(app["pid"]), 65_535)
        self.assertIn(f"user@{UID}.service/app.slice/paas-apps.service", str(cgroups.cgroup_of(app["pid"])))
        self.assertIn("67108864", cgroups.in_force(app["pid"], "memory.max"))
        self.assertIn("32", cgroups.in_force(app["pid"], "pids.max"))
        self.assertEqual(fetch(8080, f"/apps/{APP_NAME}/").json, {"starts": 1, "farewells": 0})

    def test_2_no_attack_succeeds(self):
        self.assertRegex(as_user("paas", "doctor", "--sandbox"), r"(\d+)/\1 stopped")

    def test_3_app_notices_nothing_of_agents_that_restart_and_die(self):
        before = self.app()
        as_user("systemctl", "--user", "restart", "paas-agent.service")
        self.assertEqual(fetch(8080, f"/apps/{APP_NAME}/").status, 200, journals())
        agent = int(property_of("paas-agent.service", "MainPID"))
        os.kill(agent, signal.SIGKILL)
        wait_until(lambda: property_of("paas-agent.service", "MainPID") not in ("0", str(agent)), "another agent")
        self.assertEqual(fetch(8080, f"/apps/{APP_NAME}/").json, {"starts": 1, "farewells": 0})
        self.wait_until_ready()
        after = self.app()
        self.assertEqual((after["pid"], after["restarts"], after["status"]), (before["pid"], 0, "running"), journals())

    def test_4_stopping_the_holder_stops_the_app_and_starting_it_brings_it_back(self):
        as_user("systemctl", "--user", "stop", "paas-apps.service")
        self.assertEqual(property_of("paas-agent.service", "ActiveState"), "inactive")
        as_user("systemctl", "--user", "start", "paas-agent.socket", "paas-agent.service")
        wait_until(lambda: fetch(8080, f"/apps/{APP_NAME}/").json == {"starts": 2, "farewells": 1}, "the app is back")

    def test_5_removal_takes_all_of_it(self):
        pid = self.app()["pid"]
        as_user("bash", "/payload/checkout/deploy/uninstall", "--user", "--purge")
        self.assertFalse(os.path.exists(f"/proc/{pid}"))
        for path in (STATE, HOME / ".local/lib/mini-paas", HOME / ".config/mini-paas", RUNTIME / "mini-paas"):
            self.assertFalse(path.exists(), path)
        self.assertEqual(property_of("paas-agent.service", "LoadState"), "not-found")

# SPDX-License-Identifier: Apache-2.0
"""`paasd backup` beside a running paasd, and `paasd restore` in its absence."""

import subprocess
import unittest

from harness.platform import BINARIES, Platform
from harness.waiting import SLOWNESS


class BackupTests(unittest.TestCase):
    def setUp(self):
        self.platform = Platform(cgroup=False)
        self.addCleanup(self.end)
        self.platform.start_paasd()

    def end(self):
        self.assertEqual(self.platform.tear_down(), [])

    def paasd(self, *arguments, expect=0):
        completed = subprocess.run(
            [BINARIES / "paasd", *arguments, "--home", self.platform.home], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, env=self.platform.environment, timeout=60 * SLOWNESS, check=False)
        self.assertEqual(completed.returncode, expect, completed.stderr)
        return completed.stderr

    def test_what_was_backed_up_while_it_ran_comes_back(self):
        create = {"name": "kept", "command": "x", "env": {"A": "1"}}
        self.assertEqual(self.platform.api.request("POST", "/apps", create).status, 201)
        kept = self.platform.app("kept")
        copy = self.platform.home / "copy.db"
        self.paasd("backup", copy)
        self.assertEqual(copy.stat().st_mode & 0o777, 0o600)
        self.assertIn("name a new file", self.paasd("backup", copy, expect=1))
        self.platform.api.request("DELETE", "/apps/kept")
        self.platform.api.request("POST", "/apps", {**create, "name": "later"})
        self.assertIn("already uses the home", self.paasd("restore", copy, expect=1))

        self.assertEqual(self.platform.paasd.stop(), 0)
        self.paasd("restore", copy)
        self.platform.start_paasd()
        self.assertEqual([app["id"] for app in self.platform.api.get("/apps")], [kept["id"]])
        self.assertEqual(self.platform.api.get("/store")["problems"], [])
        # A client that had followed what came after the backup is told to begin anew.
        self.assertEqual(self.platform.api.request("GET", "/events?since=1000").status, 410)

    def test_what_is_no_database_is_refused_and_nothing_changes(self):
        self.platform.api.request("POST", "/apps", {"name": "kept", "command": "x"})
        self.assertEqual(self.platform.paasd.stop(), 0)
        wrong = self.platform.home / "wrong.db"
        wrong.write_bytes(b"not a database " * 1000)
        self.paasd("restore", wrong, expect=1)
        self.paasd("restore", self.platform.home / "missing.db", expect=1)
        self.platform.start_paasd()
        self.assertEqual([app["name"] for app in self.platform.api.get("/apps")], ["kept"])

# SPDX-License-Identifier: Apache-2.0
"""The last of the machine: the package is removed, and then purged."""

import os
import unittest
from pathlib import Path

from installed import NAME, SOCKET, STATE, UNITS, Installed, main_pid, property_of, run


class RemovedTests(unittest.TestCase):
    def test_removal_stops_everything_and_keeps_data_which_purge_removes(self):
        product = Installed()
        product.wait_until_ready()
        product.wait_until_served()
        pids = [product.app(NAME)["pid"], *map(main_pid, UNITS)]
        run("dpkg", "--remove", "mini-paas")
        for pid in pids:
            self.assertFalse(os.path.exists(f"/proc/{pid}"), pid)
        self.assertFalse(Path("/usr/bin/paas").exists())
        self.assertFalse(Path("/sys/fs/cgroup/system.slice/paas-apps.service").exists())
        self.assertTrue((STATE / "paasd/paas.db").exists())
        self.assertTrue(Path("/etc/mini-paas/agent.toml").exists())

        run("dpkg", "--purge", "mini-paas")
        for path in (STATE, Path("/run/mini-paas"), Path("/etc/mini-paas"), Path("/usr/lib/mini-paas")):
            self.assertFalse(path.exists(), path)
        for unit in (*UNITS, SOCKET):
            self.assertEqual(property_of(unit, "LoadState"), "not-found")
        # The user stays, as documented, and nothing else.
        left = run("find", "/etc", "/usr", "/var", "/run", "/opt", "-xdev", "-name", "*mini-paas*", "-o", "-name", "paas*")
        self.assertEqual(left, "")
        self.assertIn("mini-paas", Path("/etc/passwd").read_text(encoding="utf-8"))

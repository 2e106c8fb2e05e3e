# SPDX-License-Identifier: Apache-2.0
"""A node with unified cgroups: it says so, and limits are really in the kernel's files."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import cgroups
from harness.cgroups import in_force
from harness.case import OwnPlatformCase, SharedPlatformCase
from harness.platform import BINARIES
from harness.waiting import SLOWNESS


class UnifiedTests(SharedPlatformCase):
    def test_node_says_that_it_is_unified_and_what_it_enforces(self):
        (node,) = self.platform.api.get("/nodes")
        self.assertEqual(node["capabilities"]["cgroupMode"], "unified")
        self.assertLessEqual({"cpu", "memory", "pids"}, set(node["capabilities"]["controllers"]))
        self.assertIn("unified", self.platform.agent.log())

    def test_limits_stand_in_the_cgroup(self):
        app = self.platform.deploy_probe("limited", "--memory", "64M", "--pids", "32", "--cpu", "0.5")
        self.assertIn("67108864", in_force(app["pid"], "memory.max"))
        self.assertIn("0", in_force(app["pid"], "memory.swap.max"))
        self.assertIn("32", in_force(app["pid"], "pids.max"))
        quota, period = next(value for value in in_force(app["pid"], "cpu.max") if not value.startswith("max")).split()
        self.assertAlmostEqual(int(quota) / int(period), 0.5)
        shown = self.platform.app("limited")["limits"]
        self.assertEqual((shown["memoryBytes"], shown["pids"], shown["cpu"]), (67_108_864, 32, 0.5))

    def test_app_cannot_raise_its_own_limit(self):
        app = self.platform.deploy_probe("greedy", "--memory", "64M")
        file = cgroups.cgroup_of(app["pid"]) / "memory.max"
        result = self.platform.get("greedy", f"/try?path={file}&write=max").json["result"]
        self.assertIn(result, ("FileNotFoundError", "PermissionError", "OSError"))
        self.assertIn("67108864", in_force(app["pid"], "memory.max"))

    def test_processes_beyond_the_limit_are_refused_and_the_app_goes_on(self):
        app = self.platform.deploy_probe("forks", "--pids", "16")
        try:
            self.platform.get("forks", "/daemons?count=64", timeout=10)
        except OSError:
            pass  # The app's answer to a failed fork(2) is not what is tested.
        self.assertTrue(any(not events.startswith("max 0") for events in in_force(app["pid"], "pids.events")))
        self.assertEqual(self.platform.app("forks")["restarts"], 0)


class CgroupRootTests(OwnPlatformCase):
    def test_agent_finds_a_root_of_its_own_without_being_told(self):
        self.platform.agent.stop()
        self.platform.cgroup.remove()
        self.platform.cgroup = None
        self.platform.start_agent()
        app = self.platform.deploy_probe("found", "--memory", "64M")
        (node,) = self.platform.api.get("/nodes")
        root = Path(node["capabilities"]["cgroupRoot"])
        self.assertTrue(cgroups.cgroup_of(app["pid"]).is_relative_to(root))
        self.assertIn("67108864", in_force(app["pid"], "memory.max"))
        self.platform.paas("destroy", "found", "--yes")


class NoCgroupTests(OwnPlatformCase):
    def test_agent_refuses_to_run_without_cgroup_v2_and_says_why(self):
        home = tempfile.mkdtemp(prefix="paas-e2e-")
        self.addCleanup(shutil.rmtree, home)
        # A mount namespace of its own: nobody else loses the tree.
        script = f'umount {cgroups.mount_point()} && exec "$0" --home {home} --router 127.0.0.1:0'
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, BINARIES / "agent"], capture_output=True, text=True,
            env={**os.environ, "PAAS_HOME": home}, timeout=30 * SLOWNESS, check=False)
        self.assertNotIn(done.returncode, (0, 126, 127))
        self.assertRegex(done.stderr + done.stdout, r"cgroup ?v?2")

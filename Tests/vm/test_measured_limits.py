# SPDX-License-Identifier: Apache-2.0
"""What limits do, measured: the kernel enforces them, and neighbours and the agent are not harmed."""

import os
import time
import unittest
from pathlib import Path

from harness import cgroups
from harness.case import SharedPlatformCase
from harness.platform import Platform, unavailable
from harness.waiting import SLOWNESS, Deadline

SCRATCH = Path("/scratch")


def run_file(app, name):
    """One file of the app's own run."""
    return cgroups.cgroup_of(app["pid"]) / name


def cpu_stat(app):
    return {key: int(value) for key, value in
            (line.split() for line in run_file(app, "cpu.stat").read_text().splitlines())}


class MeasuredLimitTests(SharedPlatformCase):
    def test_memory_hog_dies_alone_and_its_peak_is_reported(self):
        neighbour = self.platform.deploy_probe("neighbour", "--memory", "128M")
        self.platform.deploy_probe("hog", "--memory", "64M")
        self.assertEqual(self.platform.get("hog", "/allocate?mb=256").status, 502)
        app = self.platform.wait_for_app(
            "hog", lambda app: app["restarts"] == 1 and app["status"] == "running", "the restart")
        last = app["lastExit"]
        self.assertTrue(last["oomKilled"])
        print(f"      hog under 64 MiB: peak {last['peakMemoryBytes'] / (1 << 20):.2f} MiB")
        # memory.peak of the run; Linux 6.1 has it, and it may stand a little above the limit.
        self.assertAlmostEqual(last["peakMemoryBytes"], 64 << 20, delta=2 << 20)
        after = self.platform.app("neighbour")
        self.assertEqual((after["pid"], after["restarts"], after["lastExit"]), (neighbour["pid"], 0, None))
        self.assertEqual(self.platform.get("neighbour").status, 200)

    def test_fork_bomb_stops_at_its_limit_and_the_agent_answers(self):
        app = self.platform.deploy_probe("bomb", "--pids", "32")
        result = self.platform.get("bomb", f"/bomb?ceiling=500&seconds={5 * SLOWNESS}").json
        self.assertTrue(result["refused"])
        self.assertLess(result["started"], 32)
        began = time.monotonic()
        (snapshot,) = self.platform.api.get("/stats")
        took = time.monotonic() - began
        print(f"      fork bomb at pids.max: the agent answered in {took:.2f} s, of which it averages over 0.3")
        self.assertLess(took, 1 * SLOWNESS)
        row = next(i for i in snapshot["instances"] if i["app"] == "bomb")
        self.assertEqual(row["pidsLimit"], 32)
        self.assertLessEqual(row["pidsPeak"] or 0, 32)
        self.assertIn("max ", run_file(app, "pids.events").read_text())
        self.assertNotIn("max 0", run_file(app, "pids.events").read_text())
        self.assertEqual(self.platform.app("bomb")["restarts"], 0)

    def test_a_quarter_of_a_core_is_a_quarter(self):
        app = self.platform.deploy_probe("quarter", "--cpu", "0.25")
        self.platform.get("quarter", f"/spin?seconds={12 * SLOWNESS}")
        first, began = cpu_stat(app), time.monotonic()
        # 100 periods of the quota, however long they take.
        deadline, last = Deadline(60), first
        while last["nr_periods"] < first["nr_periods"] + 100 and not deadline.passed:
            time.sleep(0.2)
            last = cpu_stat(app)
        share = (last["usage_usec"] - first["usage_usec"]) / 1e6 / (time.monotonic() - began)
        print(f"      cpu 0.25: measured share {share:.3f}")
        self.assertAlmostEqual(share, 0.25, delta=0.02)
        self.assertGreater(last["nr_throttled"], first["nr_throttled"])
        # A look averages since the one before. Over 0.3 s, three periods of the quota, one more or less is a third.
        self.platform.api.get("/apps/quarter/stats")
        time.sleep(4)
        row = next(i for i in self.platform.api.get("/apps/quarter/stats")[0]["instances"])
        self.assertGreater(row["throttledPercent"], 50)
        self.assertAlmostEqual(row["cpuPercent"], 25, delta=8)

    def test_apps_together_leave_something_to_the_node(self):
        (node,) = self.platform.api.get("/nodes")
        can = node["capabilities"]
        root = Path(can["cgroupRoot"])
        total = int(next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines())) * 1024
        self.assertEqual(int((root / "memory.max").read_text()), can["appsMemoryBytes"])
        self.assertGreaterEqual(total - can["appsMemoryBytes"], 64 << 20)
        self.assertEqual(int((root / "pids.max").read_text()), can["appsProcesses"])


class ReserveTests(unittest.TestCase):
    """Half of the memory is kept from apps, so that the machine itself is never short of it."""

    def setUp(self):
        reason = unavailable()
        if reason:
            self.skipTest(reason)
        self.platform = Platform()
        self.platform.environment["PAAS_RESERVE_MEMORY"] = "1100M"
        self.addCleanup(lambda: self.assertEqual(self.platform.tear_down(), []))
        self.platform.start()

    def test_a_hog_without_a_limit_dies_at_the_ceiling_of_all_apps_and_nobody_else(self):
        agent, paasd = self.platform.agent.pid, self.platform.paasd.pid
        neighbour = self.platform.deploy_probe("beside")
        self.platform.deploy_probe("boundless")
        # Emulated, it may take longer than the router waits for an answer.
        self.assertIn(self.platform.get("boundless", "/allocate?mb=100000", timeout=60).status, (502, 504))
        app = self.platform.wait_for_app(
            "boundless", lambda app: app["restarts"] >= 1 and app["status"] == "running", "the restart", seconds=60)
        self.assertTrue(app["lastExit"]["oomKilled"])
        self.assertEqual(app["limits"], {})
        (node,) = self.platform.api.get("/nodes")
        events = (Path(node["capabilities"]["cgroupRoot"]) / "memory.events.local").read_text()
        self.assertNotIn("oom 0", events, "it died somewhere else than at the ceiling")
        self.assertEqual(self.platform.app("beside")["pid"], neighbour["pid"])
        self.assertEqual((self.platform.agent.running, self.platform.paasd.running), (True, True))
        self.assertEqual((self.platform.agent.pid, self.platform.paasd.pid), (agent, paasd))


@unittest.skipUnless(os.path.ismount(SCRATCH), "needs the scratch disk of the test machine")
class DiskLimitTests(unittest.TestCase):
    """A platform whose state lies on a disk: memory has no io.max."""

    @classmethod
    def setUpClass(cls):
        reason = unavailable()
        if reason:
            raise unittest.SkipTest(reason)
        cls.platform = Platform(directory=SCRATCH).start()

    @classmethod
    def tearDownClass(cls):
        problems = cls.platform.tear_down()
        if problems:
            raise AssertionError("; ".join(problems))

    def test_disk_traffic_keeps_to_its_rate_and_a_change_is_live(self):
        app = self.platform.deploy_probe("writer", "--io-write-bps", "512K")
        self.assertIn("wbps=524288", run_file(app, "io.max").read_text())
        seconds = self.platform.get("writer", "/disk?kb=2048", timeout=60).json["seconds"]
        rate = 2048 / seconds
        print(f"      io.max 512 KiB/s: measured {rate:.0f} KiB/s")
        # The kernel lets the first slice of a burst through; slower than the limit is the emulated disk's business.
        self.assertLess(rate, 512 * 1.25)
        row = self.platform.api.get("/apps/writer/stats")[0]["instances"][0]
        self.assertGreaterEqual(row["writtenBytes"], 2048 << 10)

        self.platform.paas("deploy", "--name", "writer", "--io-write-bps", "8M")
        self.assertEqual(self.platform.app("writer")["pid"], app["pid"])
        faster = 2048 / self.platform.get("writer", "/disk?kb=2048", timeout=60).json["seconds"]
        print(f"      io.max 8 MiB/s: measured {faster:.0f} KiB/s")
        self.assertGreater(faster, rate * 2)
        self.platform.api.request("PATCH", "/apps/writer", {"limits": None})
        self.platform.wait_for_app("writer", lambda app: app["limits"] == {}, "no limits")
        self.assertEqual(run_file(app, "io.max").read_text(), "")

    def test_weight_of_disks_is_accepted_once_the_kernel_weighs_them(self):
        self.platform.deploy_probe("weighed", "--no-wait")
        device = Path("/sys/block/nvme0n1/dev").read_text().strip()
        qos = cgroups.mount_point() / "io.cost.qos"
        qos.write_text(f"{device} enable=1")
        try:
            app = self.platform.deploy_probe("weighed", "--io-weight", "50")
            slice = cgroups.cgroup_of(app["pid"])
            while not (slice / "io.weight").exists() or "default 50" not in (slice / "io.weight").read_text():
                self.assertNotEqual(slice, cgroups.mount_point(), "io.weight stands nowhere")
                slice = slice.parent
        finally:
            qos.write_text(f"{device} enable=0")

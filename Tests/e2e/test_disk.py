# SPDX-License-Identifier: Apache-2.0
"""`--disk`: a `/data` of a limited size that is kept, shared, resized, refused where it must be, and gone afterwards."""

import os
import unittest
from pathlib import Path

from harness.case import SharedPlatformCase
from harness.waiting import Deadline

MIB = 1 << 20
CAP_SYS_RESOURCE = 1 << 24


def grows_while_mounted():
    status = Path("/proc/self/status").read_text()
    return bool(int(status.split("CapEff:")[1].split()[0], 16) & CAP_SYS_RESOURCE)


class DiskTests(SharedPlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (node,) = cls.platform.api.get("/nodes")
        limit = next(limit for limit in node["capabilities"]["limits"] if limit["name"] == "disk")
        if not limit["enforced"]:
            cls.platform.tear_down()
            raise unittest.SkipTest(limit["detail"])

    # What there is of an app

    def directory(self, name):
        return self.platform.home / "agent/apps" / self.platform.app(name)["id"]

    def disk(self, name):
        (instance, *_) = self.platform.paas("inspect", name, "--json").json["instances"]
        return instance.get("disk")

    def shell(self, name, script, expect=0):
        return self.platform.paas("exec", name, "--", "sh", "-c", script, expect=expect)

    def fill(self, name):
        """Writes until nothing more goes in; how many bytes that were."""
        done = self.shell(name, "dd if=/dev/zero of=/data/fill bs=64k; stat -c %s /data/fill; rm /data/fill")
        self.assertIn("No space left on device", done.err)
        return int(done.out)

    def images_in_use(self):
        """Loop devices with an image of this platform: whatever they were opened by, the name ends alike."""
        found = []
        for device in Path("/sys/block").glob("loop*"):
            try:
                file = (device / "loop/backing_file").read_text().strip()
            except OSError:
                continue
            if any(file.endswith(f"{app}/disk") for app in os.listdir(self.platform.home / "agent/apps")):
                found.append(f"{device.name}: {file}")
        return found

    def wait_until_unused(self, device):
        self.wait_until_gone(Path("/sys/block") / device / "loop/backing_file")

    def wait_until_gone(self, path):
        deadline = Deadline(20)
        while path.exists():
            self.assertFalse(deadline.passed, f"{path} is there still")

    # The tests

    def test_a_full_disk_is_the_apps_own_and_its_neighbour_does_not_notice(self):
        self.platform.deploy_probe("neighbour", "--disk", "16M")
        self.platform.deploy_probe("full", "--disk", "16M")
        self.assertLess(self.fill("full"), 16 * MIB)
        self.shell("full", "dd if=/dev/zero of=/data/fill bs=64k || :")
        self.assertEqual(self.platform.get("neighbour", "/count").json["count"], 1)
        disk = self.disk("full")
        self.assertEqual(disk["sizeBytes"], 16 * MIB)
        self.assertLess(disk["freeBytes"], 65_536)
        self.assertGreater(disk["usedBytes"], 12 * MIB)
        self.assertLess(disk["allocatedBytes"], 17 * MIB)
        self.assertIn("free in an image of 16.0 MiB", self.platform.paas("inspect", "full").out)
        # Room that is given back is the node's again.
        self.shell("full", "rm /data/fill && sync -f /data")
        self.assertLess(self.disk("full")["usedBytes"], 4 * MIB)
        self.assertEqual(self.platform.app("full")["restarts"], 0)
        image = self.directory("full") / "disk"
        self.assertEqual((image.stat().st_uid, image.stat().st_mode & 0o777), (0, 0o600))

    def test_data_stays_over_restart_release_and_the_end_of_the_agent(self):
        app = self.platform.deploy_probe("kept", "--disk", "16M")
        self.assertEqual(self.platform.get("kept", "/count").json["count"], 1)
        self.platform.paas("restart", "kept")
        self.assertEqual(self.platform.get("kept", "/count").json["count"], 2)
        self.platform.paas("deploy", "--name", "kept", "-e", "A=1")
        self.assertEqual(self.platform.get("kept", "/count").json["count"], 3)
        self.platform.agent.kill()
        self.platform.start_agent()
        self.platform.wait_for_app("kept", lambda app: app["status"] == "running" and app["pid"], "the adoption")
        self.assertEqual(self.platform.get("kept", "/count").json["count"], 4)
        # A release that names no size keeps what there is, and a command sees it as well.
        self.platform.paas("deploy", "--name", "kept", "--disk", "none")
        self.assertEqual(self.platform.get("kept", "/count").json["count"], 5)
        self.assertNotIn("diskBytes", self.platform.app("kept")["limits"])
        self.assertEqual(self.disk("kept")["sizeBytes"], 16 * MIB)
        self.assertIn("names no --disk, and keeps this one", self.platform.paas("inspect", "kept").out)
        self.assertEqual(self.platform.paas("run", "kept", "--", "cat", "/data/count").out, "5")
        self.assertNotEqual(app["pid"], self.platform.app("kept")["pid"])

    def test_instances_see_the_same_files_through_one_device(self):
        self.platform.deploy_probe("two", "--disk", "16M", "--instances", "2")
        self.platform.paas("exec", "--instance", "web.1", "two", "--", "sh", "-c", "echo shared >/data/file")
        seen = self.platform.paas("exec", "--instance", "web.2", "two", "--", "cat", "/data/file").out
        self.assertEqual(seen, "shared\n")
        app = self.platform.app("two")["id"]
        self.assertEqual(len([image for image in self.images_in_use() if app in image]), 1)
        # Nothing of it is mounted where the machine can see it.
        self.assertNotIn("/dev/loop", "".join(line for line in Path("/proc/self/mounts").open() if "paas-e2e" in line))

    def test_it_becomes_larger_and_smaller_with_what_is_in_it(self):
        self.platform.deploy_probe("grows", "--disk", "8M")
        self.platform.get("grows", "/count")
        if grows_while_mounted():
            before = self.platform.app("grows")["pid"]
            self.platform.paas("deploy", "--name", "grows", "--disk", "64M")
            self.assertNotEqual(self.platform.app("grows")["pid"], before)
        else:
            refused = self.platform.paas("deploy", "--name", "grows", "--disk", "64M", expect=1)
            self.assertIn("run 'paas stop grows'", refused.out + refused.err)
            self.platform.paas("stop", "grows")
            self.platform.paas("deploy", "--name", "grows", "--disk", "64M")
        self.assertGreater(self.fill("grows"), 40 * MIB)
        self.assertEqual(self.platform.get("grows", "/count").json["count"], 2)

        refused = self.platform.paas("deploy", "--name", "grows", "--disk", "16M", expect=1)
        self.assertIn("run 'paas stop grows'", refused.out + refused.err)
        self.platform.paas("stop", "grows")
        self.platform.paas("deploy", "--name", "grows", "--disk", "16M")
        self.assertLess(self.fill("grows"), 16 * MIB)
        self.assertEqual(self.platform.get("grows", "/count").json["count"], 3)

        # What does not fit is not thrown away.
        self.shell("grows", "head -c 10m /dev/urandom >/data/big")
        self.platform.paas("stop", "grows")
        refused = self.platform.paas("deploy", "--name", "grows", "--disk", "4M", expect=1)
        self.assertIn("deploy with a larger --disk", refused.out + refused.err)
        self.platform.paas("deploy", "--name", "grows", "--disk", "16M")
        self.assertEqual(self.shell("grows", "stat -c %s /data/big").out, f"{10 * MIB}\n")

    def test_files_from_before_the_first_limit_are_taken_along(self):
        self.platform.deploy_probe("late")
        self.platform.get("late", "/count")
        refused = self.platform.paas("deploy", "--name", "late", "--disk", "16M", expect=1)
        self.assertIn("run 'paas stop late'", refused.out + refused.err)
        self.assertEqual(self.platform.get("late", "/count").json["count"], 2)
        self.assertIsNone(self.disk("late"))
        self.platform.paas("stop", "late")
        # What a kill in the middle of an earlier attempt leaves is no image, and goes.
        (self.directory("late") / "disk.1").write_bytes(bytes(4096))
        (self.directory("late") / "data.1").mkdir()
        (self.directory("late") / "data.1/file").write_text("x")
        self.platform.paas("deploy", "--name", "late", "--disk", "16M")
        self.assertEqual(self.platform.get("late", "/count").json["count"], 3)
        self.assertEqual({path.name for path in self.directory("late").iterdir()}, {"disk", "bundles"})
        texts = [line["text"] for line in self.platform.logs("late")]
        self.assertIn("/data is a file system of 16.0 MiB now, with the files that were in it", texts)

    def test_files_that_do_not_fit_stay_where_they_are(self):
        self.platform.deploy_probe("large")
        self.shell("large", "head -c 10m /dev/urandom >/data/big")
        self.platform.paas("stop", "large")
        refused = self.platform.paas("deploy", "--name", "large", "--disk", "8M", expect=1)
        self.assertIn("stay where they are; deploy with a larger --disk", refused.out + refused.err)
        self.assertEqual({path.name for path in self.directory("large").iterdir()}, {"data", "bundles"})
        self.platform.paas("deploy", "--name", "large", "--disk", "none")
        self.assertEqual(self.shell("large", "stat -c %s /data/big").out, f"{10 * MIB}\n")

    def test_too_small_is_a_usage_error_and_names_the_field(self):
        refused = self.platform.paas("deploy", "true", "--name", "small", "--disk", "1M", expect=64)
        self.assertIn("4 MiB", refused.out + refused.err)
        answer = self.platform.api.request(
            "POST", "/apps", {"name": "small", "command": "true", "limits": {"diskBytes": MIB}})
        self.assertEqual((answer.status, answer.json["field"]), (422, "limits.diskBytes"))

    def test_doctor_names_it(self):
        self.assertRegex(self.platform.paas("doctor").out, r"yes +--disk is enforced\n")

    def test_nothing_is_left_of_a_destroyed_app(self):
        app = self.platform.deploy_probe("gone", "--disk", "16M")
        directory = self.directory("gone")
        (device,) = [image.split(":")[0] for image in self.images_in_use() if app["id"] in image]
        self.platform.paas("destroy", "gone", "--yes")
        self.wait_until_unused(device)
        # The agent is told of the app's end after that of its instances.
        self.wait_until_gone(directory)

    def test_kernel_frees_the_device_when_the_agent_and_all_apps_are_killed(self):
        app = self.platform.deploy_probe("killed", "--disk", "16M")
        # They would all be started again, beside this test and those that follow.
        for other in self.platform.api.get("/apps"):
            if other["name"] != "killed" and other["desired"] == "running":
                self.platform.paas("stop", other["name"])
        self.platform.get("killed", "/count")
        (device,) = [image.split(":")[0] for image in self.images_in_use() if app["id"] in image]
        self.platform.agent.kill()
        self.platform.cgroup.kill()
        self.wait_until_unused(device)
        self.platform.start_agent()
        self.platform.wait_for_app("killed", lambda app: app["status"] == "running" and app["pid"], "the restart")
        self.assertEqual(self.platform.get("killed", "/count").json["count"], 2)

# SPDX-License-Identifier: Apache-2.0
"""`paas inspect`: what is in force for an app, as the kernel shows it."""

from pathlib import Path

from harness import cgroups
from harness.case import SharedPlatformCase


class InspectTests(SharedPlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.app = cls.platform.deploy_probe("looked-at")
        cls.inspection = cls.platform.paas("inspect", "looked-at", "--json").json

    def test_every_layer_of_the_node_is_in_force_for_the_app(self):
        (node,) = self.platform.api.get("/nodes")
        on_the_node = {layer["name"] for layer in node["capabilities"]["layers"] if layer["enforced"]}
        (instance,) = self.inspection["instances"]
        in_force = {layer["name"] for layer in instance["layers"] if layer["enforced"]}
        if self.app["network"] == "host":
            on_the_node.discard("network-namespace")
        self.assertEqual(in_force, on_the_node)
        for layer in instance["layers"]:
            if not layer["enforced"]:
                self.assertTrue(layer["detail"] and layer["remedy"], layer)

    def test_it_shows_the_process_its_cgroup_and_who_owns_its_port(self):
        (instance,) = self.inspection["instances"]
        self.assertEqual((instance["pid"], instance["port"]), (self.app["pid"], self.app["port"]))
        self.assertEqual(Path(instance["cgroup"]), cgroups.cgroup_of(self.app["pid"]))
        self.assertEqual(instance["portOwner"]["pid"], self.app["pid"])
        self.assertTrue(instance["portOwner"]["ownInstance"])
        self.assertEqual(instance["resourceLimits"]["Max core file size"], "0 0")
        self.assertEqual(self.inspection["app"]["name"], "looked-at")

    def test_text_for_people_says_the_same(self):
        text = self.platform.paas("inspect", "looked-at").out
        self.assertIn(f"{self.app['port']}, listened on by ", text)
        self.assertRegex(text, r"yes +sandbox layer seccomp\n")
        self.assertIn("max core file size", text)

    def test_stopped_app_has_nothing_in_force_and_its_last_exit(self):
        self.platform.deploy_probe("resting")
        self.platform.paas("stop", "resting")
        (instance,) = self.platform.paas("inspect", "resting", "--json").json["instances"]
        self.assertEqual((instance["layers"], instance["state"]), ([], "stopped"))
        self.assertNotIn("pid", instance)
        self.assertIn("lastExit", instance)

    def test_unknown_app_is_exit_code_4(self):
        self.assertIn("nobody", self.platform.paas("inspect", "nobody", expect=4).err)

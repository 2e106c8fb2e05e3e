# SPDX-License-Identifier: Apache-2.0
"""The attack suite, deployed as an app of this machine: everything that is tried is stopped."""

import subprocess

from harness.case import SharedPlatformCase
from harness.platform import BINARIES


class AttackTests(SharedPlatformCase):
    def check(self, profile):
        result = self.platform.paas("doctor", "--sandbox", "--profile", profile, "--json", expect=None, timeout=240)
        report = result.json
        holes = [case for case in report["cases"] if case["outcome"] == "succeeded"]
        self.assertEqual(holes, [])
        self.assertEqual((result.code, report["stopped"]), (0, report["tried"]), str(result))
        # What is left out has a reason of this kernel or this machine, and is little.
        self.assertGreater(report["tried"], 90, [case for case in report["cases"] if case["outcome"] == "skipped"])

    def test_standard_stops_every_attack(self):
        self.check("standard")

    def test_strict_stops_every_attack(self):
        self.check("strict")

    def test_report_for_people_has_a_line_for_each_case_and_leaves_no_app(self):
        result = self.platform.paas("doctor", "--sandbox", timeout=240)
        self.assertRegex(result.out, r"unshare-user +stopped +EPERM +make a user namespace")
        self.assertRegex(result.out, r"\n\d+/\d+ stopped on node e2e, \d+ not tried\n$")
        self.assertEqual(self.platform.api.get("/apps"), [])

    def test_doctor_names_every_layer_with_reason_and_remedy(self):
        result = self.platform.paas("doctor")
        (node,) = self.platform.api.get("/nodes")
        for layer in node["capabilities"]["layers"]:
            self.assertIn(f"sandbox layer {layer['name']}", result.out)
            if not layer["enforced"]:
                self.assertIn(f"{layer['detail']}; {layer['remedy']}", result.out)

    def test_suite_does_not_run_outside_an_app(self):
        done = subprocess.run([BINARIES / "paas-attacks"], env={}, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (64, ""))
        self.assertIn("inside an app only", done.stderr)

# SPDX-License-Identifier: Apache-2.0
"""The campaigns, small: a few rounds of each with a new seed every time. docs/testing.md says how to run them large."""

import subprocess
import unittest
from pathlib import Path

from harness.waiting import SLOWNESS

RUN = Path(__file__).resolve().parent / "run"
UNAVAILABLE = 69


class CampaignTests(unittest.TestCase):
    def play(self, *arguments):
        done = subprocess.run(
            [RUN, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=300 * SLOWNESS, check=False)
        said = done.stdout.decode("utf-8", "replace")
        if done.returncode == UNAVAILABLE:
            self.skipTest(said.strip())
        # The output has the seed, with which the same choices can be made again.
        self.assertEqual(done.returncode, 0, said)

    def test_agent_that_is_killed_loses_no_app_no_end_and_no_process(self):
        self.play("agent-kills", "--rounds", "8", "--apps", "7")

    def test_agent_that_is_killed_in_a_flood_loses_no_line(self):
        self.play("flood-kills", "--rounds", "4")

    def test_control_plane_that_is_killed_loses_no_write_and_no_end(self):
        self.play("paasd-kills", "--rounds", "8")

    def test_control_plane_refuses_hostile_bodies_and_stays_small(self):
        # Without the minute in which connections are held.
        self.play("hostile-bodies", "--fuzzed", "100", "--held", "0")

    def test_agent_that_is_replaced_loses_no_request(self):
        self.play("upgrade", "--rounds", "2")

    def test_app_that_is_changed_loses_no_request_and_no_stream(self):
        self.play("rollouts", "--rounds", "6")

    def test_slow_clients_hurt_nobody_else_and_are_ended(self):
        self.play("slow-clients", "--connections", "100", "--timeout", "3", "--rounds", "1")

    def test_faults_are_told_and_pass(self):
        faults = ("enoent", "emfile", "full-disk", "full-disk-of-paasd", "read-only", "sigstop", "unreadable")
        self.play("faults", *(part for fault in faults for part in ("--only", fault)))

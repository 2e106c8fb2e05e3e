# SPDX-License-Identifier: Apache-2.0
"""Start, stop, restart, destroy, and the exit codes that scripts rely on."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from harness import cgroups
from harness.case import SharedPlatformCase
from harness.http import fetch
from harness.platform import BINARIES
from harness.waiting import wait_for_exit, wait_for_file_to_say


class LifecycleTests(SharedPlatformCase):
    def test_stop_start_and_restart_wait_until_it_is_so(self):
        app = self.platform.deploy_probe("cycle")
        cgroup = cgroups.cgroup_of(app["pid"])
        stopped = self.platform.paas("stop", "cycle", "--json").json
        self.assertEqual((stopped["status"], stopped["pid"]), ("stopped", None))
        self.assertFalse(Path(f"/proc/{app['pid']}").exists())
        self.assertFalse(cgroup.exists())
        self.assertNotEqual(self.platform.get("cycle").status, 200)
        self.platform.paas("status", "cycle", expect=3)

        started = self.platform.paas("start", "cycle", "--json").json
        self.assertEqual(started["status"], "running")
        self.assertEqual(self.platform.get("cycle").status, 200)

        restarted = self.platform.paas("restart", "cycle", "--json").json
        self.assertEqual(restarted["status"], "running")
        self.assertNotEqual(restarted["pid"], started["pid"])
        self.assertEqual((restarted["restarts"], restarted["release"]), (0, "v1"))
        wait_for_exit(started["pid"], seconds=40)
        self.assertEqual(self.platform.get("cycle").status, 200)

    def test_stop_is_graceful_and_its_exit_is_marked_as_requested(self):
        self.platform.deploy_probe("graceful")
        self.platform.paas("stop", "graceful")
        app = self.platform.app("graceful")
        self.assertEqual((app["lastExit"]["code"], app["lastExit"]["requested"]), (0, True))
        self.assertIn("probe: asked to stop, done", [line["text"] for line in self.platform.logs("graceful")])

    def test_data_is_kept_over_restart_and_new_release_and_not_beyond_destroy(self):
        self.platform.deploy_probe("keeps")
        self.assertEqual(self.platform.get("keeps", "/count").json["count"], 1)
        self.platform.paas("restart", "keeps")
        self.assertEqual(self.platform.get("keeps", "/count").json["count"], 2)
        self.platform.deploy_probe("keeps", "-e", "VERSION=2")
        self.assertEqual(self.platform.get("keeps", "/count").json["count"], 3)

        first = self.platform.app("keeps")
        self.platform.paas("destroy", "keeps", "--yes")
        self.platform.paas("status", "keeps", expect=4)
        self.assertEqual(self.platform.get("keeps").status, 404)
        again = self.platform.deploy_probe("keeps")
        self.assertNotEqual(again["id"], first["id"])
        self.assertEqual(again["release"], "v1")
        self.assertEqual(self.platform.get("keeps", "/count").json["count"], 1)

    def test_destroy_leaves_no_process_and_no_cgroup(self):
        app = self.platform.deploy_probe("goes")
        self.platform.get("goes", "/daemons?count=2")
        cgroup = cgroups.cgroup_of(app["pid"])
        self.platform.paas("destroy", "goes", "--yes")
        # The end is told first, and the empty cgroup removed in the same turn.
        wait_for_file_to_say(cgroup / "cgroup.events", lambda text: not text)
        self.assertFalse(Path(f"/proc/{app['pid']}").exists())

    def test_two_instances_share_the_requests(self):
        self.platform.deploy_probe("pair", "--instances", "2")
        app = self.platform.app("pair")
        self.assertEqual((app["instances"], app["instancesReady"]), (2, 2))
        pids = {self.platform.get("pair").json["env"]["PAAS_INSTANCE"] for _ in range(20)}
        self.assertEqual(pids, {"web.1", "web.2"})


class StatusTests(SharedPlatformCase):
    def test_json_is_the_documented_shape(self):
        self.platform.deploy_probe("shape")
        listed = self.platform.paas("status", "--json").json
        self.assertEqual([app["name"] for app in listed], ["shape"])
        one = self.platform.paas("status", "shape", "--json").json
        promised = {
            "id", "name", "command", "status", "port", "pid", "restarts", "instances", "release", "limits", "lastExit",
            "createdAt", "updatedAt",
        }
        self.assertEqual(promised - one.keys(), set())
        self.assertEqual(os.stat(f"/proc/{one['pid']}").st_uid, self.platform.get("shape").json["uid"])
        self.assertEqual(fetch(one["port"], "/").status, 200)

    def test_table_has_a_row_for_each_app(self):
        self.platform.deploy_probe("row")
        out = self.platform.paas("status").out
        self.assertIn("NAME", out)
        self.assertRegex(out, r"(?m)^row\s+running")


class ErrorTests(SharedPlatformCase):
    def test_no_such_app_is_4_everywhere(self):
        for arguments in (["status"], ["logs"], ["start"], ["stop"], ["restart"], ["destroy", "--yes"]):
            with self.subTest(command=arguments[0]):
                result = self.platform.paas(arguments[0], "nobody", *arguments[1:], expect=4)
                self.assertIn("nobody", result.err)
                self.assertEqual(result.out, "")

    def test_usage_is_64(self):
        for arguments in (["deploy", "--memory", "lots", "true", "--name", "x"], ["status", "--nonsense"], ["nonsense"],
                          ["deploy", "true", "--name", "Not A Name"]):
            with self.subTest(arguments=arguments):
                self.assertNotEqual(self.platform.paas(*arguments, expect=64).err, "")

    def test_control_plane_that_is_not_there_is_69_with_advice(self):
        with tempfile.TemporaryDirectory() as home:
            result = self.platform.paas("status", expect=69, env={"PAAS_HOME": home, "PAAS_URL": ""})
        self.assertRegex(result.err, "paasd")

    def test_tcp_without_a_token_is_401_and_with_it_200(self):
        port = self.platform.api_port
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            self.assertEqual(fetch(port, "/apps", headers=headers).status, 401)
        token = (self.platform.home / "admin.token").read_text().strip()
        self.assertEqual(fetch(port, "/apps", headers={"Authorization": f"Bearer {token}"}).status, 200)
        self.assertEqual((self.platform.home / "admin.token").stat().st_mode & 0o777, 0o600)

    def test_bad_bodies_are_refused_with_the_field(self):
        for body, status, word in (
                (b"{", 400, ""), ({"name": "Bad Name", "command": "true"}, 422, "name"),
                ({"name": "x", "command": ""}, 422, "command"),
                ({"name": "x", "command": "true", "limits": {"memoryBytes": 1}}, 422, "memory"),
                ({"name": "x", "command": "true", "colour": "red"}, 422, "colour")):
            with self.subTest(body=body):
                answer = self.platform.api.request("POST", "/apps", body, {"Content-Type": "application/json"})
                self.assertEqual(answer.status, status, answer.text)
                self.assertEqual(answer.headers.get_content_type(), "application/problem+json")
                self.assertIn(word, json.dumps(answer.json))

    def test_programs_know_their_version_and_help(self):
        for program in ("paasd", "agent", "paas"):
            with self.subTest(program=program):
                for option in ("--version", "--help"):
                    done = subprocess.run([BINARIES / program, option], capture_output=True, timeout=60, check=False)
                    self.assertEqual(done.returncode, 0)
                    self.assertNotEqual(done.stdout, b"")

# SPDX-License-Identifier: Apache-2.0
"""What an app sees, and what it is kept from. The attack suite of the sandbox goes further."""

import os
from urllib.parse import quote

from harness.case import SharedPlatformCase
from harness.platform import Platform


def attempt(platform, app, path, write=None):
    """What an app gets when it reads a file, or writes it: content, `written`, or the name of an error."""
    query = f"/try?path={quote(str(path))}" + (f"&write={quote(write)}" if write else "")
    return platform.get(app, query).json["result"]


class ConfinementTests(SharedPlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.app = cls.platform.deploy_probe("inside", "-e", "MINE=yes")
        cls.seen = cls.platform.get("inside").json

    def attempt(self, path, write=None):
        return attempt(self.platform, "inside", path, write)

    def test_environment_is_the_documented_one_and_nothing_of_the_agent(self):
        env = self.seen["env"]
        self.assertEqual(env["PORT"], str(self.app["port"]))
        self.assertEqual((env["HOME"], env["TMPDIR"], env["PYTHONUNBUFFERED"]), ("/data", "/tmp", "1"))
        self.assertEqual((env["PAAS_APP"], env["PAAS_INSTANCE"], env["PAAS_RELEASE"]), ("inside", "web.1", "v1"))
        self.assertEqual(env["MINE"], "yes")
        self.assertNotIn("AGENT_ONLY_SECRET", env)
        self.assertFalse({"PAAS_HOME", "PAAS_TOKEN", "PAAS_URL"} & env.keys())
        self.assertEqual(self.seen["cwd"], "/app")

    def test_app_has_a_uid_of_its_own_no_groups_and_no_capability(self):
        self.assertNotEqual(self.seen["uid"], 0)
        self.assertNotEqual(self.seen["gid"], 0)
        self.assertLessEqual(set(self.seen["groups"]), {self.seen["gid"]})
        for name in ("CapEff", "CapPrm", "CapInh", "CapBnd"):
            self.assertEqual(int(self.seen["status"][name], 16), 0, name)
        self.assertEqual(self.seen["status"]["NoNewPrivs"], "1")

    def test_two_apps_have_different_uids(self):
        self.platform.deploy_probe("neighbour")
        self.assertNotEqual(self.platform.get("neighbour").json["uid"], self.seen["uid"])

    def test_app_has_no_descriptor_of_the_agent(self):
        # 0, 1, 2, its listening socket, this connection, and the directory that it lists.
        self.assertLessEqual(len(self.seen["descriptors"]), 6, self.seen["descriptors"])
        self.assertEqual(self.seen["stdin"], "/dev/null")

    def test_no_signal_is_blocked(self):
        self.assertEqual(int(self.seen["status"]["SigBlk"], 16), 0)

    def test_bundle_is_read_only_and_data_and_tmp_are_writable(self):
        self.assertIn(self.attempt("/app/new", "x"), ("OSError", "PermissionError"))
        self.assertIn(self.attempt("/app/server.py", "x"), ("OSError", "PermissionError"))
        self.assertEqual(self.attempt("/data/new", "x"), "written")
        self.assertEqual(self.attempt("/tmp/new", "x"), "written")
        self.assertFalse(os.path.exists("/tmp/new"), "/tmp of the app is the machine's")

    def test_state_of_the_platform_cannot_be_read(self):
        home = self.platform.home
        for path in (home, home / "admin.token", home / "paasd/paas.db", home / "run/paasd.sock", "/etc/shadow",
                     f"/proc/{self.platform.agent.pid}/environ"):
            with self.subTest(path=path):
                self.assertIn(self.attempt(path), ("FileNotFoundError", "PermissionError", "NotADirectoryError"))


class OpenPlatform(Platform):
    """One whose operator allows `--sandbox off`, in a home that other users may pass through."""

    def start(self):
        self.home.chmod(0o755)
        return super().start()

    def start_agent(self, wait=True, arguments=()):
        super().start_agent(wait, ["--allow-sandbox-off", "true", *arguments])


class SandboxOffTests(SharedPlatformCase):
    make_platform = OpenPlatform

    def attempt(self, app, path, write=None):
        return attempt(self.platform, app, path, write)

    def test_app_runs_in_the_hosts_view_as_its_own_user_and_reaches_no_other_app(self):
        seen = {}
        for app in ("open", "other"):
            self.platform.deploy_probe(app, "--sandbox", "off")
            seen[app] = self.platform.get(app).json
            self.assertNotEqual(seen[app]["uid"], 0)
            self.assertEqual(int(seen[app]["status"]["CapEff"], 16), 0)
            self.assertTrue(seen[app]["cwd"].startswith(f"{self.platform.home}/agent/apps/"), seen[app]["cwd"])
            # It finds itself by whole paths, too, and has a home that it can write.
            self.assertIn("SPDX", self.attempt(app, f"{seen[app]['cwd']}/server.py"))
            self.assertEqual(self.attempt(app, f"{seen[app]['env']['HOME']}/new", "x"), "written")
        self.assertNotEqual(seen["open"]["uid"], seen["other"]["uid"])
        agent = self.platform.home / "agent"
        for path in (f"{seen['other']['cwd']}/server.py", f"{seen['other']['env']['HOME']}/new", agent,
                     agent / "apps", agent / "logs", agent / "runs", agent / "uids.json",
                     self.platform.home / "paasd/paas.db"):
            with self.subTest(path=path):
                self.assertEqual(self.attempt("open", path), "PermissionError")

    def test_command_without_a_bundle_runs_too(self):
        self.platform.paas(
            "deploy", "--name", "bare", "--sandbox", "off", "pwd; exec python3 -m http.server $PORT")
        out = self.platform.paas("logs", "bare").out
        self.assertIn(f"{self.platform.home}/agent/empty", out)

    def test_data_has_no_limit_there_and_one_that_has_is_not_left_behind(self):
        refused = self.platform.paas("deploy", "true", "--name", "unlimited", "--sandbox", "off", "--disk", "16M", expect=1)
        self.assertIn("--sandbox standard", refused.out + refused.err)
        (node,) = self.platform.api.get("/nodes")
        if not next(limit for limit in node["capabilities"]["limits"] if limit["name"] == "disk")["enforced"]:
            return
        self.platform.deploy_probe("limited", "--disk", "16M")
        refused = self.platform.paas("deploy", "--name", "limited", "--sandbox", "off", "--disk", "none", expect=1)
        self.assertIn("in an image since an earlier deploy", refused.out + refused.err)
        self.assertEqual(self.platform.get("limited", "/count").json["count"], 1)

    def test_calls_that_fail_are_no_events_because_no_filter_blocks_them(self):
        self.platform.deploy_probe("loose", "--sandbox", "off")
        self.assertEqual(self.platform.get("loose", "/denied?call=mount").status, 200)
        # The end of the run would bring what there is.
        self.platform.paas("stop", "loose")
        events = self.platform.paas("events", "loose", "--json").json
        self.assertNotIn("blocked", [event["kind"] for event in events])

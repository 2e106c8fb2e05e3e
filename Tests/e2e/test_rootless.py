# SPDX-License-Identifier: Apache-2.0
"""An ordinary user with subordinate ids and a delegated cgroup runs the platform, and its sandbox holds."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from harness import cgroups
from harness.case import SharedPlatformCase
from harness.cgroups import in_force
from harness.http import fetch
from harness.platform import BINARIES, Platform, unavailable
from harness.waiting import SLOWNESS

USER = 47_321
FIRST_ID = 1_500_000_000
IDS = range(FIRST_ID, FIRST_ID + 65_536)

# As root in a mount namespace of its own, where /etc knows the user and /mnt has the programs; then as that user, in a
# leaf of the delegated cgroup. $0: what /etc is to have; $1: the leaf; $2: the program.
AS_USER = f"""
for file in passwd group subuid subgid; do
    [ -e "/etc/$file" ] || : >"/etc/$file"
    mount --bind "$0/$file" "/etc/$file"
done
mount --bind {BINARIES} /mnt
echo $$ >"$1/cgroup.procs"
# As a user's service manager does; it cannot be lowered without CAP_SYS_RESOURCE.
echo 300 >/proc/self/oom_score_adj
program=/mnt/${{2##*/}}
shift 2
exec setpriv --reuid={USER} --regid={USER} --clear-groups "$program" "$@"
"""


def missing():
    """Why this machine cannot show it, or None."""
    for program, package in (("newuidmap", "uidmap"), ("unshare", "util-linux"), ("setpriv", "util-linux")):
        if not shutil.which(program):
            return f"there is no {program} (Debian package {package})"
    return unavailable()


class OfOrdinaryUser(Platform):
    """A platform of a user without root; whoever calls `paas` is root still, and let in by paasd."""

    def __init__(self):
        super().__init__()
        etc = self.home / "etc"
        etc.mkdir()
        (etc / "passwd").write_text(f"root:x:0:0::/root:/bin/sh\nordinary:x:{USER}:{USER}::{self.home}:/bin/sh\n")
        (etc / "group").write_text(f"root:x:0:\nordinary:x:{USER}:\n")
        for name in ("subuid", "subgid"):
            (etc / name).write_text(f"ordinary:{FIRST_ID}:{len(IDS)}\n")
        leaf = self.cgroup.path / "daemons"
        leaf.mkdir()
        # What systemd gives with Delegate=yes.
        for path in (self.cgroup.path, leaf):
            for file in (".", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"):
                os.chown(path / file, USER, USER)
        for path in (self.home, self.home / "tmp"):
            os.chown(path, USER, USER)
        self.wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", AS_USER, str(etc), str(leaf)]
        self.agent_wrapper = self.paasd_wrapper = self.stop_apps_wrapper = self.wrapper

    def cgroup_arguments(self):
        return ["--cgroup-root", self.cgroup.path / "paas.slice"]


class RootlessTests(SharedPlatformCase):
    make_platform = OfOrdinaryUser
    unavailable = staticmethod(missing)

    @staticmethod
    def users(pid):
        """Real, effective, saved and file system uid, as the machine has them."""
        line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Uid:"))
        return {int(word) for word in line.split()[1:]}

    def test_nothing_of_it_is_root(self):
        app = self.platform.deploy_probe("web")
        self.assertEqual(self.platform.get("web").status, 200)
        (uid,) = self.users(app["pid"])
        self.assertIn(uid, IDS)
        for daemon in (self.platform.paasd, self.platform.agent):
            self.assertEqual(self.users(daemon.pid), {USER})
        seen = {next(iter(self.users(pid))) for pid in self.platform.cgroup.processes()}
        self.assertLessEqual(seen, {USER, *IDS})
        other = self.platform.deploy_probe("other")
        self.assertNotEqual(self.users(other["pid"]), {uid})

    def test_node_says_what_is_weaker(self):
        (node,) = self.platform.api.get("/nodes")
        layers = {layer["name"]: layer for layer in node["capabilities"]["layers"]}
        self.assertTrue(layers["own-user"]["enforced"])
        self.assertIn("without root", layers["own-user"]["detail"])
        self.assertIn("without root", self.platform.paas("doctor", expect=None).out)
        self.assertNotIn("egress", node["capabilities"]["networks"])
        refused = self.platform.paas("deploy", "--name", "out", "--network", "egress", "sleep 1", expect=1)
        self.assertIn("egress", refused.out + refused.err)
        self.platform.paas("destroy", "out", "--yes")

    def test_limits_are_in_force_or_refused(self):
        wanted = ("--memory", "64M", "--pids", "32")
        if {"memory", "pids"} <= cgroups.controllers():
            app = self.platform.deploy_probe("limited", *wanted)
            self.assertIn("67108864", in_force(app["pid"], "memory.max"))
            self.assertIn("32", in_force(app["pid"], "pids.max"))
        else:
            self.platform.deploy_probe("limited", *wanted, expect=1)
        self.platform.paas("destroy", "limited", "--yes")

    def test_limit_of_data_is_refused_with_the_reason(self):
        refused = self.platform.paas("deploy", "true", "--name", "disk", "--disk", "16M", expect=1)
        self.assertIn("root of a user namespace only", refused.out + refused.err)
        self.assertIn("--disk: the agent is root of a user namespace only", self.platform.paas("doctor").out)
        self.platform.paas("destroy", "disk", "--yes")

    def test_no_attack_succeeds(self):
        report = self.platform.paas("doctor", "--sandbox", "--json", expect=None, timeout=240).json
        self.assertEqual([case["case"] for case in report["cases"] if case["outcome"] == "succeeded"], [])
        print(f"      {report['stopped']}/{report['tried']} stopped", flush=True)

    def test_blocked_call_is_an_event_without_root_too(self):
        self.platform.deploy_probe("asks")
        self.assertEqual(self.platform.get("asks", "/denied?call=mount").json["answers"], ["EPERM"])
        # The end of the run brings what there is.
        self.platform.paas("stop", "asks")
        events = self.platform.paas("events", "asks", "--json").json
        self.assertEqual(
            [event["blocked"] for event in events if event["kind"] == "blocked"], [{"call": "mount", "count": 1}])

    def test_next_agent_has_power_over_the_apps_of_the_one_that_was_killed(self):
        app = self.platform.deploy_probe("kept")
        self.platform.agent.kill()
        self.platform.start_agent()
        after = self.platform.app("kept")
        self.assertEqual((after["pid"], after["restarts"], after["status"]), (app["pid"], 0, "running"))
        namespaces = {os.readlink(f"/proc/{pid}/ns/user") for pid in (app["pid"], self.platform.agent.pid)}
        self.assertEqual(len(namespaces), 1)
        self.assertNotEqual(namespaces, {os.readlink("/proc/self/ns/user")})
        self.assertEqual(self.platform.paas("exec", "kept", "id", "-u").out.strip().isdigit(), True)
        self.platform.paas("stop", "kept")
        self.assertFalse(os.path.exists(f"/proc/{app['pid']}"))

    def test_socket_of_the_service_manager_reaches_the_agent_inside_the_namespace(self):
        app = self.platform.deploy_probe("served")
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        self.platform.agent.stop()
        self.platform.hand_to_agent(server)
        try:
            self.platform.start_agent()
            port = server.getsockname()[1]
            (node,) = self.platform.api.get("/nodes")
            self.assertEqual(node["routerAddress"], f"127.0.0.1:{port}")
            self.assertEqual(fetch(port, "/apps/served/").json["uid"], next(iter(self.users(app["pid"]))) - FIRST_ID + 1)
        finally:
            self.platform.agent.stop()
            self.platform.agent_wrapper, self.platform.agent_descriptors = self.platform.wrapper, ()
            self.platform.start_agent()

    def test_user_without_subordinate_ids_is_told_how_to_get_them(self):
        subuid = self.platform.home / "etc/subuid"
        text = subuid.read_text()
        subuid.write_text("")
        try:
            done = subprocess.run(
                [*self.platform.wrapper, "agent", "--home", str(self.platform.home / "tmp/none"),
                 "--router", "127.0.0.1:0", "--cgroup-root", str(self.platform.cgroup.path / "none.slice")],
                capture_output=True, text=True, env=self.platform.environment, timeout=30 * SLOWNESS, check=False)
        finally:
            subuid.write_text(text)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("usermod --add-subuids", done.stderr)

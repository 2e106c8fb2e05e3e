# SPDX-License-Identifier: Apache-2.0
"""An app that may connect outwards: what it reaches, and what of the host it does not."""

import os
import signal
import socket
import threading
import unittest
from pathlib import Path
from urllib.parse import quote

from harness import cgroups
from harness.case import OwnPlatformCase
from harness.http import fetch
from harness.outside import HOST, PEER, Outside
from harness.platform import Platform, unavailable


class EgressTests(OwnPlatformCase):
    def setUp(self):
        super().setUp()
        (node,) = self.platform.api.get("/nodes")
        if "egress" not in node["capabilities"]["networks"]:
            reason = self.platform.paas("deploy", "true", "--name", "x", "--network", "egress", expect=1).err
            raise unittest.SkipTest(reason.strip())
        reason = Outside.unavailable()
        if reason:
            raise unittest.SkipTest(reason)
        self.outside = Outside()
        self.addCleanup(self.outside.close)

    def reach(self, name, host, port, **options):
        query = "".join(f"&{key}={value}" for key, value in options.items())
        return self.platform.get(name, f"/connect?host={quote(host)}&port={port}{query}", timeout=60).json["result"]

    def tools(self, app):
        """Processes of the tool, in the cgroup below the run's."""
        directory = cgroups.cgroup_of(app["pid"]) / "egress"
        return [int(pid) for pid in (directory / "cgroup.procs").read_text().split()]

    def test_reaches_another_machine_and_nothing_of_the_host(self):
        app = self.platform.deploy_probe("out", "--network", "egress")
        neighbour = self.platform.deploy_probe("neighbour")
        trusted = self.platform.deploy_probe("trusted", "--network", "host")
        self.assertEqual(app["network"], "egress")
        self.assertEqual(self.reach("out", PEER, Outside.tcp_port), "connected")
        self.assertEqual(self.platform.get("out", f"/datagram?host={PEER}&port={Outside.udp_port}").json["result"], "gnip")

        # The host listens on every address, so that silence is not for lack of a listener: --network host proves it.
        with socket.create_server(("0.0.0.0", 0)) as everywhere, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            port = everywhere.getsockname()[1]
            udp.bind(("0.0.0.0", 0))
            places = [(host, port) for host in ("127.0.0.1", HOST, "198.18.0.2")]
            places += [(host, one) for host in ("198.18.0.2", HOST) for one in (
                self.platform.router_port, self.platform.api_port, neighbour["port"], trusted["port"])]
            places += [("169.254.169.254", 80), ("fe80::1%egress0", 80), ("::1", port)]
            for host, one in places:
                with self.subTest(host=host, port=one):
                    self.assertNotEqual(self.reach("out", host, one, timeout=1), "connected")
            self.assertEqual(self.reach("trusted", HOST, port), "connected")
            # A datagram is sent into the void; it must not arrive.
            self.platform.get("out", f"/datagram?host={HOST}&port={udp.getsockname()[1]}&timeout=1")
            udp.setblocking(False)
            with self.assertRaises(BlockingIOError):
                udp.recv(64)
            # And a socket bound to the interface does not get around it.
            self.assertNotEqual(self.reach("out", HOST, port, timeout=1, device="egress0"), "connected")

        # It is reached as an isolated app is.
        self.assertEqual(fetch(app["port"], "/").json["env"]["PAAS_APP"], "out")

    def test_tool_ends_with_the_app_and_lives_on_without_an_agent(self):
        app = self.platform.deploy_probe("out", "--network", "egress")
        tools = self.tools(app)
        self.assertTrue(tools)
        self.platform.agent.kill()
        self.platform.start_agent()
        after = self.platform.wait_for_app("out", lambda one: one["status"] == "running", "the adoption")
        self.assertEqual((after["pid"], after["restarts"], self.tools(after)), (app["pid"], 0, tools))
        self.assertEqual(self.reach("out", PEER, Outside.tcp_port), "connected")
        self.platform.paas("stop", "out")
        self.assertFalse(any(Path(f"/proc/{pid}").exists() and not is_zombie(pid) for pid in tools))

    def test_app_whose_tool_dies_is_started_again_with_a_new_one(self):
        app = self.platform.deploy_probe("out", "--network", "egress")
        for pid in self.tools(app):
            os.kill(pid, signal.SIGKILL)
        after = self.platform.wait_for_app(
            "out", lambda one: one["restarts"] == 1 and one["status"] == "running", "the restart")
        self.assertIn("lost its way out", after["lastExit"]["reason"])
        self.assertEqual(self.reach("out", PEER, Outside.tcp_port), "connected")

    def test_tool_sees_no_file_of_the_host_but_the_name_server(self):
        app = self.platform.deploy_probe("out", "--network", "egress")
        for pid in self.tools(app):
            root = Path(f"/proc/{pid}/root")
            self.assertLessEqual({entry.name for entry in root.iterdir()}, {"etc", "run", "old"})
            self.assertEqual([entry.name for entry in (root / "etc").iterdir()], ["resolv.conf"])
            self.assertEqual(list((root / "run").iterdir()), [])


class NameTests(unittest.TestCase):
    """With a name server on the host's own loopback, as systemd-resolved is: the one thing of it that can be reached."""

    ADDRESS = "127.0.0.153"

    def setUp(self):
        reason = unavailable() or Outside.unavailable()
        if reason:
            self.skipTest(reason)
        self.outside = Outside()
        self.addCleanup(self.outside.close)
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.server.close)
        self.server.bind((self.ADDRESS, 53))
        threading.Thread(target=self.answer, daemon=True).start()
        self.platform = Platform()
        self.addCleanup(lambda: self.assertEqual(self.platform.tear_down(), []))
        file = self.platform.home / "resolv.conf"
        file.write_text(f"nameserver {self.ADDRESS}\n")
        # In a mount namespace of the agent's own, whose resolv.conf is this one.
        self.platform.agent_wrapper = [
            "unshare", "--mount", "--propagation", "private", "sh", "-ec",
            'mount --bind "$0" "$(readlink -f /etc/resolv.conf)"; exec "$@"', file]
        self.platform.start()
        if "egress" not in self.platform.api.get("/nodes")[0]["capabilities"]["networks"]:
            self.skipTest("this node has no egress")

    def answer(self):
        """Says that every name is the machine outside."""
        while True:
            try:
                query, client = self.server.recvfrom(512)
            except OSError:
                return
            question = query[12:query.index(b"\0", 12) + 5]
            is_address = question[-4:-2] == b"\0\1"
            head = query[:2] + b"\x81\x80" + b"\0\1" + (b"\0\1" if is_address else b"\0\0") + b"\0\0\0\0"
            record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(PEER) if is_address else b""
            self.server.sendto(head + question + record, client)

    def test_names_are_resolved_and_nothing_else_of_the_host_is_reached(self):
        self.platform.deploy_probe("names", "--network", "egress")
        reach = lambda host, port: self.platform.get(
            "names", f"/connect?host={host}&port={port}&timeout=2", timeout=60).json["result"]
        self.assertEqual(reach("machine.example", Outside.tcp_port), "connected")
        with socket.create_server((self.ADDRESS, 0)) as other:
            self.assertNotEqual(reach(self.ADDRESS, other.getsockname()[1]), "connected")


def is_zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True

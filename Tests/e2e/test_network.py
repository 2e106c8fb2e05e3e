# SPDX-License-Identifier: Apache-2.0
"""What an app can reach, and what reaches it, in each network mode."""

import errno
import os
import signal
import socket
import threading
from urllib.parse import quote

from harness.case import OwnPlatformCase, SharedPlatformCase
from harness.http import ask_for_websocket, fetch
from harness.platform import TEST_APPS
from harness.waiting import SLOWNESS

ISOLATED = {errno.errorcode[number] for number in (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH)}


class IsolatedTests(SharedPlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.app = cls.platform.deploy_probe("alone")
        cls.neighbour = cls.platform.deploy_probe("neighbour")

    def connect_from_app(self, host, port, name="alone"):
        """`connected`, or the name of the error."""
        return self.platform.get(name, f"/connect?host={quote(host)}&port={port}").json["result"]

    def test_is_what_an_app_gets_that_asks_for_nothing(self):
        self.assertEqual(self.app["network"], "isolated")
        node = self.platform.api.get("/nodes")[0]
        self.assertEqual(node["capabilities"]["networks"][0], "isolated")
        layer = [one for one in node["capabilities"]["layers"] if one["name"] == "network-namespace"]
        self.assertTrue(layer[0]["enforced"])

    def test_reaches_neither_platform_nor_neighbour_nor_outside(self):
        # The host has somebody listening on every address, so that silence is not for lack of a listener.
        with socket.create_server(("0.0.0.0", 0)) as listener:
            own_port = listener.getsockname()[1]
            own_address = address_of_the_host()
            places = [
                ("127.0.0.1", self.platform.router_port), ("127.0.0.1", self.platform.api_port),
                ("127.0.0.1", self.neighbour["port"]), ("127.0.0.1", own_port), (own_address, own_port),
                ("169.254.169.254", 80), ("198.51.100.7", 80), ("fe80::1%lo", 80), ("2001:db8::1", 80),
            ]
            for host, port in places:
                with self.subTest(host=host, port=port):
                    self.assertIn(self.connect_from_app(host, port), ISOLATED)

    def test_with_the_hosts_network_the_same_places_are_reached(self):
        self.platform.deploy_probe("trusted", "--network", "host")
        for port in (self.platform.router_port, self.platform.api_port, self.neighbour["port"]):
            with self.subTest(port=port):
                self.assertEqual(self.connect_from_app("127.0.0.1", port, "trusted"), "connected")

    def test_is_reached_through_router_and_its_port_and_nothing_else_holds_the_port(self):
        self.assertEqual(self.platform.get("alone").status, 200)
        seen = fetch(self.app["port"], "/").json
        self.assertEqual(seen["env"]["PAAS_APP"], "alone")
        self.assertEqual(seen["env"]["PORT"], str(self.app["port"]))
        self.assertEqual(listening_process(self.app["port"]), self.platform.agent.pid)

    def test_body_larger_than_every_buffer_comes_back_whole(self):
        body = os.urandom(8 << 20)
        headers = {"Content-Type": "application/octet-stream"}
        for port, path in ((self.app["port"], "/"), (self.platform.router_port, "/apps/alone/")):
            with self.subTest(port=port):
                self.assertEqual(fetch(port, path, "POST", headers, body).body, body)

    def test_websocket_echoes_through_port_and_router(self):
        for port, path in ((self.app["port"], "/echo"), (self.platform.router_port, "/apps/alone/echo")):
            with self.subTest(port=port), socket.create_connection(("127.0.0.1", port), 30 * SLOWNESS) as wire:
                status, stream = ask_for_websocket(wire, path)
                self.assertIn(b" 101 ", status)
                for text in (b"first frame", b"second frame"):
                    wire.sendall(text)
                    self.assertEqual(stream.read(len(text)), text)
                # Half a close: what was sent before it still comes back, then the end.
                wire.sendall(b"last words")
                wire.shutdown(socket.SHUT_WR)
                self.assertEqual(stream.read(), b"last words")

    def test_two_instances_have_the_same_view_and_ports_of_their_own(self):
        self.platform.deploy_probe("pair", "--instances", "2")
        seen = {self.platform.get("pair").json["env"]["PORT"] for _ in range(20)}
        self.assertEqual(len(seen), 2)
        for port in seen:
            self.assertEqual(fetch(int(port), "/").json["env"]["PORT"], port)

    def test_health_path_is_asked_in_the_apps_own_network(self):
        self.platform.deploy_probe("healthy", "--health-path", "/")
        out = self.platform.paas(
            "deploy", "--name", "ill", "--source", TEST_APPS / "probe", "--health-path", "/missing",
            "--wait-timeout", f"{5 * SLOWNESS:.0f}s", expect=1).err
        self.assertIn("answered 404", out)


class PortTests(OwnPlatformCase):
    def test_port_of_an_app_that_restarts_cannot_be_taken(self):
        app = self.platform.deploy_probe("mine", "--restart", "always")
        stolen, stop = [], threading.Event()

        def squat():
            while not stop.is_set():
                try:
                    with socket.create_server(("127.0.0.1", app["port"])):
                        stolen.append("bound")
                except OSError:
                    pass

        thief = threading.Thread(target=squat)
        thief.start()
        try:
            for restarts in (1, 2):
                os.kill(self.platform.app("mine")["pid"], signal.SIGKILL)
                after = self.platform.wait_for_app(
                    "mine", lambda one: one["restarts"] == restarts and one["status"] == "running", "the restart")
                self.assertEqual(after["port"], app["port"])
                self.assertEqual(fetch(app["port"], "/").json["env"]["PAAS_APP"], "mine")
        finally:
            stop.set()
            thief.join()
        self.assertEqual(stolen, [])

    def test_port_of_a_stopped_app_is_free_and_that_of_a_dead_agent_refuses(self):
        app = self.platform.deploy_probe("short")
        self.platform.agent.kill()
        with self.assertRaises(ConnectionRefusedError):
            fetch(app["port"], "/")
        self.platform.start_agent()
        self.platform.wait_for_app("short", lambda one: one["status"] == "running", "the adoption")
        self.assertEqual(fetch(app["port"], "/").status, 200)
        self.platform.paas("stop", "short")
        with socket.create_server(("127.0.0.1", app["port"])):
            pass

    def test_next_agent_adopts_an_isolated_app_and_serves_it(self):
        app = self.platform.deploy_probe("lives", "--health-path", "/")
        self.platform.agent.kill()
        self.platform.start_agent()
        after = self.platform.wait_for_app("lives", lambda one: one["status"] == "running", "the adoption")
        self.assertEqual((after["pid"], after["port"], after["restarts"]), (app["pid"], app["port"], 0))
        self.assertEqual(self.platform.get("lives").status, 200)
        self.assertEqual(fetch(app["port"], "/").status, 200)

    def test_adopted_app_is_served_by_the_router_though_its_port_was_taken_meanwhile(self):
        app = self.platform.deploy_probe("robbed")
        self.platform.agent.kill()
        with socket.create_server(("127.0.0.1", app["port"])):
            self.platform.start_agent()
            self.platform.wait_for_app("robbed", lambda one: one["status"] == "running", "the adoption")
            self.assertEqual(self.platform.get("robbed").json["env"]["PAAS_APP"], "robbed")
            # The next run gets a port that is free.
            self.platform.paas("restart", "robbed")
            after = self.platform.app("robbed")
            self.assertNotEqual(after["port"], app["port"])
            self.assertEqual(fetch(after["port"], "/").json["env"]["PAAS_APP"], "robbed")


def address_of_the_host():
    """An address of this machine that is not loopback, or loopback where it has no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; it asks for a route.
            probe.connect(("198.51.100.7", 9))
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


def listening_process(port):
    """The pid that listens on 127.0.0.1:port."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        inodes = {fields[9] for fields in (line.split() for line in table.readlines()[1:])
                  if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    return int(pid)
        except OSError:
            continue
    return None

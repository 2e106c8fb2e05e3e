# SPDX-License-Identifier: Apache-2.0
"""`agent --replace` when something goes wrong with one of the two agents, and what the replaced one leaves alone."""

import os
import signal
import socket
import time
from pathlib import Path

from harness.case import OwnPlatformCase
from harness.http import ask_for_websocket, fetch
from harness.waiting import SLOWNESS, Deadline

CONNECTED = "connected to the control plane"
RECVMSG = "47"  # Its number on x86-64, as /proc/PID/task/TID/syscall has it.


class TakeoverTests(OwnPlatformCase):
    def setUp(self):
        super().setUp()
        self.earlier = []
        # Before the platform itself ends.
        self.addCleanup(self.end_earlier_agents)

    def end_earlier_agents(self):
        for agent in self.earlier:
            if agent.running:
                os.kill(agent.pid, signal.SIGCONT)
                agent.stop()

    def start_new_agent(self, *arguments):
        """Returns the earlier one."""
        earlier = self.platform.agent
        self.earlier.append(earlier)
        self.connections = self.platform.agent.log().count(CONNECTED)
        self.platform.start_agent(wait=False, arguments=["--replace", *arguments])
        return earlier

    def wait_until_new_agent_has_the_node(self):
        agent, lock = self.platform.agent, self.platform.home / "agent/lock"
        agent.wait_until_ready(lambda: lock.read_text().strip() == str(agent.pid), seconds=30)
        # Two agents write into one log.
        agent.wait_until_ready(lambda: agent.log().count(CONNECTED) > self.connections, seconds=30)

    def assert_just_went_on(self, before):
        after = self.platform.wait_for_app(before["name"], lambda one: one["status"] == "running", "the adoption")
        self.assertEqual((after["pid"], after["restarts"]), (before["pid"], 0))
        self.assertEqual(self.platform.get(before["name"]).status, 200)

    def wait_until(self, wanted, what):
        """For what there is no event to wait for."""
        deadline = Deadline(30)
        while not wanted():
            self.assertFalse(deadline.passed, f"{what} did not come")
            time.sleep(0.02)

    def test_agent_that_dies_before_it_has_handed_over_is_followed_all_the_same(self):
        before = self.platform.deploy_probe("goes-on")
        os.kill(self.platform.agent.pid, signal.SIGSTOP)
        old = self.start_new_agent()
        threads = Path(f"/proc/{self.platform.agent.pid}/task")
        self.wait_until(
            lambda: any(task.read_text().split()[0] == RECVMSG for task in threads.glob("*/syscall")),
            "the wait for the old agent")
        old.kill()
        self.wait_until_new_agent_has_the_node()
        self.assert_just_went_on(before)

    def test_port_of_an_app_that_goes_after_a_takeover_is_free(self):
        app = self.platform.deploy_probe("held")
        old = self.start_new_agent()
        self.wait_until_new_agent_has_the_node()
        self.assertEqual(old.process.wait(timeout=60 * SLOWNESS), 0)
        self.assertEqual(fetch(app["port"], "/").status, 200)
        self.platform.paas("stop", "held")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", app["port"]), 5).close()

    def test_agent_whose_successor_fails_starts_anew_with_its_sockets(self):
        before = self.platform.deploy_probe("kept")
        old = self.start_new_agent("--init-path", "/nonexistent")
        self.assertNotEqual(self.platform.agent.process.wait(timeout=30 * SLOWNESS), 0)
        self.platform.agent = old
        lock = self.platform.home / "agent/lock"
        old.wait_until_ready(lambda: "connected to the control plane" in old.log().split("starting anew")[1], seconds=30)
        self.assertEqual(lock.read_text().strip(), str(old.pid))
        self.assert_just_went_on(before)
        self.assertEqual(fetch(before["port"], "/").status, 200)
        # It owns the paths of its sockets: logs go through one, the next takeover through the other.
        self.assertTrue(self.platform.logs("kept"))
        self.start_new_agent()
        self.wait_until_new_agent_has_the_node()
        self.assert_just_went_on(before)

    def test_replaced_agent_that_still_drains_talks_to_the_control_plane_no_more(self):
        self.platform.deploy_probe("streams")
        with socket.create_connection(("127.0.0.1", self.platform.router_port), 30 * SLOWNESS) as wire:
            # A tunnel that stays open holds the old agent.
            status, stream = ask_for_websocket(wire, "/apps/streams/echo")
            self.assertIn(b" 101 ", status)
            old = self.start_new_agent()
            self.wait_until_new_agent_has_the_node()
            self.platform.agent.wait_until_ready(lambda: "another agent has taken over" in old.log())
            self.assertTrue(old.running)
            self.platform.paasd.kill()
            lost = "cannot reach the control plane"
            self.wait_until(lambda: lost in old.log(), "the loss of the connection")
            self.platform.start_paasd()
            self.platform.agent.wait_until_ready(
                lambda: any(node["connected"] for node in self.platform.api.get("/nodes")), seconds=30)
            # Both write into one file.
            self.assertEqual(old.log().count(lost), 1, old.log())
            wire.sendall(b"still there")
            self.assertEqual(stream.read(11), b"still there")
            stream.close()
        self.assertEqual(old.process.wait(timeout=60 * SLOWNESS), 0)

    def test_agent_without_descriptors_says_so_once_and_can_be_replaced_afterwards(self):
        before = self.platform.deploy_probe("steady")
        agent = self.platform.agent
        said = "another agent could not be talked to"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client, agent.without_free_descriptors():
            client.connect(str(self.platform.home / "run/agent-handover.sock"))
            self.wait_until(lambda: said in agent.log(), "the complaint")
            time.sleep(0.5)  # How often it says so in that time is the test itself.
            self.assertEqual(agent.log().count(said), 1)
        self.start_new_agent()
        self.wait_until_new_agent_has_the_node()
        self.assert_just_went_on(before)

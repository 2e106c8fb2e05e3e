# SPDX-License-Identifier: Apache-2.0
"""What the daemons and their service manager do for each other, without a service manager. Tests/vm/systemd has a real one."""

import socket
import threading

from harness.case import OwnPlatformCase
from harness.http import fetch
from harness.waiting import SLOWNESS


class ServiceManagerTests(OwnPlatformCase):
    def listen_for_notifications(self):
        """What sd_notify(3) sends; from the next start of a daemon on."""
        path = self.platform.home / "notify.sock"
        messages = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(messages.close)
        messages.bind(str(path))
        messages.settimeout(20 * SLOWNESS)
        self.platform.environment["NOTIFY_SOCKET"] = str(path)
        return lambda: messages.recv(1_024).decode()

    def test_paasd_says_when_it_is_ready_and_when_it_ends(self):
        self.platform.paasd.stop()
        message = self.listen_for_notifications()
        self.platform.start_paasd(wait=False)
        self.assertEqual(message(), "READY=1")
        self.assertEqual(self.platform.api.request("GET", "/readyz").status, 200)
        socket.create_connection(("127.0.0.1", self.platform.api_port)).close()
        self.platform.paasd.stop()
        self.assertEqual(message(), "STOPPING=1")

    def test_agent_says_when_it_is_ready_and_when_it_ends(self):
        self.platform.agent.stop()
        message = self.listen_for_notifications()
        self.platform.start_agent(wait=False)
        self.assertEqual(message(), "READY=1")
        self.assertEqual(fetch(self.platform.router_port, "/apps/none/").status, 404)
        self.platform.agent.stop()
        self.assertEqual(message(), "STOPPING=1")

    def test_who_connects_to_the_managers_socket_between_two_agents_waits(self):
        self.platform.agent.stop()
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        port = server.getsockname()[1]
        self.platform.hand_to_agent(server)
        self.platform.start_agent()
        # Its address counts, whatever --router says.
        (node,) = self.platform.api.get("/nodes")
        self.assertEqual(node["routerAddress"], f"127.0.0.1:{port}")
        self.platform.deploy_probe("web")
        self.assertEqual(fetch(port, "/apps/web/").status, 200)

        self.platform.agent.stop()
        answers = []
        visitor = threading.Thread(target=lambda: answers.append(fetch(port, "/apps/web/").status))
        visitor.start()
        self.platform.start_agent()
        visitor.join()
        self.assertEqual(answers, [200])


class StoppedWithTheMachineTests(OwnPlatformCase):
    def test_what_ran_comes_back_without_the_control_plane_and_what_had_ended_does_not(self):
        self.platform.deploy_probe("web")
        self.platform.paas("deploy", "exit 0", "--name", "once", "--restart", "never", "--no-wait")
        self.platform.wait_for_app("once", lambda app: app["status"] == "stopped", "its end")
        self.platform.agent.stop()
        self.assertIsNone(self.platform.stop_apps())
        self.platform.paasd.stop()

        self.platform.start_agent(wait=False)
        self.platform.agent.wait_until_ready(lambda: self.platform.get("web").status == 200, seconds=30)
        self.platform.start_paasd()
        self.platform.wait_for_app("web", lambda app: app["status"] == "running", "its start is told")
        self.assertEqual(self.platform.app("once")["status"], "stopped")
        starts = [event for event in self.platform.api.get("/apps/once/events") if event["kind"] == "starting"]
        self.assertEqual(len(starts), 1)

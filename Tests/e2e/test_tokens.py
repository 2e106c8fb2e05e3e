# SPDX-License-Identifier: Apache-2.0
"""Tokens: made, used over TCP, refused and revoked, with the real CLI."""

import socket

from harness.case import SharedPlatformCase
from harness.waiting import SLOWNESS


class TokenTests(SharedPlatformCase):
    def setUp(self):
        super().setUp()
        self.over_tcp = {"PAAS_URL": f"http://127.0.0.1:{self.platform.api_port}"}

    def create(self, name, scope, *arguments):
        """The secret of a new token."""
        result = self.platform.paas("token", "create", name, "--scope", scope, *arguments)
        self.assertIn(name, result.err)
        self.addCleanup(self.platform.paas, "token", "revoke", name, expect=None)
        return result.out.strip()

    def test_a_deploy_token_deploys_its_own_app_and_nothing_else(self):
        secret = self.create("ci", "deploy:own")
        tcp = {**self.over_tcp, "PAAS_TOKEN": secret}
        self.platform.paas("deploy", "exec sleep 600", "--name", "own", "--no-wait", env=tcp)
        self.assertEqual(self.platform.app("own")["name"], "own")
        self.platform.paas("deploy", "exec sleep 600", "--name", "other", "--no-wait", env=tcp, expect=77)
        self.platform.paas("destroy", "own", "--yes", env=tcp, expect=77)
        self.platform.paas("token", "list", env=tcp, expect=77)
        events = self.platform.paas("events", "--json").json
        self.assertIn(("created", "token ci"), [(event["kind"], event.get("by")) for event in events])
        self.platform.paas("destroy", "own", "--yes")

    def test_what_follows_a_refusal_is_not_read_for_ever(self):
        block = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        with socket.create_connection(("127.0.0.1", self.platform.api_port), 60 * SLOWNESS) as wire:
            wire.sendall(b"POST /apps HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer wrong\r\nTransfer-Encoding: chunked\r\n\r\n")
            answer = wire.recv(65_536)
            self.assertRegex(answer, rb"^HTTP/1\.1 401 ")
            with self.assertRaises(ConnectionError):
                for _ in range(4_096):
                    wire.sendall(block)

    def test_a_revoked_and_a_wrong_token_are_refused_with_the_next_step(self):
        tcp = {**self.over_tcp, "PAAS_TOKEN": self.create("short", "read", "--expires", "never")}
        self.platform.paas("status", env=tcp)
        self.platform.paas("token", "revoke", "short")
        refused = self.platform.paas("status", env=tcp, expect=77)
        self.assertIn("paas token create", refused.err)

    def test_the_list_has_no_secret(self):
        secret = self.create("listed", "read")
        listed = self.platform.paas("token", "list", "--json")
        self.assertIn("listed", [token["name"] for token in listed.json])
        self.assertNotIn(secret.rsplit("_", 1)[1], listed.out)
        self.assertNotIn(secret.rsplit("_", 1)[1].encode(), b"".join(
            path.read_bytes() for path in (self.platform.home / "paasd").glob("paas.db*")))

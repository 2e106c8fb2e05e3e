# SPDX-License-Identifier: Apache-2.0
"""What people see of the router: the access log, limits that an operator sets, TLS and HTTP/2."""

import json
import shutil
import signal
import socket
import subprocess
import time
import unittest

from harness.case import SharedPlatformCase
from harness.http import fetch
from harness.platform import BINARIES, Platform, free_ports, unavailable
from harness.waiting import SLOWNESS


class AccessLogTests(SharedPlatformCase):
    def visits(self, name, count, visit, *arguments):
        """What `paas logs --access -f` shows of `count` requests."""
        process, lines = self.platform.paas_in_background("logs", name, "--access", "-f", *arguments)
        shown = []
        try:
            visit()
            while len(shown) < count:
                shown.append(lines.until(lambda line: "access" in line, 20, f"line {len(shown) + 1}"))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)
            process.stdout.close()
        return shown

    def test_requests_are_logged_apart_from_what_the_app_says(self):
        self.platform.deploy_probe("visited")

        def visit():
            self.assertEqual(self.platform.get("visited", "/log?stream=stdout&text=secret").status, 200)
            self.assertEqual(self.platform.get("visited", "/nowhere").status, 404)
        shown = self.visits("visited", 2, visit)
        word = r"(?m)^\S+Z access\[web\.1\]: 127\.0\.0\.1 GET "
        self.assertRegex(shown[0], word + r"/apps/visited/log 200 \d+ \d+\.\d{3} [0-9a-f]{24}$")
        self.assertRegex(shown[1], word + r"/apps/visited/nowhere 404 ")
        lines = self.platform.logs("visited", "--access")
        self.assertEqual([line["text"] for line in lines], [line.split(": ", 1)[1].strip() for line in shown])
        self.assertTrue(all(line["stream"] == "access" and line["release"] == "v1" for line in lines))
        self.assertFalse(any(line["stream"] == "access" for line in self.platform.logs("visited")))

    def test_answers_of_the_router_are_logged_too(self):
        self.platform.deploy_probe("quiet")
        self.platform.paas("stop", "quiet")
        shown = self.visits("quiet", 1, lambda: self.assertEqual(self.platform.get("quiet").status, 503))
        self.assertRegex(shown[0], r"access\[router\]: 127\.0\.0\.1 GET /apps/quiet/ 503 ")

    def test_access_and_stream_exclude_each_other(self):
        self.platform.paas("logs", "none", "--access", "--stream", "stdout", expect=64)

    def test_the_log_goes_with_its_app(self):
        app = self.platform.deploy_probe("gone")
        self.visits("gone", 1, lambda: self.platform.get("gone"))
        directory = self.platform.home / "agent/access" / app["id"]
        self.assertTrue(directory.is_dir())
        self.platform.paas("destroy", "gone", "--yes")
        self.platform.deploy_probe("gone")
        self.visits("gone", 1, lambda: self.platform.get("gone"))
        self.assertEqual(len(self.platform.logs("gone", "--access")), 1)
        self.assertFalse(directory.exists())


class ShortageTests(SharedPlatformCase):
    def test_a_client_waits_while_the_agent_has_no_descriptor_left(self):
        self.platform.deploy_probe("patient")
        agent = self.platform.agent
        said = "the router accepts no connection for now"
        with socket.socket() as client:
            client.settimeout(30 * SLOWNESS)
            with agent.without_free_descriptors():
                client.connect(("127.0.0.1", self.platform.router_port))
                client.sendall(b"GET /apps/patient/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                agent.wait_until_ready(lambda: said in agent.log())
                time.sleep(0.5)  # How often it says so in that time is the test itself: it tries once a second.
                self.assertLessEqual(agent.log().count(said), 2)
            self.assertTrue(client.recv(15).startswith(b"HTTP/1.1 200 "))


class RouterSettingTests(unittest.TestCase):
    """One agent with limits and TLS of its own."""

    @classmethod
    def setUpClass(cls):
        reason = unavailable()
        if reason:
            raise unittest.SkipTest(reason)
        cls.platform = Platform()
        cls.addClassCleanup(cls.end)
        cls.tls_port, = free_ports(1)
        (cls.platform.home / "agent.toml").write_text(
            f'router-tls = "127.0.0.1:{cls.tls_port}"\n[router-limit]\ntarget-size = "256"\nhead-fields = 50\n')
        cls.platform.start_paasd()
        cls.platform.start_agent(
            arguments=["--config", cls.platform.home / "agent.toml", "--router-limit", "head-fields=20"])
        cls.platform.deploy_probe("web")
        cls.authority = cls.platform.home / "agent/ca/ca.pem"

    @classmethod
    def end(cls):
        problems = cls.platform.tear_down()
        if problems:
            raise AssertionError("; ".join(problems))

    def curl(self, url, *options, expect=0):
        if not shutil.which("curl"):
            self.skipTest("needs curl")
        run = subprocess.run(
            ["curl", "-sS", "--cacert", self.authority, "--resolve", f"*:{self.tls_port}:127.0.0.1", *options, url],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(run.returncode, expect, run.stderr)
        return run.stdout

    def test_limits_come_from_file_and_flag(self):
        self.assertEqual(self.platform.get("web", "/" + "a" * 300).status, 414)
        self.assertEqual(self.platform.get("web", "/" + "a" * 100).status, 404)
        fields = {f"X-{number}": "1" for number in range(30)}
        self.assertEqual(self.platform.get("web", "/", headers=fields).status, 431)

    def test_a_limit_that_makes_no_sense_is_named(self):
        for flag, word in (("head-timeout=soon", "head-timeout"), ("nothing=1", "head-timeout"), ("connections", "connections")):
            run = subprocess.run(
                [BINARIES / "agent", "--home", self.platform.home, "--router-limit", flag], capture_output=True,
                text=True, timeout=60, check=False)
            self.assertEqual(run.returncode, 64, run.stderr)
            self.assertIn("--router-limit", run.stderr)
            self.assertIn(word, run.stderr)

    def test_http2_and_http1_with_a_certificate_for_each_name(self):
        for name, path in (("web.localhost", "/"), ("localhost", "/apps/web/"), ("127.0.0.1", "/apps/web/")):
            url = f"https://{name}:{self.tls_port}{path}"
            for option, version in (("--http2", "2"), ("--http1.1", "1.1")):
                out = self.curl(url, option, "-w", " %{http_version} %{http_code}", "-o", "/dev/null")
                self.assertEqual(out.split(), [version, "200"], url)
        # Another name gets a certificate, and it is not one for that name.
        self.curl(f"https://example.com:{self.tls_port}/", expect=60)

    def test_an_app_learns_that_the_client_used_tls(self):
        headers = json.loads(self.curl(f"https://web.localhost:{self.tls_port}/", "--http2"))["headers"]
        self.assertEqual(headers["X-Forwarded-Proto"], "https")
        self.assertEqual(headers["Host"], f"web.localhost:{self.tls_port}")
        plain = fetch(self.platform.router_port, "/apps/web/", headers={"X-Forwarded-Proto": "https"}).json
        self.assertEqual(plain["headers"]["X-Forwarded-Proto"], "http")

    def test_many_streams_at_a_time(self):
        if not shutil.which("h2load"):
            self.skipTest("needs h2load of nghttp2-client")
        out = subprocess.run(
            ["h2load", "-n200", "-c2", "-m10", f"https://127.0.0.1:{self.tls_port}/apps/web/"],
            capture_output=True, text=True, timeout=120, check=True).stdout
        self.assertIn("200 succeeded, 0 failed, 0 errored, 0 timeout", out, out)

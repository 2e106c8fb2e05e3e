# SPDX-License-Identifier: Apache-2.0
"""Lines that are sent on: to a real rsyslog, and to a collector over HTTP."""

import http.server
import json
import re
import shutil
import subprocess
import threading
import unittest
from pathlib import Path

from harness.case import OwnPlatformCase
from harness.platform import free_ports
from harness.waiting import Deadline

RSYSLOGD = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin")


class Rsyslog:
    """An rsyslog of our own, which writes what it understood of each message into a file."""

    def __init__(self, directory):
        self.port = free_ports(1)[0]
        self.socket = directory / "log.sock"
        self.output = directory / "received"
        self.output.touch()
        self.configuration = directory / "rsyslog.conf"
        self.configuration.write_text(f"""
            global(workDirectory="{directory}")
            module(load="imtcp")
            module(load="imudp")
            module(load="imuxsock" SysSock.Use="off")
            template(name="fields" type="string" string="%protocol-version%|%syslogseverity-text%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|%msg%\\n")
            input(type="imtcp" port="{self.port}" address="127.0.0.1")
            input(type="imudp" port="{self.port}" address="127.0.0.1")
            input(type="imuxsock" Socket="{self.socket}" UseSpecialParser="off" ParseHostname="on")
            action(type="omfile" file="{self.output}" template="fields")
        """, encoding="utf-8")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [RSYSLOGD, "-n", "-i", "NONE", "-f", self.configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def texts(self):
        return [line.rsplit("|", 1)[1].strip() for line in self.output.read_text("utf-8", "replace").splitlines()]


def wait_until(condition, what, seconds=60):
    deadline = Deadline(seconds)
    while not condition():
        if deadline.passed:
            raise AssertionError(f"{what} did not come")
        threading.Event().wait(0.05)


@unittest.skipUnless(RSYSLOGD, "needs rsyslog (Debian package)")
class SyslogTests(OwnPlatformCase):
    def setUp(self):
        super().setUp()
        self.rsyslog = Rsyslog(self.platform.home)
        self.rsyslog.start()
        self.addCleanup(self.rsyslog.stop)

    def expect_lines(self, name, run, last):
        wanted = [f"{run} {number}" for number in range(1, last + 1)]
        try:
            wait_until(lambda: set(wanted) <= set(self.rsyslog.texts()), "every line")
        except AssertionError as error:
            raise AssertionError(f"{name}: {len(set(wanted) - set(self.rsyslog.texts()))} of {last} are missing") from error
        first, seen = [], set()
        for text in self.rsyslog.texts():
            if text in seen or not text.startswith(f"{run} "):
                continue
            seen.add(text)
            first.append(text)
        self.assertEqual(first, wanted)

    def test_every_line_arrives_over_tcp_though_both_sides_are_restarted(self):
        self.platform.deploy_probe("tcp", "--log-drain", f"syslog+tcp://127.0.0.1:{self.rsyslog.port}")
        self.platform.get("tcp", "/flood?lines=3000&run=first&pause=0.001")
        wait_until(lambda: len(self.rsyslog.texts()) > 300, "the first lines")
        self.rsyslog.stop()
        self.platform.agent.kill()
        self.platform.start_agent()
        wait_until(lambda: self.platform.logs("tcp", "--grep", "^first 2000 "), "line 2000 in the log")
        self.rsyslog.start()
        self.expect_lines("tcp", "first", 3_000)
        fields = next(line for line in self.rsyslog.output.read_text().splitlines() if "first 1 " in line).split("|")
        self.assertEqual(fields[:6], ["1", "info", "e2e", "tcp", "web.1", "stdout"])
        self.assertEqual(fields[6], '[paas@32473 release="v1"]')

    def test_lines_arrive_over_udp_and_a_unix_socket(self):
        wait_until(self.rsyslog.socket.exists, "rsyslog's socket")
        for name, address in (("udp", f"udp://127.0.0.1:{self.rsyslog.port}"), ("unix", f"unix://{self.rsyslog.socket}")):
            self.platform.deploy_probe(name, "--log-drain", f"syslog+{address}")
            self.platform.get(name, f"/flood?lines=200&run={name}&pause=0.001")
            self.expect_lines(name, name, 200)

    def test_node_has_a_default_that_an_app_can_decline(self):
        self.platform.agent.kill()
        self.platform.start_agent(arguments=["--default", f"log-drain=syslog+tcp://127.0.0.1:{self.rsyslog.port}"])
        self.platform.deploy_probe("declines", "--log-drain", "none")
        self.platform.deploy_probe("takes")
        self.platform.get("declines", "/flood?lines=10&run=secret")
        self.platform.get("takes", "/flood?lines=10&run=open")
        self.expect_lines("takes", "open", 10)
        self.assertFalse([text for text in self.rsyslog.texts() if text.startswith("secret")])


class Collector(http.server.BaseHTTPRequestHandler):
    """Answers every other request with 503, after having taken what it brought."""

    received, requests, lock = [], [], threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            self.requests.append(self.headers["X-PaaS-App"])
            self.received += [json.loads(line) for line in body.splitlines()]
            status = 503 if len(self.requests) % 2 else 204
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


class HTTPTests(OwnPlatformCase):
    def test_batch_is_sent_until_the_collector_has_taken_it(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.platform.deploy_probe("post", "--log-drain", f"http://127.0.0.1:{server.server_port}/in")
        self.platform.get("post", "/flood?lines=500")
        wanted = list(range(1, 501))

        def numbers():
            texts = (line["text"] for line in list(Collector.received))
            return sorted({int(match[1]) for text in texts if (match := re.match(r"flood (\d+) ", text))})

        wait_until(lambda: numbers() == wanted, "every line")
        self.assertEqual(set(Collector.requests), {"post"})
        self.assertTrue(all(line["instance"] == "web.1" for line in Collector.received))
        self.platform.paas("destroy", "post", "--yes")
        wait_until(lambda: not list(Path(self.platform.home, "agent/drains").iterdir()), "the end of the drain")

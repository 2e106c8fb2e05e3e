# SPDX-License-Identifier: Apache-2.0
"""deploy/quickstart: start, start again, stop, and what goes wrong. State is in a home of its own."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import cgroups
from harness.http import fetch
from harness.platform import CHECKOUT, free_ports, heed_interrupts, unavailable
from harness.waiting import Lines

QUICKSTART = CHECKOUT / "deploy/quickstart"


def kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


class QuickstartTests(unittest.TestCase):
    def setUp(self):
        reason = unavailable()
        if reason:
            self.skipTest(reason)
        self.home = Path(tempfile.mkdtemp(prefix="paas-quick-"))
        self.addCleanup(shutil.rmtree, self.home)
        self.api_port, self.router_port = free_ports(2)
        self.options = [
            "--home", str(self.home), "--api-port", str(self.api_port), "--router-port", str(self.router_port)]
        self.cgroup_root = None
        self.addCleanup(self.stop_for_good)

    def quickstart(self, *arguments, expect=0):
        done = subprocess.run(
            [QUICKSTART, *arguments, *self.options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, expect, done.stdout)
        root = re.search(r"cgroups \w+ at (/\S+)", done.stdout)
        if root:
            self.cgroup_root = Path(root[1])
        return done.stdout

    def stop_for_good(self):
        subprocess.run([QUICKSTART, "stop", *self.options], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        self.assertEqual(self.processes(), {})
        if self.cgroup_root:
            # Named after this test's home, and empty now.
            for directory, _, _ in os.walk(self.cgroup_root.parent, topdown=False):
                os.rmdir(directory)

    def processes(self):
        """Processes that name this test's home in their command line, quickstart itself not counted."""
        found = {}
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                line = cgroups.command_line(directory.name)
            except OSError:
                continue
            if str(self.home) in line and "quickstart" not in line:
                found[int(directory.name)] = line
        return found

    def hello(self):
        return fetch(self.router_port, "/apps/hello/api").json

    def test_start_again_is_harmless_and_stop_ends_everything(self):
        out = self.quickstart()
        self.assertIn(f"http://127.0.0.1:{self.router_port}/apps/hello/", out)
        self.assertIn("cgroups", out)
        first, daemons, app_pid = self.hello(), self.processes(), self.app_pid()
        self.assertEqual(len(daemons), 2, daemons)
        app_cgroup = cgroups.cgroup_of(app_pid)

        self.assertIn("runs already", self.quickstart())
        second = self.hello()
        self.assertEqual((self.processes().keys(), self.app_pid()), (daemons.keys(), app_pid))
        self.assertEqual(second["release"], "v1")
        self.assertGreater(second["visits"], first["visits"])

        self.quickstart("stop")
        self.assertEqual(self.processes(), {})
        self.assertFalse(app_cgroup.exists())
        for port in (self.api_port, self.router_port):
            with self.assertRaises(OSError):
                fetch(port, "/")
        self.quickstart("stop")

        self.quickstart()
        self.assertGreater(self.hello()["visits"], second["visits"])

    def app_pid(self):
        done = subprocess.run(
            [CHECKOUT / ".build/release/paas", "status", "hello", "--json"], capture_output=True, check=True,
            env={**os.environ, "PAAS_HOME": str(self.home)})
        return json.loads(done.stdout)["pid"]

    def test_port_of_a_stranger_is_named_before_anything_starts(self):
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.1", self.router_port))
            stranger.listen()
            out = self.quickstart(expect=1)
        self.assertIn(f"port {self.router_port} is taken by process {os.getpid()}", out)
        self.assertIn("--router-port", out)
        self.assertEqual(self.processes(), {})

    def test_interrupt_leaves_nothing_and_the_next_start_works(self):
        process = subprocess.Popen(
            [QUICKSTART, *self.options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True, preexec_fn=heed_interrupts)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(kill_group, process.pid)
        lines = Lines(process.stdout)
        lines.until(lambda line: line.startswith("Starting agent"), 300, "the start of the agent")
        os.killpg(process.pid, signal.SIGINT)
        lines.until(lambda line: "stopping what was started" in line, 20, "the word about stopping")
        self.assertEqual(process.wait(timeout=90), 130)
        self.assertEqual(self.processes(), {})
        self.quickstart()
        self.assertEqual(self.hello()["app"], "hello")

    def test_wrong_usage_is_64(self):
        for arguments in (["--api-port", "x"], ["--nonsense"], ["--api-port", "70000"]):
            with self.subTest(arguments=arguments):
                done = subprocess.run([QUICKSTART, *arguments], capture_output=True, check=False)
                self.assertEqual((done.returncode, done.stdout), (64, b""))

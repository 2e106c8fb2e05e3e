# SPDX-License-Identifier: Apache-2.0
"""Every example under deploy/examples that serves is deployed and answers. Crasher and forker are in Tests/e2e."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness.case import SharedPlatformCase
from harness.platform import EXAMPLES


class ExampleTests(SharedPlatformCase):
    def test_static_site(self):
        self.platform.paas("deploy", "--source", EXAMPLES / "static-site")
        self.assertIn("A static site", self.platform.get("static-site").text)
        self.assertEqual(self.platform.get("static-site", "/style.css").headers.get_content_type(), "text/css")

    def test_hello_counts_over_a_restart(self):
        self.platform.paas("deploy", "--source", EXAMPLES / "hello")
        self.assertEqual(self.platform.get("hello", "/api").json["visits"], 1)
        self.platform.paas("restart", "hello")
        self.assertEqual(self.platform.get("hello", "/api").json["visits"], 2)
        self.assertEqual(self.platform.get("hello", "/nothing").status, 404)

    @unittest.skipUnless(os.path.exists("/usr/bin/node"), "no /usr/bin/node (Debian package nodejs)")
    def test_node(self):
        self.platform.paas("deploy", "--source", EXAMPLES / "node")
        self.assertIn("from Node", self.platform.get("node").text)

    @unittest.skipUnless(shutil.which("swiftc"), "no swiftc in PATH")
    def test_swift_server(self):
        with tempfile.TemporaryDirectory() as parent:
            source = Path(parent, "swift-server")
            shutil.copytree(EXAMPLES / "swift-server", source)
            subprocess.run([source / "build"], check=True, capture_output=True, timeout=300)
            self.platform.paas("deploy", "--source", source)
        self.assertIn("Hello from Swift, release v1", self.platform.get("swift-server").text)

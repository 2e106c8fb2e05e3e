# SPDX-License-Identifier: Apache-2.0
"""The API over TLS: with the CLI, renewed by SIGHUP, and never in the clear beyond loopback."""

import shutil
import signal
import socket
import ssl
import subprocess
import unittest

from harness.daemon import Daemon
from harness.platform import BINARIES, Platform
from harness.waiting import SLOWNESS, Deadline


@unittest.skipUnless(shutil.which("openssl"), "needs openssl to make certificates")
class TLSTests(unittest.TestCase):
    def setUp(self):
        self.platform = Platform(cgroup=False)
        self.addCleanup(self.end)
        self.certificate, self.key = self.platform.home / "chain.pem", self.platform.home / "key.pem"
        self.make_certificate("first")

    def end(self):
        self.assertEqual(self.platform.tear_down(), [])

    def make_certificate(self, name):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
             "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)
        self.key.chmod(0o600)

    def start(self):
        port = self.platform.api_port
        self.platform.paasd = Daemon(
            "paasd", [BINARIES / "paasd", "--home", self.platform.home, "--listen", f"127.0.0.1:{port}",
                      "--tls-certificate", self.certificate, "--tls-key", self.key],
            self.platform.home / "paasd.log", self.platform.environment)
        self.platform.wait_for_paasd()

    def common_name(self):
        """Whose certificate the API shows now."""
        context = ssl.create_default_context(cafile=self.certificate)
        with socket.create_connection(("127.0.0.1", self.platform.api_port), timeout=10 * SLOWNESS) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                return dict(part[0] for part in secure.getpeercert()["subject"])["commonName"]

    def test_the_cli_speaks_tls_and_trusts_only_the_authority_it_is_given(self):
        self.start()
        url = {"PAAS_URL": f"https://127.0.0.1:{self.platform.api_port}",
               "PAAS_TOKEN": (self.platform.home / "admin.token").read_text().strip()}
        self.platform.paas("status", "--ca-certificate", self.certificate, env=url)
        self.platform.paas("status", env={**url, "PAAS_CA_CERTIFICATE": str(self.certificate)})
        refused = self.platform.paas("status", env=url, expect=69)
        self.assertIn("--ca-certificate", refused.err)
        clear = {**url, "PAAS_URL": url["PAAS_URL"].replace("https", "http")}
        self.platform.paas("status", env=clear, expect=69)

    def test_a_renewed_certificate_is_taken_up_by_sighup(self):
        self.start()
        self.assertEqual(self.common_name(), "first")
        self.make_certificate("second")
        self.platform.paasd.process.send_signal(signal.SIGHUP)
        deadline = Deadline(20)
        while "configuration reloaded" not in self.platform.paasd.log():
            self.assertFalse(deadline.passed, self.platform.paasd.log())
        self.assertEqual(self.common_name(), "second")

    def refusal(self, *arguments):
        completed = subprocess.run(
            [BINARIES / "paasd", "--home", self.platform.home, *map(str, arguments)], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, env=self.platform.environment, timeout=30 * SLOWNESS, check=False)
        return completed.returncode, completed.stderr

    def test_nothing_listens_beyond_loopback_without_tls(self):
        code, said = self.refusal("--listen", "0.0.0.0:7070")
        self.assertEqual(code, 64)
        self.assertIn("--tls-certificate", said)

    def test_what_is_wrong_with_the_files_is_said_at_start(self):
        self.assertIn("needs --tls-key", self.refusal("--tls-certificate", self.certificate)[1])
        self.key.chmod(0o644)
        pair = ("--tls-certificate", self.certificate, "--tls-key", self.key)
        self.assertIn("chmod o=", self.refusal(*pair)[1])
        self.make_certificate("other")
        other = self.key.rename(self.platform.home / "other.pem")
        self.make_certificate("own")
        self.assertIn("does not belong to", self.refusal("--tls-certificate", self.certificate, "--tls-key", other)[1])

# SPDX-License-Identifier: Apache-2.0
"""The API is what its OpenAPI document says: schemathesis makes requests from it and checks every answer.

SCHEMATHESIS_EXAMPLES sets how many it makes for each operation and phase, SCHEMATHESIS_SEED which. Without an agent: what it
creates must not run.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from harness.http import fetch
from harness.platform import Platform

HERE = Path(__file__).resolve().parent / "openapi"


def schemathesis():
    """The program; None where it is not installed."""
    given = os.environ.get("SCHEMATHESIS")
    if given:
        return [given]
    return [sys.executable, "-m", "schemathesis.cli"] if importlib.util.find_spec("schemathesis") else None


class OpenAPITests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.platform = Platform(cgroup=False)
        cls.addClassCleanup(cls.end)
        # schemathesis tries a wrong token with every operation, and expects 401.
        cls.platform.start_paasd(arguments=["--token-failures", "1000000"])
        cls.token = (cls.platform.home / "admin.token").read_text().strip()

    @classmethod
    def end(cls):
        problems = cls.platform.tear_down()
        if problems:
            raise AssertionError("; ".join(problems))

    def test_the_document_is_openapi_31_and_open_to_everybody(self):
        document = fetch(self.platform.api_port, "/openapi.json").json
        self.assertEqual(document["openapi"], "3.1.0")
        self.assertIn("/apps/{name}", document["paths"])

    @unittest.skipUnless(schemathesis(), "needs schemathesis (PyPI); Tests/run installs it")
    def test_every_answer_is_as_documented(self):
        examples = os.environ.get("SCHEMATHESIS_EXAMPLES", "3")
        command = [
            *schemathesis(), "--config-file", HERE / "schemathesis.toml", "run",
            f"http://127.0.0.1:{self.platform.api_port}/openapi.json",
            # Agents speak to themselves there: what they send is not made up, and one stream never ends. The bodies of
            # commands are frames, which it cannot make.
            "--exclude-path-regex", "^/agent/|/(exec|run)$",
            "--header", f"Authorization: Bearer {self.token}", "--max-examples", examples, "--checks", "all",
            "--phases", "examples,coverage,fuzzing,stateful", "--request-timeout", "20", "--seed", os.environ.get("SCHEMATHESIS_SEED", "1"), "--no-color",
            "--suppress-health-check", "all", *os.environ.get("SCHEMATHESIS_ARGUMENTS", "").split(),
        ]
        before = resident_bytes(self.platform.paasd)
        # It keeps a cache of what failed where it runs, and would begin with that the next time.
        with tempfile.TemporaryDirectory() as directory:
            # The hooks are looked for there, too.
            shutil.copy(HERE / "hooks.py", directory)
            completed = subprocess.run(
                list(map(str, command)), cwd=directory, capture_output=True, text=True, check=False,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        if os.environ.get("SCHEMATHESIS_LOG"):
            Path(os.environ["SCHEMATHESIS_LOG"]).write_text(completed.stdout + completed.stderr)
            print(json.dumps({"rssBefore": before, "rssAfter": resident_bytes(self.platform.paasd)}))
        self.assertEqual(completed.returncode, 0, findings(completed.stdout) + completed.stderr[-2000:])


def findings(output):
    """What schemathesis found, without how it got there: the part from its list of failures on, shortened."""
    found = output[output.find("= FAILURES ="):] if "= FAILURES =" in output else output
    return found if len(found) <= 8000 else f"{found[:5000]}\n[…]\n{found[-3000:]}"


def resident_bytes(daemon):
    """Resident memory of a daemon."""
    pages = int(Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

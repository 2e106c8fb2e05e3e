# SPDX-License-Identifier: Apache-2.0
"""Campaign `websocket`: the Autobahn test suite asks an echo server directly and through the router, and each of its cases must
end in the same way."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent_kills import TEAR_DOWN
from harness.http import ask_for_websocket
from harness.platform import free_ports
from harness.waiting import SLOWNESS, Deadline
from stage import DIED, Stage

APP_SOURCE = Path(__file__).resolve().parent / "apps/websocket"
DIFFERENT = "cases that ended otherwise through the router"
FAILED = "cases that the suite calls failed"
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}
# NON-STRICT is OK too: a server that gets a message and then a violation at once may fail before it answers the message. Whether
# they come at once differs from one run to the next, directly too.
SAME = {"NON-STRICT": "OK"}


def add_options(parser):
    parser.add_argument("--wstest", default="wstest", help="the suite's program, when it is not in PATH")
    parser.add_argument("--cases", nargs="*", default=["*"], help='such as "5.*" 7.1.1 (all)')
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where to leave the suite's own report")


def run(options, findings):
    program = shutil.which(options.wstest)
    if program is None:
        print("Tests/campaign: needs wstest: autobahntestsuite of PyPI in an environment of Python 2.7, see docs/testing.md",
              file=sys.stderr)
        sys.exit(69)
    findings.expects(DIFFERENT, FAILED, DIED, TEAR_DOWN)
    stage = Stage(options.evidence)
    try:
        stage.start()
        stage.paas("deploy", "--name", "echo", "--source", APP_SOURCE)
        with tempfile.TemporaryDirectory() as directory, direct_server() as port:
            place = options.keep or Path(directory)
            play(program, place.resolve(), options.cases, {
                "direct": f"ws://127.0.0.1:{port}/", "router": f"ws://127.0.0.1:{stage.router_port}/apps/echo/"})
            judge(json.loads((place / "index.json").read_text()), findings)
        if not stage.agent.running:
            findings.violated(DIED, f"the agent ended with {stage.agent.process.returncode}")
    finally:
        for problem in stage.tear_down():
            findings.violated(TEAR_DOWN, problem)


@contextlib.contextmanager
def direct_server():
    """The app without a platform; yields its port."""
    port, = free_ports(1)
    environment = {**os.environ, "PORT": str(port)}
    # It tells of every connection that a case breaks.
    with subprocess.Popen(["/usr/bin/python3", APP_SOURCE / "app.py"], env=environment, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until_listening(port)
            yield port
        finally:
            server.terminate()


def wait_until_listening(port):
    deadline = Deadline(20)
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as wire:
                return ask_for_websocket(wire, "/")
        except OSError:
            if deadline.passed:
                raise
            time.sleep(0.05)


def play(program, place, cases, servers):
    """Runs the suite's fuzzing client; its report lies in `place`."""
    place.mkdir(parents=True, exist_ok=True)
    specification = place / "specification.json"
    specification.write_text(json.dumps({
        "outdir": str(place), "cases": cases, "exclude-cases": [], "exclude-agent-cases": {},
        "servers": [{"agent": agent, "url": url} for agent, url in servers.items()]}))
    done = subprocess.run(
        [program, "-m", "fuzzingclient", "-s", specification], cwd=place, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=3600 * SLOWNESS, check=False)
    if done.returncode != 0:
        raise AssertionError(f"wstest ended with {done.returncode}: {done.stdout.decode('utf-8', 'replace')[-2000:]}")


def judge(index, findings):
    """`index` is the suite's: agent, then case, then how the messages and how the closing went."""
    for case, direct in index["direct"].items():
        routed = index["router"].get(case, {})
        findings.count("cases")
        for what in ("behavior", "behaviorClose"):
            if SAME.get(routed.get(what), routed.get(what)) != SAME.get(direct[what], direct[what]):
                findings.violated(DIFFERENT, f"{case}: {what} is {direct[what]} directly and {routed.get(what)} through the router")
        for agent, one in (("directly", direct), ("through the router", routed)):
            findings.count(f"{agent}: {one.get('behavior')}")
            if one.get("behavior") not in {*GOOD, "UNIMPLEMENTED"} or one.get("behaviorClose") not in GOOD:
                findings.violated(FAILED, f"{case} {agent}: {one}")

# SPDX-License-Identifier: Apache-2.0
"""Campaign `upgrade`: the agent is replaced again and again while wrk asks, a stream of events is read, and a WebSocket is
talked to."""

import contextlib
import http.client
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from agent_kills import TEAR_DOWN
from harness.waiting import SLOWNESS, Deadline
from stage import DIED, Stage

APP_SOURCE = Path(__file__).resolve().parent / "apps/streams"
FAILED = "requests that failed"
BROKEN = "streams that broke"
TOUCHED = "apps that did not just go on"


def add_options(parser):
    parser.add_argument("--rounds", type=int, default=5, help="replacements (5)")
    parser.add_argument("--connections", type=int, default=16, help="of wrk (16)")
    parser.add_argument("--how", choices=["replace", "restart"], default="replace",
                        help="`agent --replace` beside the old one, or SIGTERM and a new agent: that one loses requests")


def unavailable():
    return None if shutil.which("wrk") else "needs wrk (apt-get install wrk)"


def run(options, findings):
    findings.expects(FAILED, BROKEN, TOUCHED, DIED, TEAR_DOWN)
    stage = Stage(options.evidence)
    try:
        stage.start()
        play(stage, findings, options)
    finally:
        for problem in stage.tear_down():
            findings.violated(TEAR_DOWN, problem)


def play(stage, findings, options):
    stage.paas("deploy", "--name", "front", "--source", APP_SOURCE)
    before = stage.app("front")
    with load_from(stage, options.connections) as load:
        for number in range(1, options.rounds + 1):
            with streams_held(stage, findings, f"replacement {number}"):
                old = replace(stage, options.how)
            wait_for_end(old, findings)
            findings.count("replacements")
            findings.progress(number, options.rounds)
    judge_load(load.said, findings)
    after = stage.app("front")
    if (after["pid"], after["restarts"]) != (before["pid"], 0):
        findings.violated(TOUCHED, f"pid {before['pid']} became {after['pid']}, {after['restarts']} restarts")


@contextlib.contextmanager
def streams_held(stage, findings, during):
    """One stream of each kind is opened before what happens inside `with`, and used beyond it."""
    with contextlib.ExitStack() as ending:
        streams = [Events(stage.router_port), WebSocket(stage.router_port)]
        for stream in streams:
            ending.callback(stream.close)
            stream.wait_for(5)
        yield
        for stream in streams:
            stream.wait_for(stream.last + 20)
    for stream in streams:
        if stream.problem:
            findings.violated(BROKEN, f"{during}, {type(stream).__name__}: {stream.problem}")
        findings.count("streams held open")


class Load:
    """What wrk said."""

    said = ""


@contextlib.contextmanager
def load_from(stage, connections):
    """Lets wrk ask for the app `front` inside `with`."""
    load = Load()
    wrk = subprocess.Popen(
        ["wrk", "-t1", f"-c{connections}", "-d1h", f"http://127.0.0.1:{stage.router_port}/apps/front/"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield load
    finally:
        wrk.send_signal(signal.SIGINT)
        load.said, _ = wrk.communicate(timeout=30 * SLOWNESS)


def replace(stage, how):
    """Returns the old agent once the new one does the work; the old one may still drain."""
    old = stage.agent
    if how == "restart":
        old.stop()
        stage.start_agent()
        return old
    stage.start_agent(wait=False, arguments=["--replace"])
    # The lock says whose the node is, and a registration that the new one is in the control plane's line.
    new, lock = str(stage.agent.pid), stage.home / "agent/lock"
    stage.agent.wait_until_ready(lambda: lock.read_text().strip() == new, seconds=30)
    stage.wait_until_connected()
    return old


def wait_for_end(old, findings):
    """Nothing is left to drain, so the old agent ends, and ends well."""
    try:
        code = old.process.wait(timeout=60 * SLOWNESS)
    except subprocess.TimeoutExpired:
        findings.violated(DIED, "an agent that was replaced still runs a minute after its last stream ended")
        old.kill()
        return
    if code != 0:
        findings.violated(DIED, f"an agent that was replaced ended with {code}")


class Stream(threading.Thread):
    """Takes numbers through the router; notes a gap, or an end that nobody asked for."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.last = 0
        self.problem = None
        self.closing = False
        self.changed = threading.Condition()
        self.wire = socket.create_connection(("127.0.0.1", port), 30 * SLOWNESS)
        self.start()

    def run(self):
        try:
            self.take_all()
            self.ended("it ended")
        except Exception as error:  # A socket that is closed under its user raises many kinds.
            self.ended(f"{type(error).__name__}: {error}")

    def took(self, number):
        with self.changed:
            if number != self.last + 1:
                self.problem = self.problem or f"event {number} came after {self.last}"
            self.last = number
            self.changed.notify_all()

    def ended(self, how):
        with self.changed:
            if not self.closing:
                self.problem = self.problem or f"{how} after event {self.last}"
            self.closing = True
            self.changed.notify_all()

    def wait_for(self, number):
        """Until the event came or the stream has a problem."""
        deadline = Deadline(30)
        with self.changed:
            while self.last < number and not self.closing and not deadline.passed:
                self.changed.wait(deadline.left)
            if self.last < number:
                self.problem = self.problem or f"event {number} did not come; the last was {self.last}"

    def close(self):
        with self.changed:
            self.closing = True
        try:
            self.wire.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.join()
        self.wire.close()


class Events(Stream):
    """Server-sent events, numbered by the app."""

    def take_all(self):
        self.wire.sendall(b"GET /apps/front/events HTTP/1.1\r\nHost: app.test\r\n\r\n")
        answer = http.client.HTTPResponse(self.wire)
        answer.begin()
        for line in answer:
            if line.startswith(b"data: "):
                self.took(int(line[6:]))


class WebSocket(Stream):
    """Sends numbers, one after another, and gets each of them back."""

    MASK = b"mask"

    def take_all(self):
        self.wire.sendall(
            b"GET /apps/front/socket HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        reader = self.wire.makefile("rb")
        head = [reader.readline()]
        while head[-1] not in (b"\r\n", b""):
            head.append(reader.readline())
        # The key of RFC 6455, and its answer.
        if b" 101 " not in head[0] or b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" not in b"".join(head):
            raise OSError(f"the answer to the upgrade was {head}")
        while True:
            text = b"%d" % (self.last + 1)
            masked = bytes(byte ^ self.MASK[place % 4] for place, byte in enumerate(text))
            self.wire.sendall(bytes([0x81, 0x80 | len(text)]) + self.MASK + masked)
            start = reader.read(2)
            if len(start) < 2:
                return
            self.took(int(reader.read(start[1])))
            time.sleep(0.05)  # The pace of the app's events.


def judge_load(said, findings):
    """What wrk counted. A connection that the router closes without saying so before is an error of wrk's, too."""
    requests = re.search(r"(\d+) requests in", said)
    if not requests:
        findings.violated(FAILED, f"wrk said: {said}")
        return
    findings.count("requests", int(requests[1]))
    for pattern in (r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", r"Non-2xx or 3xx responses: (\d+)"):
        match = re.search(pattern, said)
        if match and any(map(int, match.groups())):
            findings.violated(FAILED, match[0])

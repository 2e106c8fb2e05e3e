# SPDX-License-Identifier: Apache-2.0
"""Campaign `hostile-bodies`: too large, endless, slow, deep, broken and unfinished bodies to every route that takes one, from
many connections at once. Each is refused with 4xx, and the memory of paasd stays within what its bounds add up to."""

import contextlib
import random
import select
import socket
import threading
import time
from pathlib import Path

from agent_kills import TEAR_DOWN
from bodies import BODIES, CHUNK, ENDLESS, MIB, held, mutated, streams
from harness.http import fetch
from harness.platform import Platform
from harness.waiting import SLOWNESS, Deadline
from stage import DIED

WRONG = "hostile bodies that were not refused with 4xx"
FAT = "memory beyond its bound"
LEFT = "uploads left on disk"
HELD = "silent connections that were kept"
DEAF = "requests of others that failed meanwhile"

# paasd itself (50), what bodies may hold together (64, `BodyBudget.maxBytes`) about three times: buffers grow by copying, malloc
# keeps the holes, and the first frame of a session is there twice; and what two event loops decode at a time. 400 bodies without
# a budget took 495 to 560.
BOUND_MIB = 350
# Bodies of 1 MiB that fit into it.
ROOM = 64
# Seconds; paasd closes after 60.
SILENCE = 90
# Of those that are held, one in so many drips: a byte every so many seconds.
DRIPPING, PAUSE = 4, 5
# Seconds in which the file of an upload is gone whose client has gone.
CLEARED = 10


def add_options(parser):
    parser.add_argument("--rounds", type=int, default=1, help="how often each kind of body goes to each route (1)")
    parser.add_argument("--connections", type=int, default=8, help="that do so at once (8)")
    parser.add_argument("--held", type=int, default=400,
                        help="unfinished bodies of 1 MiB at once, for a minute, silent or dripping; at most 1,000 (400)")
    parser.add_argument("--fuzzed", type=int, default=200, help="bodies made by breaking a right one (200)")


def run(options, findings):
    findings.expects(WRONG, FAT, LEFT, HELD, DEAF, DIED, TEAR_DOWN)
    platform = Platform(cgroup=False)
    try:
        # A wrong token is not what is tried here.
        platform.start_paasd(arguments=["--token-failures", "1000000"])
        Campaign(platform, findings, options).play()
    finally:
        for problem in platform.tear_down():
            findings.violated(TEAR_DOWN, problem)


class Campaign:
    def __init__(self, platform, findings, options):
        self.platform, self.findings, self.options = platform, findings, options
        self.dice = random.Random(options.seed)
        self.token = (platform.home / "admin.token").read_text().strip()
        self.lock = threading.Lock()
        self.sent = 0
        self.routes = routes(platform.api_port)

    def play(self):
        self.remember("MiB resident before")
        self.platform.api.request("POST", "/apps", {"name": "target", "command": "true", "instances": 0})
        cases = [(route, name, make) for route in self.routes for name, make in BODIES.items()] * self.options.rounds
        cases += [(self.dice.choice(self.routes), "fuzzed", mutated(self.dice.random()))
                  for _ in range(self.options.fuzzed)]
        self.dice.shuffle(cases)
        total = len(cases)
        workers = [threading.Thread(target=self.work, args=(cases, total)) for _ in range(self.options.connections)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.remember("MiB resident after all of these")
        if self.options.held:
            self.hold()
        self.remember("MiB resident at the end")
        self.findings.figures["MiB resident at most (VmHWM)"] = self.memory("VmHWM")
        if self.memory("VmHWM") > BOUND_MIB:
            self.findings.violated(FAT, f"{self.memory('VmHWM')} MiB at most, of {BOUND_MIB}")
        # paasd hears of a connection's end after the campaign has closed it.
        deadline = Deadline(CLEARED)
        while (left := self.uploads()) and not deadline.passed:
            time.sleep(0.05)
        if left:
            self.findings.violated(LEFT, f"{left} after {CLEARED} s")
        if not self.platform.paasd.running:
            self.findings.violated(DIED, self.platform.paasd.log()[-2000:])

    def work(self, cases, total):
        while True:
            with self.lock:
                if not cases:
                    return
                route, name, make = cases.pop()
                self.findings.progress(total - len(cases), total)
            self.attempt(route, name, make)

    def attempt(self, route, name, make):
        method, path, kind = route
        framing, pieces = make(kind)
        status, sent = self.send(self.head(method, path, kind, framing), pieces)
        with self.lock:
            self.sent += sent
            self.findings.count("bodies sent")
            self.findings.figures["MiB sent"] = self.sent // MIB
            self.findings.count(f"answers: {status}")
            # What was made by breaking a right body may still be right. An upload may be as long as the campaign sends.
            expected = status[0] == "4" or (name == "fuzzed" and status[0] in "23") or (status == "none" and streams(kind))
            if not expected:
                self.findings.violated(WRONG, f"{method} {path} with {name}: {status}")

    def head(self, method, path, kind, framing):
        return (f"{method} {path} HTTP/1.1\r\nHost: paasd\r\nAuthorization: Bearer {self.token}\r\n"
                f"Content-Type: {kind}\r\n{framing}\r\n\r\n").encode()

    def send(self, head, pieces):
        """Sends until there is an answer. Returns its status or what came instead, and the bytes that were sent."""
        sent = 0
        with socket.create_connection(("127.0.0.1", self.platform.api_port), timeout=60 * SLOWNESS) as wire:
            try:
                wire.sendall(head)
                for piece in pieces:
                    wire.sendall(piece)
                    sent += len(piece)
                    if answered(wire):
                        break
                if sent >= ENDLESS and not answered(wire):
                    return "none", sent
            except OSError:
                pass  # It has closed; an answer may have come before.
            try:
                return wire.recv(12)[9:].decode() or "closed", sent
            except OSError as error:
                return type(error).__name__, sent

    def hold(self):
        """Many bodies that lack their last byte: what they hold together is bounded, the Unix socket has a bound of its own, and
        silence gives the room back."""
        held_open = [route for route in self.routes if route[1] in ("/apps", "/apps/target/exec")]
        with contextlib.ExitStack() as stack:
            wires, dripping = {}, []  # What each was answered so far.
            for number in range(self.options.held):
                method, path, kind = held_open[number % len(held_open)]
                body = held(kind)
                wire = stack.enter_context(socket.create_connection(("127.0.0.1", self.platform.api_port)))
                wire.settimeout(60 * SLOWNESS)
                wires[wire] = b""
                drips = number % DRIPPING == 0
                wire.sendall(self.head(method, path, kind, f"Content-Length: {len(body) + (100 if drips else 1)}") + body)
                if drips:
                    dripping.append(wire)
            self.findings.count("bodies held", len(wires))
            self.must_be_served("the Unix socket", self.platform.api.request("PATCH", "/apps/target", {"env": {"HELD": "1"}}))
            self.remember("MiB resident while they are held")
            still = self.until_closed(wires, dripping)
            if still:
                self.findings.violated(
                    HELD, f"{len(still)} were open after {SILENCE} s, {len(still & set(dripping))} of them with a byte every {PAUSE} s")
            refused = sum(answer.startswith(b"HTTP/1.1 503 ") for answer in wires.values())
            self.findings.figures["of them refused with 503"] = refused
            if len(wires) - refused > ROOM:
                self.findings.violated(FAT, f"{len(wires) - refused} bodies of 1 MiB were held at once")
        self.must_be_served("TCP", fetch(
            self.platform.api_port, "/apps/target", "PATCH", body=b'{"env": {"HELD": "2"}}',
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}))

    def until_closed(self, wires, dripping):
        """Reads what they are answered, and lets some drip; returns those that paasd has not closed in time."""
        still, deadline, drop = set(wires), Deadline(SILENCE), Deadline(PAUSE)
        while still and not deadline.passed:
            if drop.passed:
                drop = Deadline(PAUSE)
                for wire in still & set(dripping):
                    with contextlib.suppress(ConnectionError):
                        wire.send(b"x")
            for wire in select.select(list(still), [], [], min(drop.left, deadline.left))[0]:
                try:
                    more = wire.recv(CHUNK)
                except ConnectionError:
                    more = b""
                wires[wire] += more
                if not more:
                    still.discard(wire)
        return still

    def must_be_served(self, way, answer):
        if answer.status != 200:
            self.findings.violated(DEAF, f"PATCH through {way}: {answer.status} {answer.text}")

    def uploads(self):
        return sorted(path.name for path in Path(self.platform.home / "paasd/bundles").iterdir())

    def remember(self, figure):
        self.findings.figures[figure] = self.memory("VmRSS")

    def memory(self, field):
        """MiB, of /proc/PID/status (proc_pid_status(5))."""
        text = Path(f"/proc/{self.platform.paasd.process.pid}/status").read_text()
        return next(int(line.split()[1]) // 1024 for line in text.splitlines() if line.startswith(field + ":"))


def answered(wire):
    """Whether there is something to read, or the end."""
    wire.setblocking(False)
    try:
        wire.recv(1, socket.MSG_PEEK)
        return True
    except BlockingIOError:
        return False
    finally:
        wire.settimeout(60 * SLOWNESS)


def routes(port):
    """(method, path, content type) of every operation that takes a body, as the document has it, and the form that
    strangers may send."""
    document = fetch(port, "/openapi.json").json
    found = [("POST", "/ui/login", "application/x-www-form-urlencoded")]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in ("post", "put", "patch") and "requestBody" in operation:
                for kind in operation["requestBody"]["content"]:
                    real = path.replace("{digest}", "0" * 64).replace("{name}", "target").replace("{node}", "node")
                    found.append((method.upper(), real, kind))
    return found

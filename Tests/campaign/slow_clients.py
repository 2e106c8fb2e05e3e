# SPDX-License-Identifier: Apache-2.0
"""Campaign `slow-clients`: slowhttptest holds many connections with heads, bodies and reads that never end, while another client
asks the same app and a second one at a steady rate."""

import contextlib
import http.client
import re
import shutil
import statistics
import subprocess
import threading
import time
from pathlib import Path

from agent_kills import TEAR_DOWN
from harness.waiting import SLOWNESS
from stage import DIED, Stage

APP_SOURCE = Path(__file__).resolve().parent / "apps/patient"
FAILED = "requests of others that failed"
ALIVE = "slow connections that outlived the router's limit"
GROWN = "memory that grew from round to round"
# slowhttptest is 127.0.0.1 to the router, the others are another client.
OTHER_CLIENT = "127.0.0.2"
# slowhttptest looks now and then whether the server still answers.
PROBES = 2
# States of /proc/net/tcp in which nothing waits for the other side: FIN_WAIT2, TIME_WAIT, LISTEN.
NOTHING_LEFT = ("05", "06", "0A")
# docs/router.md: what ends each kind of connection, and its default in seconds.
LIMITS = {"head-timeout": 15, "body-timeout": 60, "send-timeout": 60}


def add_options(parser):
    parser.add_argument("--connections", type=int, default=1000, help="slow ones at a time (1000)")
    parser.add_argument("--rounds", type=int, default=2, help="of all four kinds of slowness (2)")
    parser.add_argument("--rate", type=int, default=20, help="requests a second of the others to each app (20)")
    parser.add_argument("--timeout", type=int, metavar="SECONDS", help="head-, body- and send-timeout of the router (its defaults)")


def unavailable():
    return None if shutil.which("slowhttptest") else "needs slowhttptest (apt-get install slowhttptest)"


def run(options, findings):
    findings.expects(FAILED, ALIVE, GROWN, DIED, TEAR_DOWN)
    stage = Stage(options.evidence)
    try:
        stage.start_paasd()
        limits = [f"--router-limit={name}={options.timeout}s" for name in LIMITS] if options.timeout else []
        stage.start_agent(arguments=limits)
        for name in ("front", "bystander"):
            stage.paas("deploy", "--name", name, "--source", APP_SOURCE)
        play(stage, findings, options)
        if not stage.agent.running:
            findings.violated(DIED, f"the agent ended with {stage.agent.process.returncode}")
    finally:
        for problem in stage.tear_down():
            findings.violated(TEAR_DOWN, problem)


def play(stage, findings, options):
    with Others(stage, options.rate, findings) as others:
        time.sleep(10)  # A span of time is what is measured here, and the figure that the others are compared with.
        before = others.take()
        findings.count("requests before", len(before))
        findings.count("ms before, median", milliseconds(statistics.median(before)))
        findings.count("ms before, 99 of 100", milliseconds(high(before)))
        findings.count("MiB of the agent before", mebibytes(resident_bytes(stage.agent.pid)))
        most = {}
        for number in range(options.rounds):
            for mode in modes(options):
                name = f"{mode.name}, round {number + 1}"
                findings.context = f"{name}: "
                during, memory = attack(stage, mode, name, others, findings, options)
                findings.count(f"{name}: requests meanwhile", len(during))
                findings.count(f"{name}: median to that before", ratio(statistics.median(during), statistics.median(before)))
                findings.count(f"{name}: 99 of 100 to that before", ratio(high(during), high(before)))
                findings.count(f"{name}: most MiB of the agent", mebibytes(memory))
                most.setdefault(number, []).append(memory)
            findings.progress(number + 1, options.rounds)
        findings.context = ""
        findings.count("MiB of the agent at the end", mebibytes(resident_bytes(stage.agent.pid)))
        # What the first round needed is kept for the next one; a leak would be added to it every time.
        if max(most[options.rounds - 1]) > max(most[0]) * 1.25:
            findings.violated(GROWN, f"at most {max(most[0])} bytes in the first round, {max(most[options.rounds - 1])} in the last")


class Mode:
    """One kind of slowness: options of slowhttptest, and the seconds in which the router ends it."""

    def __init__(self, name, limit, *options, path="/"):
        self.name = name
        self.limit = limit
        self.options = options
        self.path = path


def modes(options):
    head, body, send = (options.timeout or seconds for seconds in LIMITS.values())
    return [
        # A field every second: the limit is on the whole head.
        Mode("slow heads (-H)", head, "-H", "-i", "1", "-x", "16"),
        # Nothing more within body-timeout, which is on silence.
        Mode("slow bodies (-B)", body, "-B", "-i", str(body * 2), "-s", "8192", "-x", "16"),
        Mode("ranges (-R)", LIMITS["head-timeout"], "-R", "-a", "5", "-b", "2000"),
        # 32 bytes every second of 16 MiB, into windows of 512 to 1024 bytes. The kernel lets its buffer grow (tcp_wmem) now and then,
        # which looks as if the client had taken something.
        Mode("slow reads (-X)", 2 * send, "-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32", path="/big"),
    ]


def attack(stage, mode, name, others, findings, options):
    """Lets slowhttptest do its worst until the router has ended it. Returns the latencies of the others meanwhile and the agent's
    largest resident size."""
    others.take()
    connecting = 5  # Seconds.
    longest = (connecting + mode.limit) * 2 * SLOWNESS
    with subprocess.Popen(
            ["slowhttptest", *mode.options, "-c", str(options.connections), "-r", str(max(options.connections // connecting, 20)),
             "-l", str(int(longest) + 60), "-u", f"http://127.0.0.1:{stage.router_port}/apps/front{mode.path}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as tool:
        most = most_open = passed = 0
        began = time.monotonic()
        while passed < longest:
            time.sleep(0.2)  # A span of time is what is looked at.
            passed = time.monotonic() - began
            now_open = connections(stage.router_port)
            most_open = max(most_open, now_open)
            most = max(most, resident_bytes(stage.agent.pid))
            if passed > connecting + 1 and now_open <= PROBES:
                break
        tool.terminate()
    findings.count(f"{name}: most connections", most_open)
    findings.count(f"{name}: s until the last was ended", round(passed, 1))
    if passed >= longest:
        findings.violated(ALIVE, f"{now_open} of {most_open} after {passed:.0f} s")
    return others.take(), most


def connections(port):
    """Those of slowhttptest that the kernel holds for the router, also after the router has closed them."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        found += local == f"0100007F:{port:04X}" and remote.startswith("0100007F:") and state not in NOTHING_LEFT
    return found


class Others(contextlib.AbstractContextManager):
    """Another client, who asks each app on a fresh connection so many times a second."""

    def __init__(self, stage, rate, findings):
        self.port = stage.router_port
        self.findings = findings
        self.latencies = []
        self.lock = threading.Lock()
        self.leaving = threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(name, 1 / rate)) for name in ("front", "bystander")]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.leaving.set()
        for thread in self.threads:
            thread.join()

    def ask(self, name, pace):
        following = time.monotonic()
        while not self.leaving.wait(max(0, following - time.monotonic())):
            following += pace
            began = time.monotonic()
            problem = self.problem_of_one(name)
            with self.lock:
                self.latencies.append(time.monotonic() - began)
                if problem:
                    self.findings.violated(FAILED, f"{name}: {problem}")

    def problem_of_one(self, name):
        wire = http.client.HTTPConnection("127.0.0.1", self.port, 30 * SLOWNESS, source_address=(OTHER_CLIENT, 0))
        try:
            wire.request("GET", f"/apps/{name}/")
            answer = wire.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            wire.close()
        return None if (answer.status, body) == (200, b"hello\n") else f"{answer.status} {body[:200]}"

    def take(self):
        """The latencies since the last call, in seconds."""
        with self.lock:
            taken, self.latencies = self.latencies, []
        return taken


def resident_bytes(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def mebibytes(count):
    return round(count / 2**20, 1)


def high(latencies):
    return sorted(latencies)[int(len(latencies) * 0.99)]


def milliseconds(seconds):
    return round(seconds * 1000, 2)


def ratio(one, other):
    return round(one / other, 2)

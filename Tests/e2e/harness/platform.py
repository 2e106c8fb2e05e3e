# SPDX-License-Identifier: Apache-2.0
"""A whole Mini PaaS for tests: paasd and agent on free ports, a home and a cgroup of its own, and the CLI."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from . import cgroups
from .daemon import Daemon
from .http import Api, fetch
from .waiting import SLOWNESS, Deadline, Lines

CHECKOUT = Path(__file__).resolve().parents[3]
BINARIES = Path(os.environ.get("PAAS_BINARIES", CHECKOUT / ".build/release"))
EXAMPLES = CHECKOUT / "deploy/examples"
TEST_APPS = Path(__file__).resolve().parents[1] / "apps"


# sd_listen_fds(3): the socket is descriptor 3, and the process that executes the agent is the one it is for.
WITH_SOCKET = 'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=router; exec 3<&"$0"; exec "$@"'


def unavailable():
    """Why no platform can run on this machine, or None."""
    if os.geteuid() != 0:
        return "needs root: an agent makes cgroups and gives every app a uid of its own"
    if cgroups.mount_point() is None:
        return "needs a cgroup v2 tree, and none is mounted"
    return None


class Result:
    """What a CLI call said and how it ended."""

    def __init__(self, arguments, completed):
        self.arguments = arguments
        self.code = completed.returncode
        self.out = completed.stdout.decode("utf-8", "replace")
        self.err = completed.stderr.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"paas {' '.join(self.arguments)} -> {self.code}\nstdout: {self.out[-3000:]}\nstderr: {self.err[-3000:]}"


class Platform:
    """Use `start` first and `tear_down` last, also when `start` failed."""

    serial = 0

    def __init__(self, cgroup=True, directory=None):
        Platform.serial += 1
        # mkdtemp makes it 0700, and short enough for a Unix socket's 107 bytes.
        self.home = Path(tempfile.mkdtemp(prefix="paas-e2e-", dir=directory))
        self.name = f"paas-e2e-{os.getpid()}-{Platform.serial}"
        (self.home / "tmp").mkdir()
        self.cgroup = cgroups.OwnCgroup(self.name) if cgroup else None
        self.mounts_before = mounts()
        self.api_port, self.router_port = free_ports(2)
        first = 20_000 + (os.getpid() * 7 + Platform.serial * 300) % 9_600
        self.port_range = f"{first}-{first + 299}"
        self.api = Api(str(self.home / "run/paasd.sock"))
        self.paasd = None
        self.agent = None
        # What a daemon is started by, such as a program that gives it another view of the machine.
        self.agent_wrapper = []
        self.paasd_wrapper = []
        self.stop_apps_wrapper = []
        # Descriptors that it inherits, under the same numbers.
        self.agent_descriptors = ()
        self.environment = {
            "PATH": f"{BINARIES}:/usr/local/bin:/usr/bin:/bin",
            "PAAS_HOME": str(self.home),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.home / "tmp"),
            # Must never reach an app; test_confinement looks for it.
            "AGENT_ONLY_SECRET": "must-not-leak",
        }

    # Daemons

    def start(self):
        self.start_paasd()
        self.start_agent()
        return self

    def start_paasd(self, wait=True, arguments=()):
        self.paasd = Daemon(
            "paasd", [
                *self.paasd_wrapper, BINARIES / "paasd", "--home", self.home, "--listen", f"127.0.0.1:{self.api_port}",
                *arguments,
            ],
            self.home / "paasd.log", self.environment)
        if wait:
            self.wait_for_paasd()

    def wait_for_paasd(self):
        self.paasd.wait_until_ready(lambda: self.api.request("GET", "/readyz").status == 200)

    def start_agent(self, wait=True, arguments=()):
        arguments = [
            *self.agent_wrapper, BINARIES / "agent", "--home", self.home, "--node", "e2e", "--router", f"127.0.0.1:{self.router_port}",
            "--port-range", self.port_range, *self.cgroup_arguments(), *arguments,
        ]
        self.agent = Daemon("agent", arguments, self.home / "agent.log", self.environment, self.agent_descriptors)
        if wait:
            self.agent.wait_until_ready(lambda: any(node["connected"] for node in self.api.get("/nodes")))

    def hand_to_agent(self, server):
        """The agent's next starts get this socket as from a service manager."""
        self.agent_descriptors = (server.fileno(),)
        self.agent_wrapper = ["/bin/bash", "-c", WITH_SOCKET, str(server.fileno()), *self.agent_wrapper]

    def stop_apps(self):
        """`agent stop-apps`; returns what it said when it failed."""
        done = subprocess.run(
            [*self.stop_apps_wrapper, BINARIES / "agent", "stop-apps", "--home", self.home, *self.cgroup_arguments()],
            stdin=subprocess.DEVNULL, capture_output=True, env=self.environment, timeout=60 * SLOWNESS, check=False)
        return f"agent stop-apps ended with {done.returncode}: {done.stderr.decode()[-1000:]}" if done.returncode else None

    def cgroup_arguments(self):
        return ["--cgroup-root", self.cgroup.path] if self.cgroup else []

    # The CLI

    def paas(self, *arguments, expect=0, timeout=90, env=None, cwd=None):
        """Runs the CLI; an exit code other than `expect` fails the test, unless `expect` is None."""
        arguments = [str(argument) for argument in arguments]
        completed = subprocess.run(
            [BINARIES / "paas", *arguments], stdin=subprocess.DEVNULL, capture_output=True, cwd=cwd or CHECKOUT,
            env={**self.environment, **(env or {})}, timeout=timeout * SLOWNESS, check=False)
        result = Result(arguments, completed)
        if expect is not None and result.code != expect:
            raise AssertionError(f"expected exit code {expect}: {result}")
        return result

    def paas_in_background(self, *arguments):
        """Starts the CLI; returns the process and its lines of standard output. The caller ends it."""
        process = subprocess.Popen(
            [BINARIES / "paas", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=self.environment, text=True, errors="replace", preexec_fn=heed_interrupts)
        return process, Lines(process.stdout)

    def deploy_probe(self, name, *arguments, expect=0):
        """Deploys the tests' own app and returns it as the API shows it."""
        self.paas("deploy", "--name", name, "--source", TEST_APPS / "probe", *arguments, expect=expect)
        return self.app(name)

    # State

    def app(self, name):
        return self.api.get(f"/apps/{name}")

    def wait_for_app(self, name, wanted, what, seconds=30):
        """Waits until `wanted(app)` is true, and returns the app. Events wake the wait; the app decides."""
        deadline = Deadline(seconds)
        path = f"/apps/{name}/events?follow=true"
        lines, close = self.api.follow(path)
        try:
            while True:
                app = self.app(name)
                if wanted(app):
                    return app
                if deadline.passed:
                    late = f"{name}: {what} did not come within {deadline.seconds:.0f} s"
                    raise AssertionError(f"{late}: {json.dumps(app)}")
                # Some changes come without an event of their own, so an event is not the only reason to look.
                if lines.next(min(0.5, deadline.left)) is Lines.END:
                    close()
                    lines, close = self.api.follow(path)
        finally:
            close()

    def get(self, name, path="/", **options):
        """One request to an app through the router, path form."""
        return fetch(self.router_port, f"/apps/{name}{path}", **options)

    def logs(self, name, *arguments):
        """Log lines as objects, oldest first."""
        out = self.paas("logs", name, "--json", *arguments).out
        return [json.loads(line) for line in out.splitlines() if line.strip()]

    # The end

    def tear_down(self):
        """Stops everything, removes everything, and returns what was left over as sentences."""
        problems = []
        if self.agent:
            self._end(self.agent, problems)
            problem = self.stop_apps()
            if problem:
                problems.append(problem)
        if self.paasd:
            self._end(self.paasd, problems)
        if self.cgroup:
            left = self.cgroup.processes()
            if left:
                problems.append(f"processes left after stop-apps: {left}")
                self.cgroup.kill()
            self.cgroup.remove()
        self.unmount()
        left_files = sorted(path.name for path in (self.home / "tmp").iterdir())
        if left_files:
            problems.append(f"temporary files left: {left_files}")
        left_mounts = mounts() - self.mounts_before
        if left_mounts:
            problems.append(f"mounts left: {sorted(left_mounts)}")
        if not problems or not os.environ.get("E2E_KEEP"):
            shutil.rmtree(self.home, ignore_errors=True)
        return problems

    def unmount(self):
        """Takes off what a test has mounted below the home; here that is nothing."""

    @staticmethod
    def _end(daemon, problems):
        was_running = daemon.running
        try:
            code = daemon.stop()
        except subprocess.TimeoutExpired:
            problems.append(f"{daemon.name} did not stop on SIGTERM")
            daemon.kill()
            return
        if was_running and code != 0:
            problems.append(f"{daemon.name} ended with {code} on SIGTERM:\n{daemon.log()[-2000:]}")


def heed_interrupts():
    """For a child that a test interrupts: whoever started the tests in the background had SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def mounts():
    """Mount points of this namespace that belong to a test platform."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {line.split()[4] for line in lines if "paas-e2e-" in line}


def free_ports(count):
    """Ports that are free now. Below those that the kernel gives to clients (ip_local_port_range), of whom one might have
    it while a daemon that is to come back is away; above those of apps."""
    sockets = []
    candidates = random.sample(range(30_000, 32_768), 200)
    try:
        while len(sockets) < count:
            one = socket.socket()
            sockets.append(one)
            try:
                one.bind(("127.0.0.1", candidates.pop()))
            except OSError:
                sockets.remove(one)
                one.close()
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()

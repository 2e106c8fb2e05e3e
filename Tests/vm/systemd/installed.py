# SPDX-License-Identifier: Apache-2.0
"""The product as its Debian package installs it, on a machine with systemd that is there for the test alone."""

import os
import subprocess
import threading
from pathlib import Path

from harness.http import Api
from harness.platform import Platform
from harness.waiting import SLOWNESS, Deadline

UNITS = ("paas-apps.service", "paasd.service", "paas-agent.service")
SOCKET = "paas-agent.socket"
STATE = Path("/var/lib/mini-paas")
APP = Path(__file__).resolve().parent / "farewell"
# What the tests say goodbye to: deployed once, and expected to have the same pid until the machine reboots.
NAME = "steady"
# More apps that serve before the reboot, and one that crashes by then; in the order of their names it would be the first.
OTHERS = ("second", "third")
BROKEN = "broken"


def run(*arguments, expect=0):
    """Runs a program of the machine; returns its output. Another exit code than `expect` fails the test."""
    done = subprocess.run(
        [str(argument) for argument in arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", timeout=120 * SLOWNESS, check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PAGER": "cat"})
    if expect is not None and done.returncode != expect:
        raise AssertionError(f"{' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


def packages():
    """The package and one of a newer version, beside the checkout of the payload."""
    return sorted(Path("/payload").glob("mini-paas_*.deb"), key=lambda path: len(path.name))


def property_of(unit, name):
    return run("systemctl", "show", "--value", f"--property={name}", unit).strip()


def main_pid(unit):
    return int(property_of(unit, "MainPID"))


def journal(unit):
    return run("journalctl", "--no-pager", "--boot", "--unit", unit, "--lines=60")


def wait_until(true, what):
    """Asks until it is so. For what nothing announces: a daemon that listens, a unit that has given up."""
    deadline = Deadline(30)
    while not deadline.passed:
        try:
            if true():
                return
        except (OSError, ValueError, AssertionError):
            pass
        # A short nap keeps the emulated processor for the daemon.
        subprocess.run(["sleep", "0.1"], check=True)
    logs = "\n".join(journal(unit) for unit in UNITS)
    raise AssertionError(f"{what}: not after {deadline.seconds:.0f} s\n{logs}")


class Installed(Platform):
    """Like the tests' own platform, but started by systemd, with the system's home and the default ports."""

    def __init__(self):  # pylint: disable=super-init-not-called
        self.api = Api("/run/mini-paas/paasd.sock")
        self.router_port = 8080
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}

    def wait_until_ready(self):
        """Until paasd answers and an agent is connected to it, which nothing announces."""
        wait_until(lambda: any(node["connected"] for node in self.api.get("/nodes")), "paasd and agent are ready")

    def wait_until_served(self):
        """Until the router answers for the app, after which requests must not fail any more."""
        wait_until(lambda: self.get(NAME).status == 200, f"the router serves {NAME}")


class Visitors:
    """Inside `with`, one request after the other, each on a connection of its own; keeps what went wrong."""

    def __init__(self, product):
        self.product = product
        self.answers = 0
        self.problems = []
        self.leaving = threading.Event()
        self.thread = threading.Thread(target=self._visit)

    def _visit(self):
        while not self.leaving.is_set():
            try:
                status = self.product.get(NAME).status
                if status != 200:
                    self.problems.append(f"request {self.answers}: status {status}")
            except OSError as error:
                self.problems.append(f"request {self.answers}: {error!r}")
            self.answers += 1
            # An emulated processor has other things to do as well.
            self.leaving.wait(0.02 * SLOWNESS)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        # At least one that began after whatever happened meanwhile.
        before = self.answers
        while self.thread.is_alive() and self.answers < before + 2:
            self.thread.join(0.05)
        self.leaving.set()
        self.thread.join()

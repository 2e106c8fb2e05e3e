# SPDX-License-Identifier: Apache-2.0
"""Campaign `faults`: what the system refuses, one fault at a time. Each must be told clearly, hurt nobody else, and be
over by itself once its cause is gone."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import scene
from harness.platform import BINARIES
from harness.waiting import SLOWNESS, Lines
from scene import Scene

WITHOUT = "faults left out"


def add_options(parser):
    parser.add_argument("--only", metavar="NAME", action="append", choices=list(FAULTS), help=", ".join(FAULTS))
    parser.add_argument("--stop-seconds", type=float, default=5, help="how long `sigstop` lasts (5)")


def run(options, findings):
    findings.expects(*scene.ALL)
    names = options.only or list(FAULTS)
    for number, name in enumerate(names, 1):
        FAULTS[name](name, findings, options)
        findings.count("faults")
        findings.progress(number, len(names), name)


# What a fault mounts is seen by nobody else, and gone with the last process in here.
INSIDE = "CAMPAIGN_PRIVATE_MOUNTS"


def prepare():
    if not os.environ.get(INSIDE):
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])


# Errors of a start

def with_own_init(name, findings, options, word, break_it, mend_it):
    """The agent starts `paas-init` from a copy, to which something happens."""
    with Scene(name, findings, options) as here:
        copy = here.stage.home / "paas-init"
        shutil.copy(BINARIES / "paas-init", copy)
        here.stage.agent.stop()
        here.stage.start_agent(arguments=["--init-path", copy])
        held = break_it(copy)
        app = here.add("newcomer", wait=False)
        here.says(word, app)
        pid = here.kill(here.victim)
        here.goes_on()
        mend_it(copy, held)
        here.recovers(app)
        here.recovers(here.victim, but_not_pid=pid)


def enoent(name, findings, options):
    with_own_init(
        name, findings, options, "No such file|ENOENT", lambda path: path.rename(f"{path}.away"),
        lambda path, away: away.rename(path))


def eacces(name, findings, options):
    with_own_init(
        name, findings, options, "Permission denied|EACCES", lambda path: path.chmod(0o600), lambda path, _: path.chmod(0o755))


def etxtbsy(name, findings, options):
    """Linux 6.11 and 6.12 let a program be started that is open for writing."""
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if release in ((6, 11), (6, 12)):
        findings.count(WITHOUT)
        return
    with_own_init(
        name, findings, options, "Text file busy|ETXTBSY", lambda path: path.open("r+b"), lambda _, file: file.close())


@contextlib.contextmanager
def refused(here, call, error):
    """strace refuses a system call to the supervisor's thread, and so to nobody else's."""
    tracer = subprocess.Popen(
        ["strace", "-p", here.supervisor_thread(), "-o", "/dev/null", "-e", f"trace={call}",
         "-e", f"inject={call}:error={error}"], stderr=subprocess.PIPE, text=True)
    try:
        Lines(tracer.stderr).until(lambda line: "attached" in line, 20, "strace at the supervisor")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(timeout=20 * SLOWNESS)
        tracer.stderr.close()


def has_strace(name, findings):
    if shutil.which("strace"):
        return True
    print(f"skip  {name}: needs strace (apt-get install strace)", flush=True)
    findings.count(WITHOUT)
    return False


def with_refused_clone(name, findings, options, error, word):
    if not has_strace(name, findings):
        return
    with Scene(name, findings, options) as here:
        with refused(here, "clone3", error):
            app = here.add("newcomer", wait=False)
            here.says(word, app)
            pid = here.kill(here.victim)
            here.goes_on()
        here.recovers(app)
        here.recovers(here.victim, but_not_pid=pid)


def eagain(name, findings, options):
    with_refused_clone(name, findings, options, "EAGAIN", "Resource temporarily unavailable|EAGAIN")


def enomem(name, findings, options):
    with_refused_clone(name, findings, options, "ENOMEM", "Cannot allocate memory|ENOMEM")


def unreadable(name, findings, options):
    """What the apps print cannot be read for a while. It waits in their pipes, and the agent does not talk of it all the time."""
    if not has_strace(name, findings):
        return
    with Scene(name, findings, options) as here:
        complaint = "cannot read an app's output"
        with refused(here, "tee", "ENOMEM"):
            here.says(complaint, by_event=False)
            time.sleep(1)  # How often it says so in that time is the test itself.
            said = here.stage.agent.log().count(complaint)
            if said > 2:
                here.violated(scene.SILENT, f"the agent said {said} times of two apps that their output cannot be read")
            here.goes_on()


# The agent's state

def full_disk(name, findings, options):
    """What is printed meanwhile may be dropped, so lines are not judged."""
    with Scene(name, findings, options, mounts=[("agent", "32m")], check_lines=False) as here:
        filler = here.stage.home / "agent/filler"
        fill(filler)
        pid = here.kill(here.victim)
        here.says("No space left|ENOSPC", here.victim)
        here.goes_on()
        filler.unlink()
        here.recovers(but_not_pid=pid)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2


def full_disk_of_paasd(name, findings, options):
    with Scene(name, findings, options, mounts=[("paasd", "32m")]) as here:
        filler = here.stage.home / "paasd/filler"
        fill(filler)
        refused = None
        # The write-ahead log has some room left in pages that it already has.
        for number in range(2_000):
            answer = here.stage.api.request(
                "PATCH", "/apps/victim", {"env": {f"FILL{number % 50}": "x" * 3_000 + str(number)}, "instances": 1})
            if answer.status >= 400:
                refused = answer
                break
        if refused is None or refused.headers.get_content_type() != "application/problem+json":
            here.violated(scene.SILENT, f"a write to a full disk got {refused and (refused.status, refused.text)}")
        here.goes_on()
        filler.unlink()
        here.stage.paas("stop", "victim", "--no-wait")
        here.stage.paas("start", "victim", "--no-wait")
        here.recovers(seconds=120)


def read_only(name, findings, options):
    with Scene(name, findings, options) as here:
        for place in ("instances", "runs", "outbox"):
            path = here.stage.home / "agent" / place
            here.mount("--bind", path, path)
            subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
        pid = here.kill(here.victim)
        here.says("Read-only file system|EROFS", here.victim)
        here.goes_on()
        here.unmount()
        here.recovers(but_not_pid=pid)


def emfile(name, findings, options):
    with Scene(name, findings, options) as here:
        with here.stage.agent.without_free_descriptors():
            pid = here.kill(here.victim)
            here.says("Too many open files|EMFILE", here.victim)
            if not here.stage.agent.running:
                here.goes_on()
        here.recovers(but_not_pid=pid)


def sigstop(name, findings, options):
    with Scene(name, findings, options) as here:
        stopped = here.add("stopped")
        os.kill(here.stage.agent.pid, signal.SIGSTOP)
        try:
            pid = here.kill(here.victim)
            here.fleet.stop(stopped)
            newcomer = here.add("newcomer", wait=False)
            time.sleep(options.stop_seconds)  # The length of the stop is the test itself.
        finally:
            os.kill(here.stage.agent.pid, signal.SIGCONT)
        began = time.monotonic()
        here.recovers(but_not_pid=pid)
        here.stage.wait_for_app("stopped", lambda one: one["status"] == "stopped", "the stop")
        here.recovers(newcomer)
        findings.count("ms from SIGCONT to the right state", round((time.monotonic() - began) * 1000))


FAULTS = {
    "enoent": enoent, "eacces": eacces, "etxtbsy": etxtbsy, "eagain": eagain, "enomem": enomem,
    "unreadable": unreadable,
    "full-disk": full_disk, "full-disk-of-paasd": full_disk_of_paasd, "read-only": read_only, "emfile": emfile,
    "sigstop": sigstop,
}

# SPDX-License-Identifier: Apache-2.0
"""Other supervisors with a number of small apps, each in a cgroup of its own, so that nothing of it is left at its end."""

import os
import shutil
import signal
import subprocess
import sys
import time

import product  # noqa: F401 - first, for the harness's path and limits.
from beats import compiled, starts, undisturbed
from harness.cgroups import OwnCgroup
from harness.waiting import Deadline, wait_for_file_to_say


class Peer:
    """One supervisor. `configure` writes what it reads, and returns its command."""

    title = program = None
    stop_signal = signal.SIGTERM
    most_apps = 100_000
    variables = {}

    def __init__(self, directory, beat, apps=1):
        self.home = directory / f"{self.title}-{apps}"
        self.beat, self.count = beat, apps
        self.started = self.home / "started"
        self.cgroup = self.process = None

    @classmethod
    def unavailable(cls, apps=1):
        """Why it cannot take part, or None."""
        if cls.program and not shutil.which(cls.program):
            return f"{cls.program} is not installed"
        return f"takes at most {cls.most_apps:,} services" if apps > cls.most_apps else None

    def configure(self):
        raise NotImplementedError

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        self.home.mkdir()
        command = self.configure()
        self.cgroup = OwnCgroup(f"paas-bench-{os.getpid()}-{self.home.name}")
        procs = self.cgroup.path / "cgroup.procs"
        # Its own session: Ctrl-C is for the benchmark, which ends it in the right order.
        with open(self.home / "log", "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.home,
                env={"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8", **self.variables},
                preexec_fn=lambda: procs.write_text("0"))
        self.wait_for_starts(self.count)

    def wait_for_starts(self, count, seconds=60):
        """Until so many apps have begun since the beginning."""
        deadline = Deadline(seconds)
        while len(self.starts()) < count:
            if deadline.passed or self.process.poll() is not None:
                raise AssertionError(f"{self.title} has {len(self.starts())} starts instead of {count}: "
                                     f"{(self.home / 'log').read_text(errors='replace')[-1000:]}")
            time.sleep(0.02)

    def starts(self):
        return starts(self.started)

    def apps_and_others(self):
        """Pids of the apps, and those of the supervisor's own processes."""
        found = self.cgroup.processes()
        apps = [pid for pid, command in found.items() if command.split(" ")[0] == str(self.beat)]
        return apps, [pid for pid in found if pid not in set(apps)]

    def stop(self):
        """Asks it to end, and waits until nothing of it runs."""
        self.process.send_signal(self.stop_signal)
        wait_for_file_to_say(self.cgroup.path / "cgroup.events", lambda text: "populated 1" not in text, 30)
        self.process.wait()

    def __exit__(self, *_):
        with undisturbed():
            if self.cgroup:
                if self.cgroup.populated():
                    self.cgroup.kill()
                if self.process:
                    self.process.wait()
                self.cgroup.remove()
            shutil.rmtree(self.home, ignore_errors=True)

    def run_scripts(self):
        """A directory with one service for each app. The app is the script's interpreter, so that no shell is between."""
        services = self.home / "services"
        for number in range(self.count):
            script = services / f"app-{number:04}/run"
            script.parent.mkdir(parents=True)
            script.write_text(f"#!{self.beat} {self.started}\n")
            script.chmod(0o755)
        return services


class S6(Peer):
    title, program = "s6", "s6-svscan"
    # Without the readiness notification of the service it waits a second after every death, however long the run was.
    variables = {"NOTIFY": "3"}

    def configure(self):
        services = self.run_scripts()
        for service in services.iterdir():
            (service / "notification-fd").write_text("3\n")
        return ["s6-svscan", "-c", str(self.count + 4), services]


class Runit(Peer):
    title, program = "runit", "runsvdir"
    # It tells its services to end at SIGHUP only.
    stop_signal = signal.SIGHUP
    most_apps = 1_000

    def configure(self):
        return ["runsvdir", self.run_scripts()]


class Supervisor(Peer):
    title, program = "supervisor", "supervisord"

    def configure(self):
        path = self.home / "supervisord.conf"
        programs = "".join(
            f"[program:app-{number:04}]\ncommand={self.beat} {self.started}\nstdout_logfile=NONE\nstderr_logfile=NONE\n"
            for number in range(self.count))
        path.write_text(
            f"[supervisord]\nnodaemon=true\nuser=root\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={self.home}/pid\n"
            f"childlogdir={self.home}\nminfds={8 * self.count + 1_000}\nminprocs=200\n{programs}")
        return ["supervisord", "--configuration", path]


class Circus(Peer):
    title, program = "circus", "circusd"

    def configure(self):
        path = self.home / "circus.ini"
        watchers = "".join(f"[watcher:app-{number:04}]\ncmd = {self.beat} {self.started}\n" for number in range(self.count))
        # Without its multicast address it sends nothing to the network.
        path.write_text(f"[circus]\nendpoint = ipc://{self.home}/endpoint\npubsub_endpoint = ipc://{self.home}/pubsub\n"
                        f"multicast_endpoint =\n{watchers}")
        return ["circusd", path]


class Loop(Peer):
    """fork, exec, wait: what no supervisor can be below."""

    title, program = "bare C loop", None
    most_apps = 1

    def configure(self):
        return [compiled("respawn", self.home), self.beat, self.started]


PEERS = {peer.title: peer for peer in (S6, Runit, Supervisor, Circus)}


def taking_part(names, apps=1):
    """Classes of those named that can; tells why of the others."""
    classes = []
    for name in names:
        if reason := PEERS[name].unavailable(apps):
            print(f"{name} is left out: {reason}", file=sys.stderr)
        else:
            classes.append(PEERS[name])
    return classes

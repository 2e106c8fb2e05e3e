# SPDX-License-Identifier: Apache-2.0
"""Apps that somebody runs by hand: a supervisor with nginx in front, each app at /apps/NAME/ as the router has it."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from beats import undisturbed
from harness.cgroups import OwnCgroup
from harness.platform import free_ports
from harness.waiting import Deadline
from harness.http import fetch

NGINX = "/usr/sbin/nginx"
CONFIGURATION = """
worker_processes 1; daemon off; pid {home}/nginx.pid; error_log {home}/nginx.err;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {home}/1; proxy_temp_path {home}/2; fastcgi_temp_path {home}/3; uwsgi_temp_path {home}/4; scgi_temp_path {home}/5;
  server {{ listen 127.0.0.1:{port}; location = / {{ return 200 "nginx\\n"; }} include {home}/apps/*.conf; }}
}}
"""
LOCATION = "location /apps/{name}/ {{ proxy_pass http://127.0.0.1:{port}/; }}\n"


class ByHand:
    """Used with `with`. An app's files are copied to a directory of its own, as a deploy by rsync does."""

    title = None

    def __init__(self, directory, web):
        self.home = directory / self.title.replace(" ", "-")
        self.web = web
        self.cgroup = None
        self.processes = []
        (self.port,) = free_ports(1)
        self.ports = {}

    @classmethod
    def unavailable(cls):
        return None if Path(NGINX).exists() else "nginx is not installed"

    def __enter__(self):
        (self.home / "apps").mkdir(parents=True)
        self.home.chmod(0o755)
        self.cgroup = OwnCgroup(f"paas-bench-{os.getpid()}-{self.home.name}")
        try:
            (self.home / "nginx.conf").write_text(CONFIGURATION.format(home=self.home, port=self.port))
            self.nginx = self.start([NGINX, "-c", self.home / "nginx.conf"])
            self.wait_until(lambda: fetch(self.port, "/").status == 200, "nginx")
            self.prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with undisturbed():
            self.clean_up()
            if self.cgroup.populated():
                self.cgroup.kill()
            for process in self.processes:
                process.wait()
            self.cgroup.remove()
            shutil.rmtree(self.home, ignore_errors=True)

    def start(self, command):
        procs = self.cgroup.path / "cgroup.procs"
        with open(self.home / "log", "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.home,
                                       preexec_fn=lambda: procs.write_text("0"))
        self.processes.append(process)
        return process

    def wait_until(self, ready, what):
        deadline = Deadline(20)
        while True:
            try:
                if ready():
                    return
            except OSError:
                pass
            if deadline.passed:
                raise AssertionError(f"{what} is not ready: {(self.home / 'log').read_text(errors='replace')[-1000:]}")

    @staticmethod
    def path(name):
        return f"/apps/{name}/"

    def begin(self, name):
        """A port is known to whoever does this by hand."""
        if name not in self.ports:
            (self.ports[name],) = free_ports(1)

    def copy(self, name):
        """The app's files, in place of those that a process may have open."""
        program = self.home / "apps" / name / "web"
        program.parent.mkdir(exist_ok=True)
        shutil.copy(self.web, program.with_suffix(".new"))
        program.with_suffix(".new").rename(program)
        return program

    def route(self, name):
        """nginx serves the app from now on."""
        (self.home / "apps" / f"{name}.conf").write_text(LOCATION.format(name=name, port=self.ports[name]))
        # As `nginx -s reload` does, without the start of another nginx and its look at the whole configuration.
        self.nginx.send_signal(signal.SIGHUP)

    def forget(self, name):
        (self.home / "apps" / f"{name}.conf").unlink()
        self.nginx.send_signal(signal.SIGHUP)
        shutil.rmtree(self.home / "apps" / name)
        del self.ports[name]

    def prepare(self):
        pass

    def clean_up(self):
        pass


def run(*command):
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stdout} {done.stderr}")


class WithSupervisor(ByHand):
    title = "supervisor and nginx"

    @classmethod
    def unavailable(cls):
        return super().unavailable() or (None if shutil.which("supervisorctl") else "supervisor is not installed")

    def prepare(self):
        (self.home / "programs").mkdir()
        (self.home / "supervisord.conf").write_text(
            f"[unix_http_server]\nfile={self.home}/control\n[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisord]\nnodaemon=true\nuser=root\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={self.home}/pid\n"
            f"childlogdir={self.home}\n[supervisorctl]\nserverurl=unix://{self.home}/control\n[include]\nfiles={self.home}/programs/*.conf\n")
        self.start(["supervisord", "--configuration", self.home / "supervisord.conf"])
        self.wait_until((self.home / "control").exists, "supervisord")

    def control(self, *command):
        run("supervisorctl", "--configuration", self.home / "supervisord.conf", *command)

    def new(self, name):
        program = self.copy(name)
        # Without startsecs=0 it waits for a second before it calls the app started.
        (self.home / "programs" / f"{name}.conf").write_text(
            f"[program:{name}]\ncommand={program}\nenvironment=PORT=\"{self.ports[name]}\"\nstartsecs=0\n")
        self.control("update", name)
        self.route(name)

    def changed(self, name):
        self.copy(name)
        self.control("restart", name)

    def restart(self, name):
        self.control("restart", name)

    def remove(self, name):
        (self.home / "programs" / f"{name}.conf").unlink()
        self.control("update", name)
        self.forget(name)


class WithSystemd(ByHand):
    title = "systemd-run and nginx"

    @classmethod
    def unavailable(cls):
        return super().unavailable() or (None if Path("/run/systemd/system").exists() else "systemd does not run here")

    def unit(self, name):
        return f"paas-bench-{os.getpid()}-{name}.service"

    def new(self, name):
        run("systemd-run", "--quiet", "--unit", self.unit(name), "--setenv", f"PORT={self.ports[name]}", self.copy(name))
        self.route(name)

    def changed(self, name):
        self.copy(name)
        self.restart(name)

    def restart(self, name):
        run("systemctl", "restart", self.unit(name))

    def remove(self, name):
        run("systemctl", "stop", self.unit(name))
        self.forget(name)

    def clean_up(self):
        for name in list(self.ports):
            self.remove(name)


BY_HAND = {"supervisor": WithSupervisor, "systemd": WithSystemd}

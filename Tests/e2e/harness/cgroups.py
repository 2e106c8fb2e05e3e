# SPDX-License-Identifier: Apache-2.0
"""The cgroup v2 tree: where it is, and a cgroup of our own in it."""

import os
from pathlib import Path

from .waiting import wait_for_file_to_say


def mount_point():
    """Where cgroup v2 is mounted, or None. Unified and hybrid machines differ only in the place."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    return None


def controllers():
    """Controllers that limits can use on this machine: those of the v2 tree's root."""
    mount = mount_point()
    return set() if mount is None else set((mount / "cgroup.controllers").read_text().split())


class OwnCgroup:
    """A cgroup below which an agent works. Only this one and what is below it is ever touched."""

    def __init__(self, name):
        mount = mount_point()
        self.path = mount / name
        wanted = {"cpu", "memory", "pids", "io"} & controllers()
        for controller in sorted(wanted):
            (mount / "cgroup.subtree_control").write_text(f"+{controller}")
        self.path.mkdir()

    def populated(self):
        return "populated 1" in (self.path / "cgroup.events").read_text()

    def processes(self):
        """Pids of every process in it or below, with their command lines."""
        found = {}
        # Not rglob, which fails when a cgroup goes while it is there.
        for directory, _, _ in os.walk(self.path):
            try:
                pids = Path(directory, "cgroup.procs").read_text().split()
            except OSError:
                continue
            for pid in pids:
                try:
                    found[int(pid)] = command_line(pid)
                except OSError:
                    continue
        return found

    def kill(self):
        (self.path / "cgroup.kill").write_text("1")
        wait_for_file_to_say(self.path / "cgroup.events", lambda text: "populated 1" not in text)

    def remove(self):
        for directory, _, _ in os.walk(self.path, topdown=False):
            os.rmdir(directory)


def command_line(pid):
    """The arguments of a process, with spaces between them."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")


def cgroup_of(pid):
    """The v2 cgroup directory of a process."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return mount_point() / line[3:].lstrip("/")
    raise AssertionError(f"process {pid} is in no v2 cgroup")


def in_force(pid, name):
    """The values of one cgroup file from the process's own cgroup up to below the root."""
    directory, values = cgroup_of(pid), []
    while directory != mount_point():
        file = directory / name
        if file.exists():
            values.append(file.read_text().strip())
        directory = directory.parent
    return values

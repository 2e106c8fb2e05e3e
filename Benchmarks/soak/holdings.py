# SPDX-License-Identifier: Apache-2.0
"""What a platform holds of the machine at one moment, and how much of it may come in an hour before that counts as growth."""

import os
import re
from pathlib import Path

from measuring import Memory, descendants, processes

MIB = 1 << 20
# Of one app: what its fields ask for, and docs/router.md.
LOG_SIZE = 2 * MIB
ACCESS_LOG_SIZE = 16 * MIB


class Figure:
    """A figure's name, its unit, and what may come in an hour: None for what others on the machine change as well."""

    def __init__(self, name, unit="", allowed=None):
        self.name, self.unit, self.allowed = name, unit, allowed

    @property
    def title(self):
        return f"{self.name}, {self.unit}" if self.unit else self.name


# With an act a second 0.7 MiB an hour is 200 bytes for each, or a page for one act of 20; less than that drowns in what an allocator
# keeps. What is counted is lost as a whole: the rarest acts come 40 times an hour, so a leak in any of them gives four times what is
# allowed, and what comes and goes by itself, such as the index of a log's newest segment, is no growth.
MEMORY, COUNT, DISK = 0.7, 10.0, 1.0
FIGURES = [
    # Pages of programs count for resident memory, too; the kernel takes them back and reads them again as it likes.
    Figure("agent anonymous", "MiB", MEMORY), Figure("agent resident", "MiB"),
    Figure("paasd anonymous", "MiB", MEMORY), Figure("paasd resident", "MiB"),
    # Connections that the router keeps to apps come and go with requests, so sockets are a figure of their own.
    Figure("agent files and pipes", "", COUNT), Figure("paasd files and pipes", "", COUNT),
    Figure("agent sockets", "", COUNT), Figure("paasd sockets", "", COUNT),
    Figure("agent threads", "", COUNT), Figure("paasd threads", "", COUNT),
    Figure("processes", "", COUNT), Figure("zombies", "", COUNT),
    Figure("cgroups", "", COUNT), Figure("dying cgroups", "", COUNT),
    Figure("mounts", "", COUNT), Figure("loop devices", "", COUNT),
    Figure("TCP sockets", "", COUNT),
    Figure("files in the home", "", COUNT), Figure("home without logs", "MiB", DISK),
    # Full or not, a log is cut at a tenth of its size, and moves by that; it is judged by its limit.
    Figure("logs", "MiB"), Figure("limit of the logs", "MiB"), Figure("daemons' own logs", "MiB"),
    Figure("machine: slab not reclaimable", "MiB"), Figure("machine: kernel stacks", "MiB"), Figure("machine: page tables", "MiB"),
    Figure("machine: per CPU", "MiB"), Figure("machine: open files"),
]


def sample(platform):
    """Values of the figures in their order."""
    agent, paasd = platform.agent.pid, platform.paasd.pid
    memory = [Memory([agent]), Memory([paasd])]
    links = [list(platform.agent.descriptors().values()), list(platform.paasd.descriptors().values())]
    known = processes()
    below = set(descendants(agent, known) + descendants(paasd, known)) | set(platform.cgroup.processes())
    cgroup = fields(platform.cgroup.path / "cgroup.stat")
    disk = Disk(platform.home)
    kernel = {name: int(value) / 1024 for name, value in re.findall(r"^(\w+):\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)}
    values = [one for each in memory for one in (each.anonymous / 1024, each.resident / 1024)]
    sockets = [sum(link.startswith("socket:") for link in one) for one in links]
    values += [len(one) - own for one, own in zip(links, sockets)] + sockets
    values += [len(os.listdir(f"/proc/{pid}/task")) for pid in (agent, paasd)]
    values += [len(below), sum(is_zombie(pid) for pid in below), int(cgroup["nr_descendants"]), int(cgroup["nr_dying_descendants"])]
    values += [mounts(platform, agent), loops(platform.home), connections(ports(platform))]
    values += [disk.files, disk.other / MIB, disk.logs / MIB, disk.limit_of_logs / MIB, disk.daemons / MIB]
    values += [kernel["SUnreclaim"], kernel["KernelStack"], kernel["PageTables"], kernel["Percpu"],
               int(Path("/proc/sys/fs/file-nr").read_text().split()[0])]
    return dict(zip((figure.name for figure in FIGURES), values, strict=True))


class Disk:
    """Bytes that the home takes, by what they are for, and its files."""

    def __init__(self, home):
        self.files = self.other = self.logs = self.daemons = self.limit_of_logs = 0
        limits = {home / "agent/logs": LOG_SIZE, home / "agent/access": ACCESS_LOG_SIZE}
        for place, limit in limits.items():
            self.limit_of_logs += limit * len(os.listdir(place)) if place.exists() else 0
        for directory, _, names in os.walk(home):
            for name in names:
                path = Path(directory, name)
                try:
                    size = path.lstat().st_blocks * 512
                except OSError:
                    continue
                if path.parent == home and path.suffix == ".log":
                    self.daemons += size
                elif not limits.keys().isdisjoint(path.parents):
                    # How many segments there are depends on where the log stands.
                    self.logs += size
                else:
                    self.other += size
                    self.files += 1


def fields(path):
    return dict(line.split() for line in path.read_text().splitlines())


def is_zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return False


def mounts(platform, agent):
    """Mounts that have to do with this home, as the agent sees them and as everybody does."""
    return sum(str(platform.home) in line for pid in (agent, "self") for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines())


def loops(home):
    found = 0
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            found += path.read_text().startswith(str(home))
        except OSError:
            continue
    return found


def ports(platform):
    first, last = map(int, platform.port_range.split("-"))
    return {platform.api_port, platform.router_port, *range(first, last + 1)}


def connections(wanted):
    """TCP sockets of these local ports, whoever has them; one in TIME_WAIT is only a note of the kernel's and does not count."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        found += state != "06" and int(local.rsplit(":", 1)[1], 16) in wanted
    return found

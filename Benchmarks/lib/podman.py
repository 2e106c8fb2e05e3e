# SPDX-License-Identifier: Apache-2.0
"""Containers of podman that do nothing, for what compares with it."""

import shutil
import subprocess
import tempfile
from pathlib import Path


class Containers:
    """Used with `with`: so many containers sleep, without a network and all with one read-only root that holds busybox. None
    where podman is missing or starts none, which is said. All that podman keeps is in one directory, which is removed."""

    def __init__(self, count):
        self.count = count
        self.names = []
        self.directory = None
        # The command line that finds them.
        self.podman = []

    def __enter__(self):
        if self.count == 0:
            return self
        if not shutil.which("podman"):
            print("podman is not installed")
            return self
        self.directory = Path(tempfile.mkdtemp(prefix="paas-containers-"))
        # vfs, because the kernels of the images have no overlayfs built in; without images there is nothing to overlay.
        self.podman = ["podman", "--cgroup-manager=cgroupfs", "--storage-driver=vfs",
                       *(f"--{name}={self.directory / name}" for name in ("root", "runroot", "tmpdir"))]
        tree = self.directory / "tree"
        for name in ("bin", "dev", "etc", "proc", "run", "sys", "tmp"):
            (tree / name).mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), tree / "bin/busybox")
        for number in range(self.count):
            name = f"paas-idle-{number:03}"
            done = subprocess.run(
                [*self.podman, "run", "--detach", "--network=none", "--read-only", "--log-driver=none", f"--name={name}", "--rootfs",
                 tree, "/bin/busybox", "sleep", "1000000"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                print(f"podman does not start container {number}: {done.stderr.strip()[-300:]}")
                break
            self.names.append(name)
        return self

    def __exit__(self, *_):
        if self.names:
            subprocess.run([*self.podman, "rm", "--force", "--time=0", *self.names], stdin=subprocess.DEVNULL, capture_output=True,
                           check=False)
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)

# SPDX-License-Identifier: Apache-2.0
"""What bubblewrap and crun are told to give a program about what an app gets: every namespace, the system's programs read-only,
/proc, /dev and /tmp of its own, no capability, another user, a filter of system calls."""

import json
import platform
import subprocess
from pathlib import Path

NOBODY = 65_534
# The default filter of podman and its kin (Debian: golang-github-containers-common).
PROFILE = Path("/usr/share/containers/seccomp.json")
SHOWN = ("usr", "opt")
LINKS = {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}
# As the profile spells this machine.
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def bubblewrap(program, filter_file):
    """Its arguments, the name included. The filter is a program of BPF, opened as descriptor 9 when there is one."""
    links = [word for name, target in LINKS.items() for word in ("--symlink", target, f"/{name}")]
    shown = [word for name in SHOWN for word in ("--ro-bind", f"/{name}", f"/{name}")]
    return ["--unshare-all", "--uid", str(NOBODY), "--gid", str(NOBODY), "--hostname", "app", "--die-with-parent", "--new-session",
            "--cap-drop", "ALL", "--clearenv", *shown, *links, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
            "--ro-bind", program.parent, "/app", "--chdir", "/app", *(["--seccomp", "9"] if filter_file else []),
            f"/app/{program.name}"]


def crun_bundle(directory, program):
    """A directory with the configuration of a container, for `crun run`."""
    directory.mkdir()
    root = directory / "root"
    root.mkdir()
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    for name in (*SHOWN, "app", "dev", "proc", "sys", "tmp"):
        (root / name).mkdir()
    subprocess.run(["crun", "spec"], cwd=directory, check=True)
    path = directory / "config.json"
    config = json.loads(path.read_text())
    config["process"].update(
        terminal=False, cwd="/app", args=[f"/app/{program.name}"], user={"uid": NOBODY, "gid": NOBODY}, capabilities={},
        noNewPrivileges=True)
    config["root"] = {"path": str(root), "readonly": True}
    config["mounts"] += [bind(f"/{name}", f"/{name}") for name in SHOWN] + [bind(str(program.parent), "/app")]
    config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev"]})
    # No manager of cgroups, so nothing of them is to be seen.
    config["mounts"] = [mount for mount in config["mounts"] if mount.get("type") != "cgroup"]
    config["linux"].pop("resources", None)
    config["linux"]["seccomp"] = seccomp(json.loads(PROFILE.read_text()))
    path.write_text(json.dumps(config))
    return directory


def bind(source, destination):
    return {"destination": destination, "type": "bind", "source": source, "options": ["rbind", "ro"]}


def seccomp(profile):
    """The profile as OCI's runtimes take it: what depends on capabilities, of which there are none, and on other machines is left out,
    as containers/common does."""
    rules = []
    for rule in profile["syscalls"]:
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        if includes.get("caps") or ARCHITECTURE in excludes.get("arches", []):
            continue
        if includes.get("arches") and ARCHITECTURE not in includes["arches"]:
            continue
        fields = {key: rule[key] for key in ("names", "action", "errnoRet") if rule.get(key) is not None}
        if rule.get("args"):
            fields["args"] = rule["args"]
        rules.append(fields)
    # The kernel's names of this machine and what runs on it beside.
    names = next([entry["architecture"], *entry["subArchitectures"]] for entry in profile["archMap"]
                 if entry["architecture"].endswith(platform.machine().upper()))
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile["defaultErrnoRet"], "architectures": names,
            "syscalls": rules}

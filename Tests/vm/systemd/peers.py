# SPDX-License-Identifier: Apache-2.0
"""The attack suite in the sandbox of Mini PaaS and in those that others offer, on a machine that is there for this alone.

Prints tables in Markdown: how many cases each stops, and which it does not. No test: what others stop is for them to say. The
program refuses to run outside an app, which it knows by PAAS_APP; here it is told so, because all of this machine is thrown
away. Exit code 1 when one of them could not run it."""

import json
import platform as machine
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "e2e"))

from harness.platform import BINARIES, Platform  # noqa: E402
from harness.waiting import SLOWNESS  # noqa: E402

SPACE = Path("/srv/peers")
# The program's, which each of them shows there, read-only.
BUNDLE = Path("/app")
# The smallest image for containers that has what the suite looks at.
IMAGE = SPACE / "image"
PROGRAM = BUNDLE / "paas-attacks"
JUDGED = ("stopped", "reached", "done")
OURS = "Mini PaaS, `standard`"
NOBODY = "65534"

OWN_PORT = {"bind-other-port": "it knows of no port that is the program's own"}
FIRST = "process 1 is the program itself"
IS_FIRST = dict.fromkeys(("init-root", "init-fd", "init-mem", "init-environ", "signal-init", "trace-init"), FIRST)
COPY = "what it changes is a copy of its own, not the machine's"
OWN_DEVICES = {"chmod-device": COPY}
OWN_FILES = dict.fromkeys(("write-usr", "write-etc"), COPY)

# systemd.exec(5), nearly all that `systemd-analyze security` asks for and a server gets along with.
UNIT = """
DynamicUser=yes NoNewPrivileges=yes CapabilityBoundingSet= AmbientCapabilities= ProtectSystem=strict ProtectHome=yes PrivateTmp=yes
PrivateDevices=yes DevicePolicy=closed PrivateNetwork=yes PrivateUsers=yes PrivateIPC=yes ProtectKernelTunables=yes
ProtectKernelModules=yes ProtectKernelLogs=yes ProtectControlGroups=yes ProtectClock=yes ProtectHostname=yes
ProtectProc=invisible ProcSubset=pid RestrictNamespaces=yes RestrictRealtime=yes RestrictSUIDSGID=yes LockPersonality=yes
MemoryDenyWriteExecute=yes KeyringMode=private RemoveIPC=yes UMask=0077 SystemCallArchitectures=native
SystemCallFilter=@system-service SystemCallFilter=~@privileged|@resources SystemCallErrorNumber=EPERM
RestrictAddressFamilies=AF_UNIX|AF_INET|AF_INET6 MemoryMax=256M MemorySwapMax=0 TasksMax=64 LimitCORE=0 LimitNOFILE=65536
LimitMEMLOCK=8M
""".split()


class Peer:
    """How one of them runs the suite, which cases make no sense there, and what it answers beside the usual refusals."""

    def __init__(self, title, command, without, refusal=None):
        self.title, self.command, self.without, self.refusal = title, command, OWN_PORT | without, refusal

    def outcomes(self, environment):
        return judged(attacks_of(run(self.command(environment)).splitlines(), self.title), self.without, self.refusal)


def podman(*options):
    def command(environment):
        return ["podman", "run", "--rm", "--network", "none", "--volume", f"{BUNDLE}:{BUNDLE}:ro", "--workdir", BUNDLE,
                *options, *pairs("--env", environment), "--rootfs", IMAGE, PROGRAM]
    return command


def bubblewrap(environment):
    # By an ordinary user, as it is meant to be.
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "bwrap", "--unshare-all", "--unshare-user",
            "--disable-userns", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "app", "--clearenv",
            *[word for name, value in environment.items() for word in ("--setenv", name, value)],
            "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
            "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
            "--ro-bind", BUNDLE, BUNDLE, "--chdir", BUNDLE, PROGRAM]


def systemd(environment):
    settings = [setting.replace("|", " ") for setting in UNIT]
    return ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", *pairs("--property", settings),
            *pairs("--setenv", environment), "--property", f"WorkingDirectory={BUNDLE}", PROGRAM]


def crun(environment):
    """With what `crun spec` writes, but for the program, its environment and its view."""
    bundle = SPACE / "crun"
    bundle.mkdir()
    subprocess.run(["crun", "spec"], cwd=bundle, check=True)
    config = json.loads((bundle / "config.json").read_text())
    config["root"]["path"] = str(IMAGE)
    config["process"].update(terminal=False, cwd=str(BUNDLE), args=[str(PROGRAM)])
    config["process"]["env"] += ["=".join(pair) for pair in environment.items()]
    config["mounts"].append({"destination": str(BUNDLE), "source": str(BUNDLE), "type": "bind", "options": ["bind", "ro"]})
    (bundle / "config.json").write_text(json.dumps(config))
    return ["crun", "run", "--bundle", bundle, "peers"]


def unconfined(environment):
    return ["env", "--chdir", BUNDLE, *["=".join(pair) for pair in environment.items()], PROGRAM]


PEERS = [
    Peer("podman, its defaults", podman(), IS_FIRST | OWN_DEVICES | OWN_FILES),
    Peer("podman, hardened", podman(
        "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--user", f"{NOBODY}:{NOBODY}",
        "--memory", "256m", "--pids-limit", "64", "--ulimit", "core=0", "--ulimit", "memlock=8388608"), IS_FIRST | OWN_DEVICES),
    Peer("crun, its own spec", crun, IS_FIRST | OWN_DEVICES),
    Peer("bubblewrap, hardened", bubblewrap, {}),
    # RestrictAddressFamilies= answers like a kernel that does not have the family.
    Peer("systemd-run, hardened", systemd, {}, "EAFNOSUPPORT"),
    Peer("nothing, as root", unconfined, {}),
]


def pairs(option, values):
    """The option before each value."""
    texts = ["=".join(pair) for pair in values.items()] if isinstance(values, dict) else values
    return [word for text in texts for word in (option, text)]


def run(command):
    """What a command prints that ends as the suite does: with 0, or with 1 when an attack succeeded."""
    done = subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=120 * SLOWNESS)
    if done.returncode not in (0, 1) or not done.stdout:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def attacks_of(lines, title):
    """What the suite reports, by case."""
    found = [json.loads(line) for line in lines if line.startswith("{")]
    if len(found) < 100:
        raise AssertionError(f"{title}: the suite reported {len(found)} cases only")
    return {attack["case"]: attack for attack in found}


def in_mini_paas(product, environment):
    """As an app of the platform, which sets PAAS_APP itself."""
    variables = pairs("-e", {name: value for name, value in environment.items() if name != "PAAS_APP"})
    product.paas("deploy", "./paas-attacks --serve", "--name", "attacks", "--source", BUNDLE, "--restart", "never", *variables,
                 timeout=240)
    return attacks_of([line["text"] for line in product.logs("attacks", "-n", "1000", "--stream", "stdout")], "Mini PaaS")


def prepare():
    BUNDLE.mkdir()
    shutil.copy(BINARIES / "paas-attacks", BUNDLE)
    for directory in ("app", "dev", "etc", "proc", "sys", "tmp", "usr/bin"):
        (IMAGE / directory).mkdir(parents=True)
    shutil.copy("/usr/bin/su", IMAGE / "usr/bin")
    # podman's usual driver needs a module of the kernel, and neither has anything to do for a root directory.
    Path("/etc/containers/storage.conf").write_text(
        '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n')


def judged(attacks, without, refusal=None):
    """By case: `stopped`; `reached`, when the kernel only found fault with arguments that are wrong on purpose; `done`; or the
    reason why none counts. `without`: such reasons, by case."""
    outcomes = {}
    for case, attack in attacks.items():
        succeeded = {"done": "done", refusal: "stopped"}.get(attack["seen"], "reached")
        outcome = {"stopped": "stopped", "succeeded": succeeded}.get(attack["outcome"])
        outcomes[case] = without.get(case) or outcome or attack["seen"]
    return outcomes


def table(areas, outcomes):
    """How many are stopped of those that count, by area, and what became of the others."""
    cells = [["", *dict.fromkeys(areas.values()), "all", "reached", "done"]]
    for title, by_case in outcomes.items():
        row = [title]
        for area in cells[0][1:-2]:
            counted = [what for case, what in by_case.items() if area in ("all", areas[case]) and what in JUDGED]
            row.append(f"{counted.count('stopped')} of {len(counted)}")
        cells.append(row + [str(list(by_case.values()).count(what)) for what in JUDGED[1:]])
    print("| " + " | ".join(cells[0]) + " |")
    print("|---|" + "--:|" * (len(cells[0]) - 1))
    for row in cells[1:]:
        print("| " + " | ".join(row) + " |")


def names(by_case, wanted):
    return " ".join(f"`{case}`" for case, what in by_case.items() if what == wanted) or "nothing"


def versions():
    for command in (["podman", "--version"], ["crun", "--version"], ["bwrap", "--version"], ["systemctl", "--version"]):
        yield run(command).splitlines()[0]


def all_outcomes():
    """By title, with areas of the cases; whoever cannot run the suite is left out and told."""
    product = Platform(directory="/srv")
    try:
        product.start()
        environment = {
            "PAAS_APP": "peers", "ATTACK_HOME": str(product.home), "ATTACK_CGROUP": str(product.cgroup.path),
            "ATTACK_API_PORT": str(product.api_port), "ATTACK_ROUTER_PORT": str(product.router_port),
        }
        ours = in_mini_paas(product, environment)
        outcomes = {OURS: judged(ours, {})}
        for peer in PEERS:
            try:
                outcomes[peer.title] = peer.outcomes(environment)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                print(f"left out: {peer.title}: {error}", flush=True)
    finally:
        for problem in product.tear_down():
            print(f"left over: {problem}", flush=True)
    return outcomes, {case: attack["area"] for case, attack in ours.items()}


def main():
    prepare()
    outcomes, areas = all_outcomes()
    print(f"Linux {machine.release()}; {'; '.join(versions())}; {len(areas)} cases\n")
    table(areas, outcomes)
    print()
    for title, by_case in outcomes.items():
        print(f"- {title}: done {names(by_case, 'done')}; reached {names(by_case, 'reached')}")
        for reason in sorted(set(by_case.values()) - set(JUDGED)):
            print(f"  - not counted, {reason}: {names(by_case, reason)}")
    return 0 if len(outcomes) == len(PEERS) + 1 else 1


if __name__ == "__main__":
    sys.exit(main())

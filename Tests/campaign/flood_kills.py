# SPDX-License-Identifier: Apache-2.0
"""Campaign `flood-kills`: SIGKILL to the agent at random moments while apps print as fast as they can."""

import random
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import verdicts
from harness.waiting import SLOWNESS
from stage import DIED, Stage

APP_SOURCE = Path(__file__).resolve().parent / "apps/flood"
TEAR_DOWN = "the platform did not end cleanly"
RESTARTED = "apps that did not survive the agent"


def add_options(parser):
    parser.add_argument("--rounds", type=int, default=20, help="kills of the agent (20)")
    parser.add_argument("--apps", type=int, default=2, help="apps that flood (2)")
    parser.add_argument("--compress", action="store_true", help="with log-compression, so that it is killed while it compresses too")


def run(options, findings):
    findings.expects(verdicts.LINES_LOST, verdicts.LINES_DOUBLED, verdicts.LINES_TORN, RESTARTED, DIED, TEAR_DOWN)
    stage = FloodStage(options.evidence)
    try:
        stage.start()
        names = [f"flood-{number}" for number in range(options.apps)]
        for name in names:
            # Nothing may go for want of space, or it could not be told from what was lost.
            more = ["--log-compression", "zstd"] if options.compress else []
            stage.paas("deploy", "--name", name, "--source", APP_SOURCE, "--log-size", "100G", *more)
        kill_often(stage, options, findings)
        for name in names:
            stage.paas("stop", name)
            judge(stage, stage.app(name), findings)
    finally:
        for problem in stage.tear_down():
            findings.violated(TEAR_DOWN, problem)


class FloodStage(Stage):
    def start_agent(self, wait=True, arguments=()):
        super().start_agent(wait, ["--log-total", "100G", *arguments])


def kill_often(stage, options, findings):
    dice = random.Random(options.seed)
    for number in range(1, options.rounds + 1):
        # In the midst of reading; every fourth time while it takes up what the one before left. The moment is the test.
        if number % 4:
            stage.wait_until_connected()
        time.sleep(dice.uniform(0, 0.5) * SLOWNESS)
        if not stage.agent.running:
            findings.violated(DIED, f"the agent ended with {stage.agent.process.returncode}:\n{stage.agent.log()[-2000:]}")
        stage.agent.kill()
        findings.count("kills of the agent")
        stage.start_agent(wait=False)
        findings.progress(number, options.rounds)
    stage.wait_until_connected()


def judge(stage, app, findings):
    """Holds the log of one app against what the app says that it printed."""
    if app["restarts"]:
        findings.violated(RESTARTED, f"{app['name']}: {app['restarts']} restarts")
    told = (stage.home / "agent/apps" / app["id"] / "data/printed").read_text(encoding="ascii").split()
    printed = {"stdout": int(told[0]), "stderr": int(told[1])}
    segments = segments_of(stage.home / "agent/logs" / app["id"])
    findings.count("segments", len(segments))
    findings.count("compressed segments", sum(path.suffix == ".zst" for path in segments))
    findings.count("log lines", verdicts.judge_numbering(app["name"], records(segments), printed, findings))
    findings.count("MiB of log", sum(path.stat().st_size for path in segments) >> 20)


def segments_of(directory):
    """One file for each segment, oldest first; where a kill has left it plain and compressed, the plain one counts."""
    found = {}
    for pattern in ("*.log.zst", "*.log"):
        found.update({path.name.split(".")[0]: path for path in directory.glob(pattern)})
    return [found[number] for number in sorted(found)]


@contextmanager
def opened(path):
    if path.suffix != ".zst":
        with path.open("rb") as file:
            yield file
        return
    with subprocess.Popen(["zstdcat", path], stdout=subprocess.PIPE) as reader:
        yield reader.stdout
    if reader.returncode:
        raise RuntimeError(f"zstdcat {path} ended with {reader.returncode}")


def records(segments):
    """Stream, mark and text of every record (docs/decisions/0002), oldest first."""
    for path in segments:
        with opened(path) as file:
            for line in file:
                fields = line.rstrip(b"\n").split(b" ", 5)
                if len(fields) == 6:
                    yield fields[1].decode(), fields[2].decode(), fields[5]
                else:
                    yield "stdout", "F", line

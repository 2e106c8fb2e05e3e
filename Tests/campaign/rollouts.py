# SPDX-License-Identifier: Apache-2.0
"""Campaign `rollouts`: deploys of changed sources, rollback, restart, scale and a changed environment, one after another, while wrk
asks, a stream of events is read, and a WebSocket is talked to."""

import random
import shutil
import tempfile
from pathlib import Path

from agent_kills import TEAR_DOWN
from stage import DIED, Stage
from upgrade import APP_SOURCE, BROKEN, FAILED, judge_load, load_from, streams_held
from upgrade import unavailable  # noqa: F401  The runner asks each campaign for it.

STALE = "answers of what was replaced"
WRONG = "apps that are not as they were asked to be"
APP = "front"

# How often of 12.
KINDS = {"deploy": 4, "env": 2, "restart": 2, "rollback": 2, "scale": 2}


def add_options(parser):
    parser.add_argument("--rounds", type=int, default=5, help="changes (5)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of changes (all)")
    parser.add_argument("--connections", type=int, default=16, help="of wrk (16)")
    parser.add_argument("--drain", default="10s", metavar="TIME",
                        help="for streams of what is replaced (10s); with 0s they are cut, which is a violation")


def run(options, findings):
    findings.expects(FAILED, BROKEN, STALE, WRONG, DIED, TEAR_DOWN)
    stage = Stage(options.evidence)
    try:
        stage.start()
        with tempfile.TemporaryDirectory() as directory:
            source = Path(directory, "app")
            shutil.copytree(APP_SOURCE, source)
            # Two, so that there is one to roll back to.
            for version in ("first", "second"):
                deploy(stage, source, version, "--drain", options.drain)
            with load_from(stage, options.connections) as load:
                play(stage, findings, options, source)
        judge_load(load.said, findings)
    finally:
        for problem in stage.tear_down():
            findings.violated(TEAR_DOWN, problem)


def deploy(stage, source, version, *options):
    """The sources change each time, and the app says which they are."""
    (source / "version").write_text(version)
    stage.paas("deploy", "--name", APP, "--source", source, *options)


def play(stage, findings, options, source):
    chance, instances = random.Random(options.seed), 1
    for number in range(1, options.rounds + 1):
        findings.context = f"change {number}: "
        kind = chance.choices(options.kinds, [KINDS[one] for one in options.kinds])[0]
        with streams_held(stage, findings, kind):
            before = who_answers(stage, instances)
            if kind == "scale":
                instances = 3 - instances
                stage.paas("scale", APP, instances)
            else:
                change(stage, kind, number, source)
                judge_answer(stage, before, kind, number, findings)
        app = stage.app(APP)
        if (app["status"], app["instancesReady"], app["restarts"]) != ("running", instances, 0):
            findings.violated(WRONG, f"after {kind}: {app['status']}, {app['instancesReady']} of {instances} instances, "
                                     f"{app['restarts']} restarts")
        findings.count(kind)
        findings.progress(number, options.rounds)
    findings.context = ""


def change(stage, kind, number, source):
    if kind == "deploy":
        deploy(stage, source, str(number))
    elif kind == "env":
        stage.paas("env", "set", APP, f"VERSION={number}")
    else:
        stage.paas(kind, APP)


def who_answers(stage, instances):
    """The births of the app's processes, one for each instance; the router takes them in turns."""
    births = set()
    for _ in range(50):
        births.add(stage.get(APP).text)
        if len(births) == instances:
            break
    return births


def judge_answer(stage, before, kind, number, findings):
    """`paas` has said that it is done, so nobody who asks now may get what was there before."""
    answers = {stage.get(APP).text for _ in range(4)}
    if answers & before:
        findings.violated(STALE, f"{kind}: {sorted(answers & before)} answers as before")
    if kind == "deploy" and {answer.split()[1] for answer in answers} != {str(number)}:
        findings.violated(STALE, f"deploy {number}: the answers are {sorted(answers)}")

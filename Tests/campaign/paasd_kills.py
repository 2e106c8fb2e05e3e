# SPDX-License-Identifier: Apache-2.0
"""Campaign `paasd-kills`: SIGKILL to paasd at random moments while clients write and apps crash."""

import random
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

import verdicts
from agent_kills import TEAR_DOWN
from ends import judge_reports, stop_all, wait_until_reported
from fleet import Fleet
from harness.waiting import SLOWNESS
from stage import DIED, LEAKS, Stage
from writers import LOST_WRITES, REFUSED, TWICE, Writer

DAMAGED = "integrity_check of the database"


def add_options(parser):
    parser.add_argument("--rounds", type=int, default=20, help="kills of paasd (20)")
    parser.add_argument("--apps", type=int, default=4, help="apps that crash meanwhile (4)")
    parser.add_argument("--writers", type=int, default=3, help="clients that write all the time (3)")


def run(options, findings):
    findings.expects(DAMAGED, LOST_WRITES, TWICE, REFUSED, DIED, LEAKS, *verdicts.ALL, TEAR_DOWN)
    stage = Stage(options.evidence)
    try:
        stage.start()
        play(stage, findings, options)
    finally:
        for problem in stage.tear_down():
            findings.violated(TEAR_DOWN, problem)


def play(stage, findings, options):
    dice = random.Random(options.seed)
    fleet = Fleet(stage, findings, random.Random(f"{options.seed}/fleet"), options.apps, roles=("crasher", "brief", "pair"))
    fleet.fill()
    writers = [Writer(stage, findings, random.Random(f"{options.seed}/{n}"), n) for n in range(options.writers)]
    try:
        for number in range(1, options.rounds + 1):
            # While it starts, or in the midst of its work. The random moment is the test itself.
            time.sleep(dice.uniform(*dice.choice([(0, 0.1), (0.05, 0.5), (0.3, 1.2)])) * SLOWNESS)
            kill(stage, findings)
            stage.start_paasd(wait=dice.random() < 0.7)
            findings.progress(number, options.rounds, f"{findings.figures.get('writes acknowledged', 0)} writes")
        stage.wait_for_paasd()
    finally:
        for writer in writers:
            writer.leave()
    stage.wait_until_connected()
    fleet.calm_down()
    stop_all(stage, fleet, findings)
    wait_until_reported(stage, findings)
    for writer in writers:
        writer.look_at_all()
        writer.look_at_events(stage.history.events)
    judge_reports(stage, fleet, findings)


def kill(stage, findings):
    if not stage.paasd.running:
        findings.violated(DIED, f"paasd ended with {stage.paasd.process.returncode}:\n{stage.paasd.log()[-2000:]}")
    stage.paasd.kill()
    findings.count("kills of paasd")
    result = integrity(stage.home / "paasd")
    if result != "ok":
        findings.violated(DAMAGED, result)


def integrity(directory):
    """What SQLite says of a copy: the next paasd must itself recover what this one left."""
    with tempfile.TemporaryDirectory(prefix="paas-campaign-") as place:
        for name in ("paas.db", "paas.db-wal"):
            if (directory / name).exists():
                shutil.copy(directory / name, Path(place) / name)
        if not (Path(place) / "paas.db").exists():
            return "ok"  # Killed before it had made one.
        database = sqlite3.connect(Path(place) / "paas.db")
        try:
            return "; ".join(row[0] for row in database.execute("PRAGMA integrity_check"))
        except sqlite3.Error as error:
            return str(error)
        finally:
            database.close()

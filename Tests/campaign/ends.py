# SPDX-License-Identifier: Apache-2.0
"""The end of a campaign with apps: stop them, wait until everything is told, and judge it."""

import verdicts
from evidence import numbered_lines
from harness.waiting import Deadline
from stage import LEAKS, nanoseconds

LOST_APPS = "apps that do not run although they should"


def stop_all(stage, fleet, findings):
    for app in fleet.present:
        app.evidence.hold()
        fleet.ask("POST", f"/apps/{app.name}/stop")
    for app in fleet.present:
        try:
            stage.wait_for_app(app.name, lambda one: one["status"] in ("stopped", "failed"), "the stop", seconds=60)
        except AssertionError as error:
            findings.violated(LOST_APPS, str(error))
    wait_for_destroyed(stage, fleet)


def wait_for_destroyed(stage, fleet):
    """The instances of destroyed apps are removed: a deaf one takes its grace, and again with each agent that takes it over."""
    destroyed = {app.id for app in fleet.apps if app.destroyed}
    deadline = Deadline(30)
    with stage.tap.changed:
        while not deadline.passed:
            removed = {report["status"]["instanceID"] for report in stage.tap.reports.values() if report["status"]["state"] == "removed"}
            # One that no agent ever wrote down is never reported; nothing of it has run.
            if all(instance in removed for instance, (app_id, *_) in stage.tap.assignments.items() if app_id in destroyed):
                return
            stage.tap.changed.wait(0.2)


def wait_until_reported(stage, findings):
    """The outbox is empty, and the history has told all that it has."""
    outbox, deadline = stage.home / "agent/outbox", Deadline(60)
    with stage.tap.changed:
        while any(outbox.glob("*.json")) and not deadline.passed:
            # The acknowledgement comes after the report that the tap tells of.
            stage.tap.changed.wait(0.2)
    if deadline.passed:
        findings.violated(LEAKS, f"reports wait in the outbox: {len(list(outbox.glob('*.json')))}")
    last = stage.api.get("/events?limit=1")[-1]["id"]
    stage.history.wait_for(lambda events: events and events[-1]["id"] >= last, "the end of the history")


def judge_reports(stage, fleet, findings, lines=True):
    """Everything that can be said of runs, ends, events and, unless told otherwise, lines. Call it after `stop_all` and
    `wait_until_reported`. Returns the ends that were reported."""
    reports = stage.tap.in_order()
    for sequence in stage.tap.conflicts:
        findings.violated(verdicts.REPORTS, f"report {sequence}")
    ends = verdicts.reported_ends(reports, nanoseconds, findings)
    findings.count("reports", len(reports))
    findings.count("ends reported", len(ends))
    findings.count("ends that could not be learned", sum(end.end == "unknown" for end in ends))
    findings.count("starts that failed", sum(end.end == "not started" for end in ends))
    agents_own = [event for event in stage.history.events if event.get("instance")]
    places = {instance: place for instance, (_, *place) in stage.tap.assignments.items()}
    verdicts.judge_events(ends, places, agents_own, findings)
    verdicts.judge_delivery(reports, ends, agents_own, findings)
    for app in fleet.apps:
        judge_app(stage, fleet, app, ends, findings)
        if lines:
            judge_log(fleet, app, findings)
        app.evidence.release()
    return ends


def judge_app(stage, fleet, app, ends, findings):
    app.evidence.hold()
    runs = fleet.runs(app)
    findings.count("runs begun", len(runs))
    places = {}  # (slot, release): ids of the instances that had it.
    for instance, (app_id, _, slot, release) in stage.tap.assignments.items():
        if app_id == app.id:
            places.setdefault((slot, release), set()).add(instance)
    for place in places.keys() | {(run.slot, run.release) for run in runs}:
        own = [run for run in runs if (run.slot, run.release) == place]
        instances = places.get(place, set())
        verdicts.judge_ends(app.name, own, [end for end in ends if end.instance in instances], findings)
        if len(instances) == 1:
            verdicts.judge_overlap(app.name, own, findings)


def judge_log(fleet, app, findings):
    lines, torn = numbered_lines(app.evidence.log())
    findings.count("log lines", sum(map(len, lines.values())))
    verdicts.judge_lines(app.name, fleet.runs(app), lines, torn, findings)

# SPDX-License-Identifier: Apache-2.0
"""Compares what the apps wrote down with what the agent reported, what the control plane tells, and what the log holds.

Pure: lists in, findings out; test_verdicts.py shows each verdict red.
"""

from collections import Counter
from dataclasses import dataclass

LOST = "ends that were not reported"
WRONG = "ends with a wrong code or signal"
INVENTED = "reported ends that no app had"
CHANGED = "ends that were told in two ways"
EVENTS = "ends without exactly one event"
DELIVERED = "events lost or doubled by the control plane"
OVERLAP = "two runs of one instance at a time"
LINES_LOST = "log lines lost"
LINES_DOUBLED = "log lines doubled"
LINES_TORN = "log lines torn"
REPORTS = "reports with one sequence and two contents"
NOT_STARTED = "starts that failed although nothing was refused"

ALL = (LOST, WRONG, INVENTED, CHANGED, EVENTS, DELIVERED, OVERLAP, LINES_LOST, LINES_DOUBLED, LINES_TORN, REPORTS)

# States that an end leads to; each has its event, whose message is the sentence of the report.
END_EVENTS = ("exited", "stopped", "failed", "restarting", "starting")
ASKED = ("signal:15", "signal:9")
NUMBERS = {"SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGILL": 4, "SIGTRAP": 5, "SIGABRT": 6, "SIGBUS": 7, "SIGFPE": 8,
           "SIGKILL": 9, "SIGUSR1": 10, "SIGSEGV": 11, "SIGUSR2": 12, "SIGPIPE": 13, "SIGALRM": 14, "SIGTERM": 15,
           "SIGXCPU": 24, "SIGXFSZ": 25, "SIGSYS": 31}


@dataclass
class Reported:
    """One end as the agent reported it."""

    instance: str
    at: int  # Nanoseconds of the wall clock.
    end: str  # As in a journal, or `unknown`, or `not started`.
    requested: bool
    reason: str


def end_of(exit_report):
    """The end of an exit report in a journal's words."""
    if exit_report.get("startFailure"):
        return "not started"
    if exit_report.get("code") is not None:
        return f"code:{exit_report['code']}"
    name = exit_report.get("signal")
    if name is None:
        return "unknown"
    return f"signal:{NUMBERS[name] if name in NUMBERS else name.split()[-1]}"


def reported_ends(reports, nanoseconds, findings):
    """Every end of every instance, oldest first. `nanoseconds` reads a timestamp."""
    found = {}
    for report in reports:
        status = report["status"]
        last = status.get("lastExit")
        if not last:
            continue
        one = Reported(
            status["instanceID"], nanoseconds(last["at"]), end_of(last), bool(last.get("requested")), last["reason"])
        known = found.setdefault((one.instance, one.at), one)
        if (known.end, known.requested) != (one.end, one.requested):
            findings.violated(CHANGED, f"{one.instance}: first '{known.reason}', then '{one.reason}'")
    return sorted(found.values(), key=lambda one: one.at)


def judge_ends(app, runs, ends, findings):
    """Holds the runs of one app in one slot and release against the ends that were reported for it.

    A report names no run, so each run takes the nearest end that fits it: first those that said how they would end, then
    those that were killed, then those that never came to say anything.
    """
    left = [end for end in ends if end.end != "not started"]

    def take(run, fits):
        fitting = [end for end in left if fits(end)]
        if not fitting:
            return False
        # Wall clocks of one machine: an end comes after the moment, but for the milliseconds that a report shows.
        best = min(fitting, key=lambda end: (end.at < run.moment - 1_000_000, abs(end.at - run.moment)))
        left.remove(best)
        return True

    killed = lambda end: end.end == "signal:9"
    asked = lambda end: end.requested and end.end in ASKED
    passes = (
        lambda run: run.end and take(run, lambda end: end.end == run.end),
        lambda run: "app" in run.kills and take(run, killed),
        # Without paas-init's record nobody but its parent knows how it ended, and on an old kernel that is nobody.
        lambda run: "init" in run.kills and take(run, lambda end: killed(end) or end.end == "unknown"),
        lambda run: take(run, asked),
    )
    waiting = sorted(runs, key=lambda run: run.moment)
    for attempt in passes:
        waiting = [run for run in waiting if not attempt(run)]
    # An app that was stopped before its first line has a report and no journal.
    left = [end for end in left if not asked(end)]
    for run in waiting:
        said = run.end or ("killed by the campaign" if run.kills else "nothing")
        who = f"{app} {run.slot} {run.release} run {run.token}: the app wrote '{said}'"
        near = min(left, key=lambda end: abs(end.at - run.moment), default=None)
        if near is None:
            findings.violated(LOST, f"{who}, and no report is left for it")
        else:
            left.remove(near)
            findings.violated(WRONG, f"{who}, the report says '{near.reason}'")
    for end in left:
        findings.violated(INVENTED, f"{app} {end.instance}: '{end.reason}'")


def judge_starts(ends, findings):
    """For a campaign that refuses nothing: every start came to a process."""
    for end in ends:
        if end.end == "not started":
            findings.violated(NOT_STARTED, f"{end.instance}: '{end.reason}'")


def judge_overlap(app, runs, findings):
    """For a slot and release that one instance alone had: a run begins after the one before has ended."""
    ordered = sorted(runs, key=lambda run: run.began)
    for before, after in zip(ordered, ordered[1:]):
        if before.ended and before.ended > after.began:
            findings.violated(OVERLAP, f"{app} {after.slot} {after.release}: {before.token} and {after.token}")


def judge_events(ends, places, delivered, findings):
    """Every end has one event in the history. Two ends may have the same sentence. `places`: (app, slot, release) of
    every instance."""
    def place(event):
        return event.get("app"), event.get("instance"), event.get("release"), event["message"]

    told = Counter(place(event) for event in delivered if event["kind"] in END_EVENTS)
    for key, times in Counter((*places[end.instance], end.reason) for end in ends).items():
        if told[key] != times:
            findings.violated(EVENTS, f"{' '.join(key[:3])}: '{key[3]}': {times} ends, {told[key]} events")


def judge_delivery(reports, ends, delivered, findings):
    """The history holds every event of the agent once. `delivered`: the history's events.

    An agent that died between telling an end and writing that it has told it is followed by one that tells it again; then
    one of the two events is enough, and `judge_events` has counted it.
    """
    def key(event):
        return tuple(event.get(name) for name in ("kind", "app", "instance", "release", "message", "time"))

    got = Counter(map(key, delivered))
    whenever = {event[:-1] for event in got}
    reasons = {end.reason for end in ends}
    # An instance and the one that takes its place have one slot and release, and may stop in the same millisecond.
    told = {(report["status"]["instanceID"], report["sequence"]): report["events"] for report in reports}
    sent = Counter(key(event) for events in told.values() for event in events)
    for event, times in sent.items():
        told_again = event[4] in reasons and event[:-1] in whenever
        if got[event] > times or got[event] < times and not told_again:
            findings.violated(DELIVERED, f"{got[event]} times in the history: {event}")


def judge_lines(app, runs, lines, torn, findings):
    """Every line that an app printed stands in its log once. `lines` and `torn` as from `evidence.numbered_lines`."""
    for run in runs:
        for stream, letter in enumerate("oe"):
            numbers = Counter(lines.get((run.token, letter), ()))
            last = run.printed[stream] if run.printed else max(numbers, default=0)
            missing = [number for number in range(1, last + 1) if number not in numbers]
            doubled = [number for number, times in numbers.items() if times > 1]
            where = f"{app} {run.slot} {run.release} run {run.token} {'stdout' if letter == 'o' else 'stderr'}"
            if missing:
                findings.violated(LINES_LOST, f"{where}: {spans(missing)} of {last}; it ended with {run.end}")
            if doubled:
                findings.violated(LINES_DOUBLED, f"{where}: {spans(sorted(doubled))} of {last}")
    for text in torn:
        findings.violated(LINES_TORN, f"{app}: {text[:60]!r}… ({len(text)} bytes)")


def judge_numbering(app, records, printed, findings):
    """The lines of one run in the order of its log, numbered from 1 in each stream: `NUMBER padding.`

    `records`: stream, mark and text (bytes) of each record; `printed`: lines by stream. Returns how many were right.
    Reads as it goes: a flood has more lines than memory.
    """
    expected, parts, right = dict.fromkeys(printed, 1), {}, 0
    for stream, mark, text in records:
        if stream not in expected:
            continue
        text = parts.pop(stream, b"") + text
        if mark == "P":
            parts[stream] = text
            continue
        number = text.split(b" ", 1)[0]
        if not (number.isdigit() and text.endswith(b"x.")):
            findings.violated(LINES_TORN, f"{app} {stream}: {text[:60]!r}… ({len(text)} bytes)")
            continue
        number = int(number)
        if number < expected[stream]:
            findings.violated(LINES_DOUBLED, f"{app} {stream}: {number} behind {expected[stream] - 1}")
            continue
        if number > expected[stream]:
            findings.violated(LINES_LOST, f"{app} {stream}: {spans(range(expected[stream], number))} of {printed[stream]}")
        expected[stream] = number + 1
        right += 1
    for stream, last in printed.items():
        if expected[stream] != last + 1:
            findings.violated(LINES_LOST, f"{app} {stream}: its log ends with {expected[stream] - 1}, it printed {last}")
        if stream in parts:
            findings.violated(LINES_TORN, f"{app} {stream}: a part without its end")
    return right


def spans(numbers):
    """`[1, 2, 3, 7]` as `1-3, 7`, cut after five."""
    found = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in found]
    return ", ".join(texts[:5]) + (", …" if len(texts) > 5 else "")

# SPDX-License-Identifier: Apache-2.0
"""The campaigns' own eyes: each verdict is silent about what is right and speaks about the one thing that is wrong."""

import io
import os
import tempfile
import time
import unittest
from pathlib import Path

import verdicts
from evidence import Evidence, RunTold, numbered_lines
from findings import Findings
from harness.waiting import Deadline
from tap import Scanner
from verdicts import Reported

MS = 1_000_000


def run(token="aaaaaaaaaaaa", end="code:3", began=100, ended=200, printed=(2, 1), kills=()):
    return RunTold(token, "web.1", "v1", began * MS, ended and ended * MS, end, printed, list(kills))


def reported(end="code:3", at=201, requested=False, reason="exited with code 3 after 100 ms"):
    return Reported("i-1", at * MS, end, requested, reason)


class VerdictCase(unittest.TestCase):
    def setUp(self):
        self.findings = Findings(out=io.StringIO())

    def assert_found(self, *invariants):
        found = [name for name, sentences in self.findings.violations.items() for _ in sentences]
        self.assertEqual(sorted(found), sorted(invariants), self.findings.violations)


class EndTests(VerdictCase):
    def judge(self, runs, ends):
        verdicts.judge_ends("app", runs, ends, self.findings)

    def test_right_end_is_no_violation(self):
        self.judge([run()], [reported()])
        self.assert_found()

    def test_missing_report_is_found(self):
        self.judge([run(), run("b" * 12, ended=400)], [reported()])
        self.assert_found(verdicts.LOST)

    def test_wrong_code_is_found(self):
        self.judge([run()], [reported("code:4")])
        self.assert_found(verdicts.WRONG)

    def test_exit_137_is_not_sigkill(self):
        self.judge([run(end="code:137")], [reported("signal:9")])
        self.assert_found(verdicts.WRONG)

    def test_made_up_end_is_found(self):
        self.judge([run()], [reported(), reported("code:0", at=300)])
        self.assert_found(verdicts.INVENTED)

    def test_kill_from_outside_is_sigkill(self):
        killed = run(end=None, ended=None, printed=None, kills=["app"])
        self.judge([killed], [reported("signal:9")])
        self.assert_found()
        self.judge([killed], [reported("code:0")])
        self.assert_found(verdicts.WRONG)

    def test_killed_run_takes_the_end_that_came_after_its_kill(self):
        """A stop of another instance in the same slot and release, which ends by the same signal, used to be taken for it."""
        killed = run("b" * 12, end=None, ended=None, printed=None, began=150, kills=["app"])
        killed.killed = 400 * MS
        stopped = run(end=None, ended=None, printed=None)
        self.judge([stopped, killed], [reported("signal:9", at=201, requested=True), reported("signal:9", at=401)])
        self.assert_found()

    def test_unknown_end_is_allowed_only_when_paas_init_was_killed(self):
        self.judge([run(end=None, ended=None, kills=["init"])], [reported("unknown")])
        self.assert_found()
        self.judge([run()], [reported("unknown")])
        self.assert_found(verdicts.WRONG)

    def test_grace_that_ran_out_is_allowed_and_an_unasked_kill_is_not(self):
        self.judge([run()], [reported("signal:9", requested=True)])
        self.assert_found()
        self.judge([run()], [reported("signal:9")])
        self.assert_found(verdicts.WRONG)

    def test_app_that_was_stopped_before_its_first_line_needs_no_journal(self):
        self.judge([], [reported("signal:15", requested=True)])
        self.assert_found()
        self.judge([], [reported("signal:15")])
        self.assert_found(verdicts.INVENTED)

    def test_start_that_failed_is_no_run_and_is_found_where_nothing_was_refused(self):
        ends = [reported("not started")]
        self.judge([], ends)
        self.assert_found()
        verdicts.judge_starts(ends, self.findings)
        self.assert_found(verdicts.NOT_STARTED)

    def test_two_runs_at_a_time_are_found(self):
        verdicts.judge_overlap("app", [run(), run("b" * 12, began=201, ended=300)], self.findings)
        self.assert_found()
        verdicts.judge_overlap("app", [run(), run("b" * 12, began=199, ended=300)], self.findings)
        self.assert_found(verdicts.OVERLAP)


class ReportTests(VerdictCase):
    reason = "exited with code 3 after 100 ms"

    def event(self, time="t", message=reason):
        return {"time": time, "kind": "exited", "app": "x", "instance": "web.1", "release": "v1", "message": message}

    def report(self, sequence=1, code=3, events=()):
        return {
            "sequence": sequence, "events": list(events),
            "status": {"instanceID": "i-1", "lastExit": {"code": code, "at": "201", "reason": self.reason}},
        }

    def ends(self, *reports):
        return verdicts.reported_ends(reports, lambda text: int(text) * MS, self.findings)

    def test_end_that_later_reports_repeat_is_one_end(self):
        self.assertEqual(len(self.ends(self.report(), self.report(2))), 1)
        self.assert_found()

    def test_end_that_changes_is_found(self):
        self.ends(self.report(), self.report(2, code=4))
        self.assert_found(verdicts.CHANGED)

    def test_end_without_an_event_and_end_with_two_are_found(self):
        places = {"i-1": ("x", "web.1", "v1")}
        verdicts.judge_events([reported()], places, [self.event()], self.findings)
        self.assert_found()
        verdicts.judge_events([reported()], places, [], self.findings)
        self.assert_found(verdicts.EVENTS)
        verdicts.judge_events([reported()], places, [self.event(), self.event("u")], self.findings)
        self.assert_found(verdicts.EVENTS, verdicts.EVENTS)

    def test_event_that_the_control_plane_lost_or_doubled_is_found(self):
        sent = [self.report(events=[self.event()])]
        verdicts.judge_delivery(sent, [], [{"id": 7, **self.event()}], self.findings)
        self.assert_found()
        verdicts.judge_delivery(sent, [], [], self.findings)
        verdicts.judge_delivery(sent, [], [self.event(), self.event()], self.findings)
        self.assert_found(verdicts.DELIVERED, verdicts.DELIVERED)

    def test_end_that_was_told_again_may_be_kept_once(self):
        sent = [self.report(events=[self.event("t"), self.event("u")])]
        verdicts.judge_delivery(sent, [reported()], [self.event("t")], self.findings)
        self.assert_found()
        other = [self.report(events=[self.event("t", "ready"), self.event("u", "ready")])]
        verdicts.judge_delivery(other, [reported()], [self.event("t", "ready")], self.findings)
        self.assert_found(verdicts.DELIVERED)

    def test_signal_names_are_read_as_numbers(self):
        for name, number in (("SIGSEGV", 11), ("signal 40", 40)):
            self.assertEqual(verdicts.end_of({"code": None, "signal": name}), f"signal:{number}")
        self.assertEqual(verdicts.end_of({"code": None, "signal": None}), "unknown")


class NumberingTests(VerdictCase):
    GOOD = (("stdout", "F", b"1 xx."), ("stderr", "F", b"1 xx."), ("system", "F", b"ready"), ("stdout", "P", b"2 x"),
            ("stdout", "F", b"x."), ("stdout", "F", b"3 xx."))

    def judge(self, *records):
        return verdicts.judge_numbering("app", records, {"stdout": 3, "stderr": 1}, self.findings)

    def test_every_line_once_is_no_violation(self):
        self.assertEqual(self.judge(*self.GOOD), 4)
        self.assert_found()

    def test_gap_is_found(self):
        self.judge(*self.GOOD[:3], self.GOOD[5])
        self.assert_found(verdicts.LINES_LOST)

    def test_missing_end_is_found(self):
        self.judge(*self.GOOD[:5])
        self.assert_found(verdicts.LINES_LOST)

    def test_repetition_is_found(self):
        self.judge(*self.GOOD[:5], *self.GOOD[3:])
        self.assert_found(verdicts.LINES_DOUBLED)

    def test_torn_line_is_found_and_the_number_missed(self):
        self.judge(*self.GOOD[:5], ("stdout", "F", b"3 x"))
        self.assert_found(verdicts.LINES_TORN, verdicts.LINES_LOST)

    def test_part_without_its_end_is_found(self):
        self.judge(*self.GOOD, ("stderr", "P", b"2 x"))
        self.assert_found(verdicts.LINES_TORN)


class LineTests(VerdictCase):
    def judge(self, *texts, marks=None):
        records = [["t", "stderr" if " e " in text else "stdout", mark, "web.1", "v1", text]
                   for text, mark in zip(texts, marks or "F" * len(texts))]
        verdicts.judge_lines("app", [run()], *numbered_lines(records), self.findings)

    whole = ("aaaaaaaaaaaa o 1 xx.", "aaaaaaaaaaaa e 1 .", "aaaaaaaaaaaa o 2 x.")

    def test_all_lines_are_there(self):
        self.judge(*self.whole)
        self.assert_found()

    def test_line_in_two_parts_is_one_line(self):
        self.judge(self.whole[0][:9], self.whole[0][9:], *self.whole[1:], marks="PFFF")
        self.assert_found()

    def test_missing_line_is_found_also_at_the_end(self):
        self.judge(*self.whole[:2])
        self.assert_found(verdicts.LINES_LOST)

    def test_doubled_line_is_found(self):
        self.judge(*self.whole, self.whole[0])
        self.assert_found(verdicts.LINES_DOUBLED)

    def test_torn_line_is_found_and_lost(self):
        self.judge(self.whole[0][:15], *self.whole[1:])
        self.assert_found(verdicts.LINES_LOST, verdicts.LINES_TORN)


class EvidenceTests(unittest.TestCase):
    def test_journal_and_log_can_be_read_after_the_platform_removed_them(self):
        with tempfile.TemporaryDirectory() as directory:
            home = Path(directory)
            journal, log = home / "agent/apps/a/data/journal", home / "agent/logs/a/00000001.log"
            evidence = Evidence(home, "a", "app")
            self.assertFalse(evidence.hold())
            for path in (journal, log):
                path.parent.mkdir(parents=True)
            journal.write_text("begin aaaaaaaaaaaa web.1 v1 5\n")
            log.write_text("2026-01-02T03:04:05.678901Z stdout F web.1 v1 a text\n")
            self.assertTrue(evidence.hold())
            with journal.open("a") as file:
                file.write("end aaaaaaaaaaaa signal:11 2 1 9\n")
            os.remove(journal)
            os.remove(log)
            (told,) = evidence.runs().values()
            self.assertEqual((told.end, told.printed, told.began, told.ended), ("signal:11", (2, 1), 5, 9))
            (record,) = evidence.log()
            self.assertEqual(record[1:], ["stdout", "F", "web.1", "v1", "a text"])
            evidence.release()

    def test_segment_that_comes_while_the_app_is_destroyed_is_held_too(self):
        with tempfile.TemporaryDirectory() as directory:
            home = Path(directory)
            journal, log = home / "agent/apps/a/data/journal", home / "agent/logs/a/00000001.log"
            for path in (journal, log):
                path.parent.mkdir(parents=True)
            journal.write_text("begin aaaaaaaaaaaa web.1 v1 5\n")
            evidence = Evidence(home, "a", "app")
            self.assertTrue(evidence.hold())
            evidence.hold_to_the_end()
            log.write_text("2026-01-02T03:04:05.678901Z stdout F web.1 v1 last\n")
            deadline = Deadline(10)
            while log.name not in evidence._segments and not deadline.passed:
                time.sleep(0.005)
            for path in (journal, log):
                os.remove(path)
                os.rmdir(path.parent)
            evidence.hold()
            (record,) = evidence.log()
            self.assertEqual(record[-1], "last")
            evidence.release()


class ScannerTests(unittest.TestCase):
    def test_messages_are_found_however_they_are_cut(self):
        stream = (
            b"PUT /nodes HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
            b"GET /x HTTP/1.1\r\n\r\n"
            b"POST /reports HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
            b"POST /again HTTP/1.1\r\ncontent-length: 1\r\n\r\ng")
        for size in (1, 2, 3, 7, 50, len(stream)):
            bodies = {}
            scanner = Scanner(lambda line, piece, _: bodies.__setitem__(line, bodies.get(line, b"") + piece))
            for at in range(0, len(stream), size):
                scanner.feed(stream[at : at + size])
            self.assertEqual(
                {line.split()[1]: body for line, body in bodies.items()},
                {"/nodes": b"abc", "/reports": b"def", "/again": b"g"})

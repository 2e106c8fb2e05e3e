# SPDX-License-Identifier: Apache-2.0
"""Logs: both streams, in order, as they were written."""

import base64
import json
import shutil
import signal
import subprocess
from urllib.parse import quote

from harness.case import OwnPlatformCase, SharedPlatformCase
from harness.waiting import Deadline


def numbers(lines, run):
    """Numbers of the lines that /flood printed, in the order in which they are shown."""
    return [int(line["text"].split()[1]) for line in lines if line["text"].startswith(f"{run} ")]


class LogTests(SharedPlatformCase):
    def say(self, name, text, stream="stdout"):
        self.assertEqual(self.platform.get(name, f"/log?stream={stream}&text={quote(text)}").status, 200)

    def test_lines_come_in_order_with_stream_instance_and_release(self):
        self.platform.deploy_probe("order")
        self.say("order", "first")
        self.say("order", "second", "stderr")
        self.say("order", "third")
        lines = self.platform.logs("order")
        # Order is kept within a stream; two streams are two pipes, and which is read first is the agent's choice.
        said = ("first", "second", "third")
        self.assertEqual(
            [line["text"] for line in lines if line["stream"] == "stdout" and line["text"] in said], ["first", "third"])
        self.assertTrue(all(line["instance"] == "web.1" and line["release"] == "v1" for line in lines))
        self.assertTrue(any(line["stream"] == "system" for line in lines))
        only = self.platform.logs("order", "--stream", "stderr")
        self.assertEqual([line["text"] for line in only], ["second"])

    def test_number_of_lines_is_kept(self):
        self.platform.deploy_probe("many")
        for number in range(10):
            self.say("many", f"line {number}")
        texts = [line["text"] for line in self.platform.logs("many", "-n", "3")]
        self.assertEqual(texts, ["line 7", "line 8", "line 9"])

    def test_text_form_names_app_and_instance(self):
        self.platform.deploy_probe("form")
        self.say("form", "hello there")
        self.assertRegex(
            self.platform.paas("logs", "form").out,
            r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z app\[web\.1\]: hello there$")
        self.assertRegex(self.platform.paas("logs", "form").out, r"(?m)Z paas\[web\.1\]: ")

    def test_follow_shows_a_new_line_and_ends_on_sigint(self):
        self.platform.deploy_probe("tail")
        process, lines = self.platform.paas_in_background("logs", "tail", "-f")
        try:
            lines.until(lambda line: "probe: serving" in line, 20, "the old line")
            self.say("tail", "something new")
            lines.until(lambda line: "app[web.1]: something new" in line, 20, "the new line")
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def test_control_characters_are_stored_raw_and_escaped_in_json(self):
        self.platform.deploy_probe("escape")
        text = "\x1b[31mred\x1b[0m \x07 bell"
        self.say("escape", text)
        self.assertIn(text, [line["text"] for line in self.platform.logs("escape")])
        raw = self.platform.paas("logs", "escape", "--json").out
        self.assertNotIn("\x1b", raw)
        self.assertIn(json.dumps("\x1b")[1:-1].lower(), raw.lower())

    def test_long_line_arrives_whole_or_in_marked_parts(self):
        self.platform.deploy_probe("long")
        self.assertEqual(self.platform.get("long", "/say", method="POST", body=b"x" * 40_000).status, 200)
        parts = [line["text"] for line in self.platform.logs("long") if set(line["text"]) == {"x"}]
        self.assertEqual(sum(map(len, parts)), 40_000)

    def flooded(self, name, last, run="flood"):
        """The lines of an app, once it has printed its last one."""
        deadline = Deadline(60)
        while True:
            lines = self.platform.logs(name, "--since", "1h")
            if numbers(lines, run)[-1:] == [last]:
                return lines
            self.assertFalse(deadline.passed, f"{name}: line {last} is not there; last: {lines[-3:]}")

    def test_since_without_a_number_gives_every_line(self):
        self.platform.deploy_probe("all")
        self.platform.get("all", "/flood?lines=12000")
        self.assertEqual(numbers(self.flooded("all", 12_000), "flood"), list(range(1, 12_001)))
        self.assertEqual(len(self.platform.logs("all", "-n", "5000", "--since", "1h")), 5_000)

    def test_grep_finds_lines_at_the_server_and_says_what_is_wrong(self):
        self.platform.deploy_probe("grep")
        for text in ("one timeout", "nothing", "two TIMEOUTS"):
            self.say("grep", text)
        found = self.platform.logs("grep", "--grep", "(?i)time.?out", "--stream", "stdout")
        self.assertEqual([line["text"] for line in found], ["one timeout", "two TIMEOUTS"])
        self.assertEqual(len(self.platform.logs("grep", "--grep", "timeout|TIME", "-n", "1")), 1)
        self.assertIn("missing closing parenthesis", self.platform.paas("logs", "grep", "--grep", "(", expect=64).err)
        self.say("grep", "a" * 60 + "!")
        bomb = self.platform.paas("logs", "grep", "--grep", "^(a+)+$", expect=64)
        self.assertIn("needs too many steps", bomb.err)

    def test_raw_gives_every_byte(self):
        self.platform.deploy_probe("raw")
        body = b"\xff\xfe \x1b[31m\x00 end \xc3\xa4"
        self.assertEqual(self.platform.get("raw", "/say", method="POST", body=body).status, 200)
        self.assertIn("\ufffd", self.platform.logs("raw", "--grep", "end")[0]["text"])
        # The harness decodes what the CLI prints, so the bytes are compared in base64.
        line = self.platform.logs("raw", "--raw", "--grep", "end")[0]
        self.assertEqual(line["bytes"], base64.b64encode(body).decode())
        self.assertEqual(self.platform.paas("logs", "raw", "--raw", "--grep", "end").out.count("\ufffd"), 2)

    def test_lines_above_the_rate_are_dropped_and_counted(self):
        self.platform.deploy_probe("drop", "--log-flood", "drop", "--log-rate", "64K")
        self.platform.get("drop", "/flood?lines=20000&padding=80")
        deadline = Deadline(60)
        while True:
            log = self.platform.paas("inspect", "drop", "--json").json["instances"][0]["log"]
            kept = numbers(self.platform.logs("drop", "--since", "1h"), "flood")
            if len(kept) + log["droppedLines"] == 20_000:
                break
            self.assertFalse(deadline.passed, f"{len(kept)} kept, {log}")
        self.assertGreater(log["droppedLines"], 10_000)
        self.assertEqual((log["flood"], log["rateBytesPerSecond"]), ("drop", 65_536))
        self.assertEqual(kept, sorted(set(kept)))
        events = self.platform.api.get("/apps/drop/events")
        self.assertEqual(len([event for event in events if "lines are dropped" in event["message"]]), 1)
        self.platform.paas("stop", "drop")
        notices = [line["text"] for line in self.platform.logs("drop", "--stream", "system") if "dropped" in line["text"]]
        self.assertEqual(sum(int(text.split()[0]) for text in notices), log["droppedLines"])
        self.assertIn("were dropped", self.platform.paas("inspect", "drop").out + notices[0])

    def test_app_that_must_wait_loses_nothing(self):
        self.platform.deploy_probe("wait", "--log-rate", "256K")
        self.platform.get("wait", "/flood?lines=6000&padding=100")
        self.assertEqual(numbers(self.flooded("wait", 6_000), "flood"), list(range(1, 6_001)))

    def test_log_keeps_its_size_and_the_newest_lines(self):
        self.platform.deploy_probe("small", "--log-size", "1M")
        self.platform.get("small", "/flood?lines=30000&padding=100")
        kept = numbers(self.flooded("small", 30_000), "flood")
        self.assertEqual(kept, list(range(kept[0], 30_001)))
        self.assertGreater(len(kept), 4_000)
        files = list((self.platform.home / "agent/logs" / self.platform.app("small")["id"]).glob("*.log"))
        self.assertLessEqual(sum(file.stat().st_size for file in files), 1 << 20)

    def test_compressed_log_keeps_more_lines_and_finds_the_same(self):
        self.platform.deploy_probe("packed", "--log-size", "1M", "--log-compression", "zstd")
        directory = self.platform.home / "agent/logs" / self.platform.app("packed")["id"]
        runs = [f"flood-{number}" for number in range(4)]
        for run in runs:
            # Half of the log, and not the next half before this one is compressed.
            self.platform.get("packed", f"/flood?lines=3000&padding=100&run={run}")
            self.flooded("packed", 3_000, run)
            deadline = Deadline(60)
            while len(plain := sorted(directory.glob("*.log"))) > 1:
                self.assertFalse(deadline.passed, f"not compressed: {plain}")
        # Written as they are, 7,000 lines are 1 MiB.
        every = list(range(1, 3_001))
        lines = self.platform.logs("packed", "--since", "1h")
        self.assertEqual([numbers(lines, run) for run in runs], [every] * 4)
        self.assertEqual(numbers(self.platform.logs("packed", "-n", "4000"), runs[2])[0], 2_001)
        middle = next(line for line in lines if line["text"].startswith(f"{runs[1]} 1500 "))
        before = self.platform.logs("packed", "--since", "1h", "--until", middle["time"])
        self.assertEqual(numbers(before, runs[0]), every)
        self.assertNotIn(1_501, numbers(before, runs[1]))
        self.assertIn("compressed", self.platform.paas("inspect", "packed").out)
        if shutil.which("zstdcat"):
            read = subprocess.run(
                ["zstdcat", *sorted(directory.glob("*.log*"))], capture_output=True, text=True, check=True).stdout
            texts = [{"text": line.split(" ", 5)[5]} for line in read.splitlines()]
            self.assertEqual([numbers(texts, run) for run in runs], [every] * 4)
        self.platform.paas("destroy", "packed", "--yes")
        deadline = Deadline(60)
        while directory.exists():
            self.assertFalse(deadline.passed, f"{directory} is there still")

    def test_logs_of_a_stopped_app_can_be_read(self):
        self.platform.deploy_probe("quiet")
        self.platform.paas("stop", "quiet")
        self.assertIn("probe: asked to stop, done", [line["text"] for line in self.platform.logs("quiet")])


class FollowTests(OwnPlatformCase):
    def test_follower_sees_every_line_once_whatever_is_restarted(self):
        # Small segments, which are compressed under the follower.
        self.platform.deploy_probe("on", "--log-size", "1M", "--log-compression", "zstd")
        process, lines = self.platform.paas_in_background("logs", "on", "-f", "--json")
        try:
            lines.until(lambda line: "probe: serving" in line, 20, "the old line")
            self.platform.get("on", "/flood?lines=3000&run=first&pause=0.001")
            seen = self.until(lines, "first", 200)
            self.platform.agent.kill()
            self.platform.start_agent()
            seen += self.until(lines, "first", 1_500)
            self.platform.paasd.kill()
            self.platform.start_paasd()
            seen += self.until(lines, "first", 3_000)
            self.platform.paas("restart", "on")
            self.platform.get("on", "/flood?lines=500&run=second")
            seen += self.until(lines, "second", 500)
            self.platform.deploy_probe("on", "-e", "VERSION=2")
            self.platform.get("on", "/flood?lines=500&run=third")
            seen += self.until(lines, "third", 500)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        first = numbers(seen, "first")
        self.assertEqual(first, list(range(1, 3_001)))
        self.assertEqual(numbers(seen, "second"), list(range(1, 501)))
        self.assertEqual(numbers(seen, "third"), list(range(1, 501)))
        self.assertEqual({line["release"] for line in seen if line["text"].startswith("third ")}, {"v2"})

    def until(self, lines, run, number):
        """The lines up to one of /flood."""
        seen = []

        def is_last(line):
            if line.startswith("{"):  # Not what the CLI says of a lost connection.
                seen.append(json.loads(line))
                return numbers(seen[-1:], run) == [number]
            return False

        lines.until(is_last, 60, f"{run} {number}")
        return seen

# SPDX-License-Identifier: Apache-2.0
"""Logs: both streams, in order, as they were written."""

import json
import signal
from urllib.parse import quote

from harness.case import SharedPlatformCase


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

    def test_logs_of_a_stopped_app_can_be_read(self):
        self.platform.deploy_probe("quiet")
        self.platform.paas("stop", "quiet")
        self.assertIn("probe: asked to stop, done", [line["text"] for line in self.platform.logs("quiet")])

# SPDX-License-Identifier: Apache-2.0
"""`paas top`, `GET /stats` and the use that `paas status` shows. The full screen runs in a real terminal."""

import json
import os
import re
import time
from datetime import datetime
from pathlib import Path

from harness import cgroups, tmux
from harness.case import OwnPlatformCase, SharedPlatformCase
from harness.waiting import Deadline

COLUMNS = ["APP", "INST", "CPU%", "THROTTLED%", "MEM", "LIMIT", "MEM%", "PEAK", "PIDS", "READ/s", "WRITE/s", "PSI-CPU",
           "PSI-MEM", "PSI-IO", "OOM", "RESTARTS", "REQ/s", "P99"]


class StatsTests(SharedPlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.app = cls.platform.deploy_probe("watched")
        cls.platform.deploy_probe("quiet")

    def row(self, name="watched"):
        rows = self.platform.paas("top", "--once", "--json").json
        return next(row for row in rows if row["app"] == name)

    def test_once_prints_the_contracts_columns_and_a_row_for_each_instance(self):
        lines = self.platform.paas("top", "--once").out.splitlines()
        self.assertEqual(lines[0].split(), COLUMNS)
        self.assertEqual({line.split()[0] for line in lines[1:]}, {"watched", "quiet"})
        self.assertEqual(len(self.platform.paas("top", "--once", "-n", "1").out.splitlines()), 2)

    def test_output_that_is_no_terminal_is_one_iteration(self):
        self.assertEqual(self.platform.paas("top").out.splitlines()[0].split(), COLUMNS)

    def test_json_is_an_array_of_objects_with_every_key(self):
        row = self.row()
        self.assertEqual((row["instance"], row["release"], row["state"], row["pid"]),
                         ("web.1", "v1", "running", self.app["pid"]))
        self.assertGreater(row["cpuMs"], 0)
        self.assertGreaterEqual(row["cpuPercent"], 0)
        for key in ("throttledPercent", "memoryBytes", "memoryLimitBytes", "memoryPercent", "memoryPeakBytes", "pids",
                    "readBytesPerSecond", "writeBytesPerSecond", "oomKills", "p99Ms", "cpuLimit"):
            self.assertIn(key, row)
        self.assertEqual(set(row["pressure"]), {"cpu", "memory", "io"})

    def test_what_the_node_does_not_count_is_null_and_never_0(self):
        row = self.row()
        available = cgroups.controllers()
        for controller, keys in {"memory": ("memoryBytes", "memoryPeakBytes", "oomKills"), "pids": ("pids",),
                                 "io": ("readBytes",), "cpu": ("throttledPercent",)}.items():
            for key in keys:
                self.assertEqual(row[key] is not None, controller in available, key)
        text = self.platform.paas("top", "--once").out
        if "memory" not in available:
            line = next(line for line in text.splitlines() if line.startswith("watched"))
            self.assertEqual(line.split()[4], "-")

    def test_requests_are_counted_with_their_latency(self):
        lines, close = self.platform.api.follow("/apps/watched/stats?follow=true")
        self.addCleanup(close)
        lines.next(20)
        for _ in range(20):
            self.assertEqual(self.platform.get("watched").status, 200)

        def has_requests(line):
            (instance,) = json.loads(line)["instances"]
            return instance["requestsPerSecond"] > 0 and instance["p99Ms"] is not None

        lines.until(has_requests, 20, "a second with requests")

    def test_stats_are_streamed_and_belong_to_the_app_that_was_asked_for(self):
        lines, close = self.platform.api.follow("/apps/quiet/stats?follow=true")
        self.addCleanup(close)
        first, second = json.loads(lines.next(20)), json.loads(lines.next(20))
        self.assertGreater(second["time"], first["time"])
        self.assertEqual([instance["app"] for instance in second["instances"]], ["quiet"])
        self.assertAlmostEqual(second["intervalSeconds"], 1, delta=0.9)
        (snapshot,) = self.platform.api.get("/stats?history=true")
        self.assertEqual(snapshot["node"]["name"], "e2e")
        self.assertGreater(snapshot["node"]["memoryBytes"], 0)
        history = next(i for i in snapshot["instances"] if i["app"] == "quiet")["history"]
        self.assertEqual(len(history["times"]), len(history["cpuPercent"]))

    def test_wrong_parameters_are_refused_by_name(self):
        answer = self.platform.api.request("GET", "/stats?interval=0")
        self.assertEqual(answer.status, 422)
        self.assertIn("interval", answer.json["detail"])
        for query in ("since=yesterday", "since=start&follow=true"):
            self.assertEqual(self.platform.api.request("GET", f"/stats?{query}").status, 422, query)
        self.assertEqual(self.platform.api.request("GET", "/apps/nobody/stats").status, 404)
        self.platform.paas("top", "--interval", "0.5s", expect=64)
        self.platform.paas("top", "-n", "0", expect=64)
        self.platform.paas("top", "--sort", "luck", expect=64)

    def test_status_shows_what_an_app_uses(self):
        heading, *lines = self.platform.paas("status").out.splitlines()
        line = next(line for line in lines if line.startswith("watched"))
        self.assertEqual(heading.split()[6:8], ["CPU", "MEMORY"])
        memory = "[0-9.]+[KMG]" if "memory" in cgroups.controllers() else "-"
        self.assertRegex(line, rf" [0-9.]+% +{memory} +v1$")
        app = next(app for app in self.platform.paas("status", "--json").json if app["name"] == "watched")
        self.assertGreaterEqual(app["cpuPercent"], 0)
        self.assertIn("memoryBytes", app)

    def test_since_the_start_it_is_the_average_of_each_run(self):
        (snapshot,) = self.platform.api.get("/apps/watched/stats?since=start")
        self.assertEqual(snapshot["intervalSeconds"], 0)
        (instance,) = snapshot["instances"]
        self.assertGreater(instance["cpuMs"], 0)
        since = datetime.fromisoformat(snapshot["time"]) - datetime.fromisoformat(instance["startedAt"])
        average = instance["cpuMs"] / since.total_seconds() / 10
        # The run's own clock begins a moment before its process.
        self.assertAlmostEqual(instance["cpuPercent"], average, delta=average / 5)

    def test_a_busy_app_is_seen_and_sorted_first(self):
        self.platform.paas("deploy", "exec python3 -c 'while True: pass'", "--name", "busy", "--no-wait")
        self.addCleanup(self.platform.paas, "destroy", "busy", "--yes")
        lines, close = self.platform.api.follow("/stats?follow=true")
        self.addCleanup(close)

        def is_busy(line):
            return any(i["app"] == "busy" and i["cpuPercent"] > 20 for i in json.loads(line)["instances"])

        lines.until(is_busy, 40, "the busy app")
        first = self.platform.paas("top", "--once", "--sort", "cpu", "-n", "1").out.splitlines()[1]
        self.assertTrue(first.startswith("busy"), first)


class IdleTests(OwnPlatformCase):
    """While nobody looks nobody measures: no timer, no open file, and no thread that wakes up."""

    def wake_ups(self, daemon):
        """Times that a thread of the process went to sleep or was put to it."""
        return sum(int(line.split()[1]) for task in Path(f"/proc/{daemon.pid}/task").iterdir()
                   for line in (task / "status").read_text().splitlines() if "ctxt_switches" in line)

    def counters(self):
        """Kernel files of runs that the agent has open."""
        targets = []
        for descriptor in Path(f"/proc/{self.platform.agent.pid}/fd").iterdir():
            try:
                targets.append(os.readlink(descriptor))
            except FileNotFoundError:
                continue
        return [target for target in targets if target.endswith("/cpu.stat")]

    def test_agent_and_control_plane_sleep_once_the_last_one_has_looked_away(self):
        for name in ("one", "two"):
            self.platform.deploy_probe(name)
        lines, close = self.platform.api.follow("/stats?follow=true")
        lines.next(20)
        lines.next(20)
        self.assertEqual(len(self.counters()), 2, "one for each app")
        close()
        self.platform.paas("top", "--once")
        for daemon in (self.platform.agent, self.platform.paasd):
            # A connection that is kept for a while may still have to be closed: one quiet window is enough.
            deadline, quiet = Deadline(150), False
            while not quiet and not deadline.passed:
                before = self.wake_ups(daemon)
                time.sleep(5)
                quiet = self.wake_ups(daemon) == before
            self.assertTrue(quiet, f"{daemon.name} wakes up although nobody asks for anything")
        self.assertEqual(self.counters(), [])


class TopScreenTests(OwnPlatformCase):
    def setUp(self):
        reason = tmux.unavailable()
        if reason:
            self.skipTest(reason)
        super().setUp()
        self.platform.deploy_probe("alpha")
        self.platform.deploy_probe("beta")

    def open(self, command="paas top", env=None, **size):
        screen = tmux.Screen({**self.platform.environment, **(env or {})}, **size)
        self.addCleanup(screen.close)
        screen.type("echo before-top")
        screen.type(command)
        screen.wait_for(lambda text: "REQ/s" in text or "CPU%" in text and "alpha" in text, "the table")
        return screen

    def order(self, text):
        return [line.split()[0] for line in text.splitlines() if re.match(r"(alpha|beta) ", line)]

    def assert_restored(self, screen):
        screen.wait_for(lambda text: "before-top" in text, "the screen before")
        self.assertFalse(screen.is_alternate())
        self.assertTrue(screen.is_cursor_shown())
        # The shell reads lines again, and echoes them.
        screen.type("echo still-$((40+2))")
        screen.wait_for(lambda text: "still-42" in text and "echo still" in text, "an echoing shell")

    def test_screen_shows_node_and_rows_sorts_by_keys_and_q_gives_the_terminal_back(self):
        screen = self.open()
        text = screen.text()
        self.assertTrue(screen.is_alternate())
        self.assertNotIn("before-top", text)
        self.assertRegex(text, r"e2e +CPU \[[| ]{10}\] [0-9.]+% of \d+%  MEM ")
        self.assertRegex(text, r"PSI cpu ")
        screen.press("n")
        screen.wait_for(lambda text: "sorted by name" in text and self.order(text) == ["alpha", "beta"], "names in order")
        screen.press("r")
        screen.wait_for(lambda text: self.order(text) == ["beta", "alpha"], "names the other way round")
        screen.press("Right")
        screen.wait_for(lambda text: "sorted by cpu" in text, "the next column")
        screen.press("Down")
        screen.wait_for(lambda text: re.search(r"(alpha|beta)/web.1 v1 on e2e, pid \d+", text), "the chosen row")
        self.assertRegex(screen.text(colours=True), r"\x1b\[[0-9;]*7m")
        screen.press("q")
        self.assert_restored(screen)

    def test_ctrl_c_and_a_kill_give_the_terminal_back(self):
        screen = self.open()
        screen.press("C-c")
        self.assert_restored(screen)
        screen.type("clear; echo before-top; paas top")
        screen.wait_for(lambda text: "REQ/s" in text, "the table again")
        screen.press("C-z")
        screen.wait_for(lambda text: "before-top" in text, "the shell while top is stopped")
        screen.type("fg")
        screen.wait_for(lambda text: "REQ/s" in text, "the table after fg")
        screen.type("q")
        self.assert_restored(screen)

    def test_resizing_draws_anew_and_a_narrow_screen_keeps_what_matters(self):
        screen = self.open()
        screen.resize(60, 12)
        text = screen.wait_for(lambda text: "CPU%" in text and "REQ/s" not in text, "fewer columns")
        self.assertIn("alpha", text)
        self.assertIn("q quit", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 60)
        screen.resize(170, 40)
        screen.wait_for(lambda text: "P99" in text and "RESTARTS" in text, "all columns")
        screen.press("q")
        self.assert_restored(screen)

    def test_colours_can_be_switched_off(self):
        # On a machine that does nothing there is nothing to colour.
        self.platform.paas("deploy", "exec python3 -c 'while True: pass'", "--name", "busy", "--no-wait")
        for env, wanted in (({}, True), ({"NO_COLOR": "1"}, False)):
            screen = self.open(env=env)
            screen.wait_for(lambda text: re.search(r"CPU \[\|", text), "a bar of the node's CPU")
            self.assertEqual(bool(re.search(r"\x1b\[[0-9;]*3[123]m", screen.text(colours=True))), wanted, env)
            screen.press("q")

    def test_a_lost_control_plane_is_told_waited_for_and_found_again(self):
        screen = self.open()
        self.platform.paasd.kill()
        text = screen.wait_for(lambda text: "trying again" in text, "the trouble")
        self.assertIn("alpha", text, "the last values stay in sight")
        self.platform.start_paasd()
        screen.wait_for(lambda text: "trying again" not in text and "alpha" in text, "new values", seconds=40)
        self.platform.agent.kill()
        screen.wait_for(lambda text: "trying again" in text, "the trouble with the agent")
        self.platform.start_agent()
        screen.wait_for(lambda text: "trying again" not in text and "alpha" in text, "values of the next agent", seconds=40)
        self.platform.paasd.kill()
        screen.wait_for(lambda text: "trying again" in text, "the trouble again")
        screen.press("q")
        self.assert_restored(screen)
        self.platform.start_paasd()

    def test_without_a_control_plane_the_screen_is_not_touched(self):
        screen = tmux.Screen({**self.platform.environment, "PAAS_HOME": "/nonexistent"})
        self.addCleanup(screen.close)
        screen.type("paas top; echo code-$?")
        screen.wait_for(lambda text: "code-69" in text, "the exit code")
        self.assertFalse(screen.is_alternate())

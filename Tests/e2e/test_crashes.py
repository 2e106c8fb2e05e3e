# SPDX-License-Identifier: Apache-2.0
"""Crashes: the true cause, one restart each, and nothing left behind."""

import os
import signal
import unittest

from harness import cgroups
from harness.case import SharedPlatformCase
from harness.platform import EXAMPLES
from harness.waiting import wait_for_exit, wait_for_file_to_say


class CrashTests(SharedPlatformCase):
    def crash_and_recover(self, name, crash):
        """Deploys, crashes, and returns the app once it serves again, exactly one restart later."""
        before = self.platform.deploy_probe(name)
        crash(before)
        after = self.platform.wait_for_app(
            name, lambda app: app["restarts"] > before["restarts"] and app["status"] == "running", "the restart")
        self.assertEqual(after["restarts"], before["restarts"] + 1)
        self.assertNotEqual(after["pid"], before["pid"])
        self.assertEqual(self.platform.get(name).status, 200)
        self.assertFalse(after["lastExit"]["oomKilled"])
        self.assertFalse(after["lastExit"]["requested"])
        return after

    def ask(self, name, path):
        """A request that the app answers by dying."""
        answer = self.platform.get(name, path)
        self.assertEqual(answer.status, 502)

    def assert_cause(self, app, code, signal_name):
        self.assertEqual((app["lastExit"]["code"], app["lastExit"]["signal"]), (code, signal_name))

    def test_hung_app_is_looked_at_killed_and_restarted(self):
        server = (
            "import http.server,os,time\n"
            "class H(http.server.BaseHTTPRequestHandler):\n"
            "  count=0\n"
            "  def do_GET(self):\n"
            "    H.count+=1\n"
            "    if H.count>2: time.sleep(1000)\n"
            "    self.send_response(204); self.end_headers()\n"
            "http.server.HTTPServer(('127.0.0.1',int(os.environ['PORT'])),H).serve_forever()")
        self.platform.paas(
            "deploy", "--name", "hung", "--health-path", "/", "--health-interval", "300ms", "--health-timeout", "300ms",
            "--health-failures", "2", "--", "python3", "-c", server)
        app = self.platform.wait_for_app("hung", lambda one: one["restarts"] > 0, "the restart")
        exit_report = app["lastExit"]
        self.assertEqual((exit_report["code"], exit_report["signal"]), (None, "SIGKILL"))
        self.assertIn("failed its health check / 2 times", exit_report["reason"])
        (thread,) = exit_report["hang"]["threads"]
        self.assertEqual((thread["name"], thread["state"]), ("python3", "S"))
        self.assertIn("nanosleep", thread["waitsIn"])
        self.assertIn("LISTEN", [sockets["state"] for sockets in exit_report["hang"]["sockets"]])
        self.assertIn("thread ", self.platform.paas("status", "hung", expect=None).out)

    def test_codes_of_success_and_of_no_restart_are_heeded(self):
        for code, status in ((3, "stopped"), (78, "failed")):
            name = f"code-{code}"
            self.platform.deploy_probe(
                name, "--restart", "on-failure", "--success-exit-codes", "0,3", "--no-restart-exit-codes", "78")
            self.ask(name, f"/exit?code={code}")
            app = self.platform.wait_for_app(name, lambda one, wanted=status: one["status"] == wanted, status)
            self.assertEqual((app["restarts"], app["lastExit"]["code"]), (0, code))

    def test_sigkill_from_outside(self):
        app = self.crash_and_recover("killed", lambda app: os.kill(app["pid"], signal.SIGKILL))
        self.assert_cause(app, None, "SIGKILL")
        self.assertIn("SIGKILL", app["lastExit"]["reason"])

    def test_segmentation_fault(self):
        app = self.crash_and_recover("faulty", lambda _: self.ask("faulty", "/signal?name=SIGSEGV"))
        self.assert_cause(app, None, "SIGSEGV")

    def test_exit_3(self):
        app = self.crash_and_recover("exits", lambda _: self.ask("exits", "/exit?code=3"))
        self.assert_cause(app, 3, None)

    def test_exit_0_is_restarted_too(self):
        app = self.crash_and_recover("done", lambda _: self.ask("done", "/exit?code=0"))
        self.assert_cause(app, 0, None)

    def test_exit_137_is_a_code_and_no_signal(self):
        app = self.crash_and_recover("pretends", lambda _: self.ask("pretends", "/exit?code=137"))
        self.assert_cause(app, 137, None)

    def test_three_crashes_are_three_restarts(self):
        self.platform.deploy_probe("thrice")
        for number in (1, 2, 3):
            self.ask("thrice", f"/exit?code={number}")
            app = self.platform.wait_for_app(
                "thrice", lambda app, n=number: app["restarts"] == n and app["status"] == "running",
                f"restart {number}", seconds=60)
            self.assert_cause(app, number, None)
        exits = [event for event in self.platform.api.get("/apps/thrice/events") if event["kind"] == "exited"]
        self.assertEqual(len(exits), 3)

    def test_status_tells_the_cause(self):
        self.crash_and_recover("told", lambda _: self.ask("told", "/exit?code=3"))
        self.assertIn("3", self.platform.paas("status", "told").out)

    def test_last_lines_are_in_the_report(self):
        self.platform.deploy_probe("talks")
        self.platform.get("talks", "/log?text=famous-last-words")
        self.ask("talks", "/exit?code=1")
        app = self.platform.wait_for_app("talks", lambda app: app["lastExit"], "the exit report")
        self.assertIn("famous-last-words", "\n".join(app["lastExit"]["lastLines"]))

    def test_restart_policies_are_kept(self):
        for policy, code in (("on-failure", 0), ("never", 1)):
            with self.subTest(policy=policy):
                name = f"policy-{policy}"
                self.platform.deploy_probe(name, "--restart", policy)
                self.ask(name, f"/exit?code={code}")
                app = self.platform.wait_for_app(
                    name, lambda app: app["status"] not in ("running", "restarting", "pending"), "the end")
                self.assertEqual((app["restarts"], app["lastExit"]["code"]), (0, code))


class ForkTests(SharedPlatformCase):
    def test_daemons_die_with_their_app(self):
        before = self.platform.deploy_probe("forks")
        self.platform.get("forks", "/daemons?count=4")
        cgroup = cgroups.cgroup_of(before["pid"])
        pids = [int(pid) for procs in cgroup.rglob("cgroup.procs") for pid in procs.read_text().split()]
        self.assertGreaterEqual(len(pids), 5)

        os.kill(before["pid"], signal.SIGKILL)
        for pid in pids:
            wait_for_exit(pid)
        wait_for_file_to_say(cgroup / "cgroup.events", lambda text: "populated 1" not in text)
        after = self.platform.wait_for_app(
            "forks", lambda app: app["status"] == "running" and app["restarts"] == 1, "the restart")
        self.assertNotEqual(cgroups.cgroup_of(after["pid"]), cgroup)

    def test_example_forker_leaves_nothing(self):
        self.platform.paas("deploy", "--name", "forker", "--source", EXAMPLES / "forker", "--no-wait")
        self.platform.wait_for_app("forker", lambda app: app["restarts"] >= 1, "the first restart", seconds=60)
        self.platform.paas("destroy", "forker", "--yes")
        left = {pid: line for pid, line in self.platform.cgroup.processes().items() if "fork.py" in line}
        self.assertEqual(left, {})

    def test_example_crasher_ends_as_crash_looping(self):
        self.platform.paas(
            "deploy", "--name", "crasher", "--source", EXAMPLES / "crasher", "-e", "SECONDS_TO_LIVE=0", "--no-wait")
        app = self.platform.wait_for_app("crasher", lambda app: app["crashLooping"], "crash-looping", seconds=60)
        self.assertEqual(app["lastExit"]["code"], 3)
        self.assertIn("crasher: something went wrong", "\n".join(app["lastExit"]["lastLines"]))
        self.platform.paas("status", "crasher", expect=3)


class MemoryTests(SharedPlatformCase):
    @unittest.skipUnless("memory" in cgroups.controllers(), "no memory controller in v2 here; Tests/vm runs it")
    def test_memory_hog_is_killed_and_the_report_says_so(self):
        self.platform.deploy_probe("hog", "--memory", "64M")
        answer = self.platform.get("hog", "/allocate?mb=256")
        self.assertEqual(answer.status, 502)
        app = self.platform.wait_for_app(
            "hog", lambda app: app["restarts"] == 1 and app["status"] == "running", "the restart")
        self.assertTrue(app["lastExit"]["oomKilled"])
        self.assertIn("memory", app["lastExit"]["reason"].lower())

    @unittest.skipIf("memory" in cgroups.controllers(), "this machine has a memory controller")
    def test_limit_that_cannot_be_enforced_refuses_the_start_and_names_it(self):
        result = self.platform.paas(
            "deploy", "exec python3 -m http.server $PORT", "--name", "limited", "--memory", "64M", expect=1)
        self.assertIn("memory", result.out + result.err)
        self.assertEqual(self.platform.app("limited")["status"], "failed")

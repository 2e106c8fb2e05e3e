# SPDX-License-Identifier: Apache-2.0
"""The next run of an app waits for the end of the present one: it is what a crash is followed by, and nothing that anybody sees
before that."""

import os
import random
import signal
import socket
import time

from harness.case import OwnPlatformCase
from harness.cgroups import cgroup_of, command_line
from harness.waiting import SLOWNESS, Deadline, wait_for_exit


# Deaths of the agent at random moments of a restart.
ROUNDS = 12


def restarted(times):
    return lambda app: app["restarts"] == times and app["status"] == "running" and app["pid"]


def pids(directory):
    try:
        return [int(pid) for pid in (directory / "cgroup.procs").read_text().split()]
    except OSError:
        return []


class StandbyTests(OwnPlatformCase):
    def runs(self, app):
        """Directories of the runs of an app."""
        return [path for path in cgroup_of(app["pid"]).parent.iterdir() if path.is_dir()]

    def standby(self, app):
        """The process that the app's next run will be; waits until there is one."""
        present, deadline = cgroup_of(app["pid"]), Deadline(20)
        while not deadline.passed:
            for run in self.runs(app):
                processes = pids(run) if run != present else []
                # paas-init, and its child in poll(2).
                if len(processes) == 2 and self.waits(max(processes)):
                    return max(processes)
            time.sleep(0.02)
        raise AssertionError(f"no next run waits: {self.platform.cgroup.processes()}")

    @staticmethod
    def waits(pid):
        try:
            with open(f"/proc/{pid}/syscall", encoding="ascii") as call:
                return command_line(pid).strip() == "paas-init" and call.read().split()[0] in ("7", "271", "73")
        except OSError:
            return False

    def wait_for_runs(self, app, count):
        deadline = Deadline(10)
        while len(self.runs(app)) != count:
            self.assertFalse(deadline.passed, self.runs(app))
            time.sleep(0.02)

    def crash(self, app, times=1):
        os.kill(app["pid"], signal.SIGKILL)
        return self.platform.wait_for_app(app["name"], restarted(times), "the restart")

    def test_crash_is_followed_by_the_run_that_waited(self):
        for number, arguments in enumerate([(), ("--network", "host"), ("--sandbox", "strict")]):
            with self.subTest(arguments):
                app = self.platform.deploy_probe(f"crashes-{number}", *arguments)
                standby = self.standby(app)
                after = self.crash(app)
                self.assertEqual((after["pid"], after["port"]), (standby, app["port"]))
                self.assertEqual(after["lastExit"]["signal"], "SIGKILL")
                self.assertEqual(self.platform.get(app["name"]).status, 200)
                self.assertNotEqual(self.standby(after), standby)

    def test_nobody_sees_what_waits(self):
        app = self.platform.deploy_probe("seen")
        self.standby(app)
        (instance,) = self.platform.api.get("/apps/seen/instances")
        self.assertEqual(instance["name"], "web.1")
        self.assertEqual(self.platform.app("seen")["pid"], app["pid"])
        (row,) = self.platform.paas("top", "--once", "--json").json
        self.assertEqual(row["pid"], app["pid"])
        # The app, and its paas-init.
        if row["pids"] is not None:
            self.assertEqual(row["pids"], len(pids(cgroup_of(app["pid"]))))
        listed = self.platform.paas("exec", "seen", "--", "sh", "-c", "ls /proc | grep -c '^[0-9]'").out
        self.assertLess(int(listed), 8)

    def test_standby_that_is_killed_is_no_end_of_the_app(self):
        app = self.platform.deploy_probe("robbed")
        standby = self.standby(app)
        os.kill(standby, signal.SIGKILL)
        self.wait_for_runs(app, 1)
        now = self.platform.app("robbed")
        self.assertEqual((now["pid"], now["restarts"], now["status"]), (app["pid"], 0, "running"))
        after = self.crash(app)
        self.assertNotEqual(after["pid"], standby)
        self.assertEqual(self.platform.get("robbed").status, 200)

    def test_stop_and_destroy_leave_nothing(self):
        app = self.platform.deploy_probe("ends")
        standby = self.standby(app)
        self.platform.paas("stop", "ends")
        wait_for_exit(standby)
        app = self.platform.paas("start", "ends") and self.platform.app("ends")
        standby = self.standby(app)
        self.platform.paas("destroy", "ends", "--yes")
        wait_for_exit(standby)
        deadline = Deadline(10)
        while list(self.platform.cgroup.path.glob("**/r-*")) and not deadline.passed:
            time.sleep(0.02)
        self.assertEqual(list(self.platform.cgroup.path.glob("**/r-*")), [])

    def test_new_release_and_new_limits_are_those_of_the_next_run(self):
        app = self.platform.deploy_probe("changes", "-e", "VERSION=one")
        first = self.standby(app)
        self.platform.deploy_probe("changes", "-e", "VERSION=two")
        wait_for_exit(first)
        app = self.platform.app("changes")
        standby = self.standby(app)
        after = self.crash(app)
        self.assertEqual(after["pid"], standby)
        self.assertEqual(self.platform.get("changes").json["version"], "two")

    def test_dead_agent_leaves_no_standby_and_the_next_one_makes_another(self):
        app = self.platform.deploy_probe("orphan")
        standby = self.standby(app)
        self.platform.agent.kill()
        wait_for_exit(standby)
        self.platform.start_agent()
        after = self.platform.wait_for_app("orphan", lambda one: one["status"] == "running" and one["pid"], "the adoption")
        self.assertEqual((after["pid"], after["restarts"]), (app["pid"], 0))
        again = self.standby(after)
        self.assertNotEqual(again, standby)
        self.assertEqual(self.crash(after)["pid"], again)

    def test_agent_that_is_replaced_leaves_its_standby_to_end_and_the_next_one_makes_another(self):
        app = self.platform.deploy_probe("handed-over")
        standby, old = self.standby(app), self.platform.agent
        self.platform.start_agent(wait=False, arguments=["--replace"])
        self.assertEqual(old.process.wait(timeout=60 * SLOWNESS), 0)
        wait_for_exit(standby)
        again = self.standby(app)
        self.wait_for_runs(app, 2)
        after = self.crash(app)
        self.assertEqual((after["pid"], after["lastExit"]["signal"]), (again, "SIGKILL"))
        self.assertEqual(self.platform.get("handed-over").status, 200)

    def test_agent_that_dies_while_the_next_run_begins_loses_none_and_starts_none_twice(self):
        # Each run writes itself down before anything else.
        command = "echo $$ >> /data/runs; exec python3 -m http.server --bind 127.0.0.1 $PORT"
        self.platform.paas("deploy", "--name", "counted", "--healthy-after", "0s", "--", "sh", "-c", command)
        app = self.platform.app("counted")
        written, dice = self.platform.home / "agent/apps" / app["id"] / "data/runs", random.Random(55)
        for number in range(1, ROUNDS + 1):
            self.standby(app)
            os.kill(app["pid"], signal.SIGKILL)
            # The next run begins about half a millisecond later, and what belongs to the end is done some milliseconds after that.
            time.sleep(dice.uniform(0, 0.006))
            self.platform.agent.kill()
            self.platform.start_agent()
            before = app
            app = self.platform.wait_for_app(
                "counted", lambda one, old=before: one["status"] == "running" and one["pid"] not in (None, old["pid"]), "the next run")
            ends = [event for event in self.platform.api.get("/apps/counted/events") if event["kind"] == "exited"]
            self.assertEqual((len(written.read_text().split()), len(ends)), (number + 1, number))

    def test_agent_that_is_asked_to_stop_leaves_the_app_and_no_standby(self):
        app = self.platform.deploy_probe("stays")
        standby = self.standby(app)
        self.assertEqual(self.platform.agent.stop(), 0)
        wait_for_exit(standby)
        self.assertIn("python3", command_line(app["pid"]))
        self.platform.start_agent()

    def test_where_the_port_was_taken_the_next_run_gets_another(self):
        """On the host's network somebody may take the port of an app that has ended; its next run is then not the one that waits."""
        app = self.platform.deploy_probe("loses", "--network", "host")
        standby = self.standby(app)
        # Not reusable by the app, and there before it ends: another address of the loopback.
        with socket.socket() as squatter:
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            squatter.bind(("127.0.0.2", app["port"]))
            squatter.listen()
            after = self.crash(app)
            self.assertNotEqual((after["pid"], after["port"]), (standby, app["port"]))
        self.assertEqual(self.platform.get("loses").status, 200)

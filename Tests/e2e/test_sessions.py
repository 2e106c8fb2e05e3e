# SPDX-License-Identifier: Apache-2.0
"""`paas exec` and `paas run`: where commands run, how they end, and that nothing of them stays."""

import os
import re
import signal
import subprocess
from pathlib import Path

from harness import tmux
from harness.case import OwnPlatformCase, SharedPlatformCase
from harness.platform import BINARIES, heed_interrupts
from harness.waiting import SLOWNESS, Deadline, Lines


def namespaces(pid):
    kinds = ("mnt", "pid", "ipc", "uts", "cgroup", "net")
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds}


class SessionCase:
    """What the tests of both commands need."""

    def start(self, *arguments, **options):
        """The CLI with pipes; the caller ends it."""
        process = subprocess.Popen(
            [BINARIES / "paas", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=self.platform.environment, preexec_fn=heed_interrupts, **options)
        self.addCleanup(self.end, process)
        return process, Lines(process.stdout)

    @staticmethod
    def end(process):
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            stream.close()

    def events(self, app, kind):
        return [event for event in self.platform.api.get(f"/apps/{app}/events") if event["kind"] == kind]

    def wait_until_there(self, wanted, what):
        """Looks until a process of the platform's cgroup satisfies `wanted(pid)`, and returns its pid."""
        deadline = Deadline(20)
        while not deadline.passed:
            if found := [pid for pid in self.platform.cgroup.processes() if wanted(pid)]:
                return found[0]
        raise AssertionError(f"there is no {what}")

    def wait_until_gone(self, wanted, what):
        """Looks until no process of the platform's cgroup satisfies `wanted(pid)`."""
        deadline = Deadline(20)
        while True:
            left = [pid for pid in self.platform.cgroup.processes() if wanted(pid)]
            if not left:
                return
            if deadline.passed:
                raise AssertionError(f"{what} is left: {left}")


def runs(word):
    """A process whose command line has the word."""
    def check(pid):
        try:
            return word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
    return check


class ExecTests(SessionCase, SharedPlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.app = cls.platform.deploy_probe("box", "-e", "COLOUR=red")

    def test_it_runs_in_all_namespaces_as_the_apps_user_and_under_its_rules(self):
        script = ("for n in mnt pid ipc uts cgroup net; do readlink /proc/self/ns/$n; done; "
                  "grep -E '^(Uid|Cap|NoNewPrivs|Seccomp):?' /proc/self/status; grep -E '^(CapEff|CapBnd)' /proc/self/status")
        inside = self.platform.paas("exec", "box", "sh", "-c", script).out
        self.assertEqual(inside.splitlines()[:6], list(namespaces(self.app["pid"]).values()))
        of_app = Path(f"/proc/{self.app['pid']}/status").read_text()
        for key in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"):
            line = next(line for line in of_app.splitlines() if line.startswith(key + ":"))
            self.assertIn(line, inside)

    def test_it_is_in_the_apps_cgroup_and_cannot_leave_the_sandbox(self):
        _, lines = self.start("exec", "box", "sh", "-c", "echo ready; exec sleep 1000")
        lines.until(lambda line: line == b"ready\n", 20, "the command")
        sleeper = self.wait_until_there(runs("1000"), "sleep")
        self.assertEqual(Path(f"/proc/{sleeper}/cgroup").read_text(), Path(f"/proc/{self.app['pid']}/cgroup").read_text())
        self.platform.paas("exec", "box", "unshare", "--user", "true", expect=1)
        self.assertIn("Read-only", self.platform.paas("exec", "box", "touch", "/usr/x", expect=1).err)

    def test_environment_is_the_apps_and_what_is_added(self):
        out = self.platform.paas("exec", "-e", "EXTRA=a b", "box", "env").out.splitlines()
        for line in ("COLOUR=red", "EXTRA=a b", "PAAS_INSTANCE=web.1", "HOME=/data"):
            self.assertIn(line, out)
        self.assertFalse([line for line in out if "must-not-leak" in line])

    def test_output_of_both_streams_and_exit_code_come_back(self):
        result = self.platform.paas("exec", "box", "sh", "-c", "echo out; echo err >&2; exit 7", expect=7)
        self.assertEqual((result.out, result.err), ("out\n", "err\n"))
        self.platform.paas("exec", "box", "sh", "-c", "kill -TERM $$", expect=143)
        self.assertIn("not found", self.platform.paas("exec", "box", "no-such-program", expect=127).err)
        self.platform.paas("exec", "box", "/etc/passwd", expect=126)

    def test_large_input_and_output_are_whole(self):
        data = os.urandom(3 << 20)
        done = subprocess.run(
            [BINARIES / "paas", "exec", "box", "cat"], input=data, capture_output=True, env=self.platform.environment,
            timeout=90 * SLOWNESS, check=False)
        self.assertEqual((done.returncode, done.stdout == data, done.stderr), (0, True, b""))

    def test_what_stays_in_the_background_does_not_keep_the_command(self):
        out = self.platform.paas("exec", "box", "sh", "-c", "sleep 1001 & echo done").out
        self.assertEqual(out, "done\n")
        self.platform.paas("exec", "box", "sh", "-c", "kill $(pidof sleep)")

    def test_signals_are_passed_on(self):
        process, lines = self.start("exec", "box", "sh", "-c", "trap 'echo got; exit 5' INT; echo ready; while :; do sleep 0.1; done")
        lines.until(lambda line: line == b"ready\n", 20, "the command")
        process.send_signal(signal.SIGINT)
        lines.until(lambda line: line == b"got\n", 20, "the signal")
        self.assertEqual(process.wait(timeout=20 * SLOWNESS), 5)

    def test_command_ends_when_paas_is_killed(self):
        process, lines = self.start("exec", "box", "sh", "-c", "trap '' HUP; echo ready; sleep 1002; sleep 1003")
        lines.until(lambda line: line == b"ready\n", 20, "the command")
        process.kill()
        self.wait_until_gone(lambda pid: runs("1002")(pid) or runs("1003")(pid), "the command")
        self.assertEqual(self.platform.app("box")["pid"], self.app["pid"])

    def test_every_command_is_on_record_without_its_arguments(self):
        self.platform.paas("exec", "box", "echo", "hunter2")
        event = self.events("box", "exec")[-1]
        self.assertEqual((event["by"], event["message"]), ("root", "'echo' is run in a running instance"))
        self.assertNotIn("hunter2", event["message"])
        self.assertNotIn("hunter2", self.platform.paasd.log() + self.platform.agent.log())

    def test_over_tcp_with_a_token_it_is_the_same(self):
        token = (self.platform.home / "admin.token").read_text().strip()
        result = self.platform.paas(
            "exec", "--url", f"http://127.0.0.1:{self.platform.api_port}", "box", "echo", "far", env={"PAAS_TOKEN": token})
        self.assertEqual(result.out, "far\n")
        self.platform.paas("exec", "--url", f"http://127.0.0.1:{self.platform.api_port}", "box", "true",
                           env={"PAAS_TOKEN": "wrong"}, expect=77)

    def test_wrong_input(self):
        self.platform.paas("exec", "box", expect=64)
        self.assertIn("box", self.platform.paas("exec", "bxo", "true", expect=4).err)
        self.platform.paas("exec", "--url", "http://127.0.0.1:1", "box", "true", expect=69)
        self.assertIn("web.9", self.platform.paas("exec", "box", "--instance", "9", "true", expect=125).err)

    def test_terminal_with_size_ctrl_c_and_exit_code(self):
        reason = tmux.unavailable()
        if reason:
            self.skipTest(reason)
        screen = tmux.Screen(self.platform.environment, columns=100, lines=30)
        self.addCleanup(screen.close)
        screen.type("paas exec box sh; echo ended $?")
        screen.type("tty >/dev/null; stty size; echo term=$TERM")
        screen.wait_for(lambda text: "30 100" in text and re.search(r"term=\w+-256color", text), "the terminal")
        screen.type("sleep 1004; echo slept")
        screen.wait_for(lambda text: "sleep 1004" in text, "the command")
        screen.resize(90, 25)
        # Ends the sleep and not the shell.
        screen.press("C-c")
        screen.type("stty size")
        text = screen.wait_for(lambda text: "25 90" in text, "the new size")
        self.assertNotIn("\nslept", text)
        screen.type("exit 3")
        screen.wait_for(lambda text: "ended 3" in text, "the exit code")
        # The terminal is as before: echo, and lines.
        screen.type("echo after")
        screen.wait_for(lambda text: text.count("after") == 2, "the echo")


class RunTests(SessionCase, SharedPlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.app = cls.platform.deploy_probe("job", "-e", "COLOUR=red")

    def test_sandbox_is_fresh_and_has_the_release(self):
        script = "ls /app; echo $COLOUR $PAAS_INSTANCE $PAAS_RELEASE; readlink /proc/self/ns/pid; ls /proc | grep -c '^[0-9]'"
        lines = self.platform.paas("run", "job", "sh", "-c", script).out.splitlines()
        self.assertIn("server.py", lines)
        colour, instance, release = lines[-3].split()
        self.assertEqual((colour, release), ("red", "v1"))
        self.assertRegex(instance, r"^run\.\d{4}$")
        self.assertNotEqual(lines[-2], namespaces(self.app["pid"])["pid"])
        self.assertLess(int(lines[-1]), 6)

    def test_data_is_the_apps_and_app_is_read_only(self):
        self.platform.paas("run", "job", "sh", "-c", "echo kept > /data/from-run")
        self.assertEqual(self.platform.paas("exec", "job", "cat", "/data/from-run").out, "kept\n")
        self.platform.paas("run", "job", "touch", "/app/x", expect=1)

    def test_exit_codes_and_streams(self):
        result = self.platform.paas("run", "job", "sh", "-c", "echo out; echo err >&2; exit 9", expect=9)
        self.assertEqual((result.out, result.err), ("out\n", "err\n"))
        self.platform.paas("run", "job", "no-such-program", expect=127)
        self.platform.paas("run", "job", "/etc/passwd", expect=126)
        self.platform.paas("run", "nobody", "true", expect=4)
        self.platform.paas("run", "job", expect=64)

    def test_stopped_app_can_still_run_a_command(self):
        self.platform.deploy_probe("asleep")
        self.platform.paas("stop", "asleep")
        self.assertEqual(self.platform.paas("run", "asleep", "echo", "awake").out, "awake\n")
        self.assertIn("paas run", self.platform.paas("exec", "asleep", "true", expect=125).err)

    def test_nothing_stays_of_a_command_or_of_what_it_started(self):
        self.platform.paas("run", "job", "sh", "-c", "setsid sleep 1005 >/dev/null 2>&1 & echo started")
        self.assertFalse([pid for pid in self.platform.cgroup.processes() if runs("1005")(pid)])
        self.assertEqual(self.cgroups_of_runs(), 1)

    def test_ctrl_c_in_the_middle_leaves_nothing_behind(self):
        process, lines = self.start("run", "job", "sh", "-c", "echo ready; sleep 1006")
        lines.until(lambda line: line == b"ready\n", 20, "the command")
        # A dash that has not yet forked loses an interrupt: it only marks it, and then waits for its child.
        self.wait_until_there(runs("1006"), "child of the command")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=20 * SLOWNESS), 130)
        self.assertFalse([pid for pid in self.platform.cgroup.processes() if runs("1006")(pid)])
        self.assertEqual(self.cgroups_of_runs(), 1)

    def test_paas_that_is_killed_leaves_nothing_behind(self):
        process, lines = self.start("run", "job", "sh", "-c", "trap '' HUP; echo ready; sleep 1007; sleep 1008")
        lines.until(lambda line: line == b"ready\n", 20, "the command")
        process.kill()
        self.wait_until_gone(lambda pid: runs("1007")(pid) or runs("1008")(pid), "the command")

    def test_it_is_on_record_and_gets_no_requests(self):
        self.platform.paas("run", "job", "true")
        event = self.events("job", "run")[-1]
        self.assertEqual((event["by"], event["message"]), ("root", "'true' is run in a sandbox of its own"))
        self.assertEqual([one["name"] for one in self.platform.api.get("/apps/job/instances")], ["web.1"])

    def cgroups_of_runs(self):
        # The app's next run waits beside it; only such a one has a FIFO that tells it to begin.
        found = Path(self.platform.cgroup.path).glob("paas-job.slice/r-*")
        return len([run for run in found if not (self.platform.home / "agent/runs" / run.name / "go").exists()])


class AgentTests(SessionCase, OwnPlatformCase):
    def test_session_ends_with_the_agent_and_with_the_app(self):
        self.platform.deploy_probe("short")
        process, lines = self.start("run", "short", "sh", "-c", "echo ready; sleep 1009")
        lines.until(lambda line: line == b"ready\n", 20, "the command")
        self.platform.paas("destroy", "short", "--yes")
        self.assertEqual(process.wait(timeout=30 * SLOWNESS), 137)

        self.platform.deploy_probe("longer")
        process, lines = self.start("run", "longer", "sh", "-c", "echo ready; sleep 1010")
        lines.until(lambda line: line == b"ready\n", 20, "the command")
        self.platform.agent.kill()
        self.assertEqual(process.wait(timeout=30 * SLOWNESS), 125)
        self.platform.start_agent()
        self.wait_until_gone(runs("1010"), "the command")

    def test_flood_of_output_stalls_nothing(self):
        self.platform.deploy_probe("calm")
        process, _ = self.start("exec", "calm", "yes")
        # Nobody reads what it prints; everything else goes on.
        process.send_signal(signal.SIGSTOP)
        self.platform.deploy_probe("other")
        self.assertEqual(self.platform.get("other").status, 200)
        self.assertEqual(self.platform.paas("exec", "calm", "echo", "alive").out, "alive\n")
        process.send_signal(signal.SIGCONT)

    def test_number_of_commands_is_bounded(self):
        self.platform.deploy_probe("many")
        started = [self.start("exec", "many", "sh", "-c", "echo ready; sleep 1011") for _ in range(16)]
        for _, lines in started:
            lines.until(lambda line: line == b"ready\n", 60, "a command")
        refused = self.platform.paas("exec", "many", "true", expect=125)
        self.assertIn("16 commands", refused.err)

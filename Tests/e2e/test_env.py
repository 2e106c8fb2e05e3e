# SPDX-License-Identifier: Apache-2.0
"""Variables and secrets: `paas env` and `paas secret`, what the app sees of them, and what nobody else does."""

import os
import subprocess
import threading
from pathlib import Path

from harness import tmux
from harness.case import SharedPlatformCase
from harness.platform import BINARIES

SECRET = "correct-horse-battery-staple"


class EnvTests(SharedPlatformCase):
    def test_change_is_a_release_that_loses_no_request(self):
        self.platform.deploy_probe("vars", "-e", "KEEP=1", "-e", "OLD=x")
        stop, failures, seen = threading.Event(), [], set()

        def load():
            while not stop.is_set():
                try:
                    answer = self.platform.get("vars")
                    seen.add(answer.json["env"].get("MODE"))
                    if answer.status != 200:
                        failures.append(answer.status)
                except OSError as error:
                    failures.append(error)

        thread = threading.Thread(target=load)
        thread.start()
        try:
            said = self.platform.paas("env", "set", "vars", "MODE=a b=c", "OLD=y").out
        finally:
            stop.set()
            thread.join()
        self.assertEqual(failures, [])
        self.assertIn("v2", said)
        env = self.platform.get("vars").json["env"]
        self.assertEqual((env["KEEP"], env["MODE"], env["OLD"]), ("1", "a b=c", "y"))
        self.platform.paas("env", "unset", "vars", "OLD")
        self.assertNotIn("OLD", self.platform.get("vars").json["env"])
        self.assertEqual(self.platform.paas("env", "list", "vars").out, 'KEEP=1\nMODE="a b=c"\n')
        self.assertEqual(self.platform.paas("env", "list", "vars", "--json").json, {"KEEP": "1", "MODE": "a b=c"})

    def test_list_goes_back_in_by_file_and_by_standard_input(self):
        self.platform.deploy_probe("copy", "-e", "A=one two", "-e", 'B=say "hi" $HOME')
        listed = self.platform.paas("env", "list", "copy").out
        self.platform.deploy_probe("copied")
        done = subprocess.run(
            [BINARIES / "paas", "env", "set", "copied", "--env-file", "-"], input=listed.encode(), capture_output=True,
            env=self.platform.environment, timeout=90, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.platform.paas("env", "list", "copied").out, listed)

    def test_wrong_input_says_what_to_write(self):
        self.platform.deploy_probe("strict")
        self.platform.paas("env", "set", "strict", expect=64)
        self.assertNotIn("hunter2", self.platform.paas("env", "set", "strict", "1A=hunter2", expect=64).err)
        self.assertIn("PORT", self.platform.paas("env", "set", "strict", "PORT=1", expect=64).err)
        self.assertIn("strict", self.platform.paas("env", "list", "stritc", expect=4).err)
        self.platform.paas("env", "set", "nobody", "A=1", expect=4)
        self.assertIn("NOT_THERE is not set", self.platform.paas("env", "unset", "strict", "NOT_THERE").err)
        for words in (["list", "strict"], ["set", "strict", "A=1"]):
            self.platform.paas("env", *words, "--url", "http://127.0.0.1:1", expect=69)
        self.assertEqual(self.platform.app("strict")["release"], "v1")


class SecretTests(SharedPlatformCase):
    def set_secret(self, app, *arguments, value=SECRET.encode() + b"\n"):
        return subprocess.run(
            [BINARIES / "paas", "secret", "set", app, *arguments], input=value, capture_output=True,
            env=self.platform.environment, timeout=90, check=False)

    def test_app_has_it_as_variable_and_file_and_nobody_else_sees_it(self):
        self.platform.deploy_probe("vault")
        done = self.set_secret("vault", "DB_PASSWORD")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.platform.get("vault").json["env"]["DB_PASSWORD"], SECRET)
        seen = self.platform.paas(
            "exec", "vault", "sh", "-c", 'stat -c "%a %u" /run/secrets/DB_PASSWORD; id -u; cat /run/secrets/DB_PASSWORD').out
        mode, _, rest = seen.partition(" ")
        owner, user, value = rest.split("\n")
        self.assertEqual((mode, owner, value), ("400", user, SECRET))
        self.assertEqual(
            self.platform.paas("secret", "list", "vault", "--json").json,
            [{"name": "DB_PASSWORD", "file": "/run/secrets/DB_PASSWORD"}])

        for words in (["status", "vault"], ["status", "vault", "--json"], ["inspect", "vault", "--json"], ["inspect", "vault"],
                      ["events", "vault", "--json"], ["releases", "vault", "--json"], ["env", "list", "vault"],
                      ["secret", "list", "vault"], ["logs", "vault"], ["top", "--once", "--json"]):
            self.assertNotIn(SECRET, self.platform.paas(*words).out, words)
        self.assertNotIn(SECRET, self.platform.paasd.log() + self.platform.agent.log())
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.assertNotIn(SECRET.encode(), line.read_bytes())
            except OSError:
                pass  # It has ended.

    def test_what_holds_it_on_disk_is_for_the_platforms_user_alone(self):
        self.platform.deploy_probe("disk")
        self.assertEqual(self.set_secret("disk", "KEY").returncode, 0)
        found = []
        for path in self.platform.home.rglob("*"):
            if path.is_file() and SECRET.encode() in path.read_bytes():
                found.append(path)
                status = path.stat()
                closed = any(parent.stat().st_mode & 0o077 == 0 for parent in path.parents if self.platform.home in
                             [parent, *parent.parents])
                self.assertTrue(status.st_uid == os.geteuid() and (status.st_mode & 0o077 == 0 or closed), path)
        self.assertTrue(found)

    def test_files_are_taken_as_they_are_and_unset_takes_them_away(self):
        self.platform.deploy_probe("files")
        source = self.platform.home / "key.pem"
        source.write_text("-----BEGIN-----\nabc\n-----END-----\n")
        self.platform.paas("secret", "set", "files", f"TLS_KEY=@{source}")
        read = self.platform.paas("exec", "files", "cat", "/run/secrets/TLS_KEY").out
        self.assertEqual(read, source.read_text())
        self.platform.paas("secret", "unset", "files", "TLS_KEY")
        self.platform.paas("exec", "files", "cat", "/run/secrets/TLS_KEY", expect=1)
        self.assertNotIn("TLS_KEY", self.platform.get("files").json["env"])
        self.platform.paas("rollback", "files", "v2")
        self.assertEqual(self.platform.paas("exec", "files", "cat", "/run/secrets/TLS_KEY").out, source.read_text())

    def test_values_on_the_command_line_and_other_wrong_input_are_refused(self):
        self.platform.deploy_probe("shut")
        result = self.platform.paas("secret", "set", "shut", f"KEY={SECRET}", expect=64)
        self.assertNotIn(SECRET, result.err + result.out)
        self.assertEqual(self.set_secret("shut", "KEY", value=b"").returncode, 64)
        self.assertEqual(self.set_secret("shut", "KEY", value=b"a\0b").returncode, 64)
        self.assertEqual(self.set_secret("nobody", "KEY").returncode, 4)
        self.platform.paas("env", "set", "shut", "MODE=1")
        taken = self.set_secret("shut", "MODE")
        self.assertEqual(taken.returncode, 64)
        self.assertNotIn(SECRET, taken.stderr.decode())

    def test_typed_value_is_not_shown(self):
        reason = tmux.unavailable()
        if reason:
            self.skipTest(reason)
        self.platform.deploy_probe("typed")
        screen = tmux.Screen(self.platform.environment)
        self.addCleanup(screen.close)
        screen.type("paas secret set typed KEY")
        screen.wait_for(lambda text: "not shown" in text, "the question")
        screen.type(SECRET)
        text = screen.wait_for(lambda text: "v2" in text, "the release")
        self.assertNotIn(SECRET, text)
        screen.type("echo visible")
        screen.wait_for(lambda text: text.count("visible") == 2, "the echo")
        self.assertEqual(self.platform.get("typed").json["env"]["KEY"], SECRET)

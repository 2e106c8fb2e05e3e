# SPDX-License-Identifier: Apache-2.0
"""What surrounds the commands: contexts, completion, `paas open`, manual pages."""

import json
import shutil
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness.case import SharedPlatformCase
from harness.http import fetch
from harness.platform import BINARIES, CHECKOUT


class ContextTests(SharedPlatformCase):
    def setUp(self):
        self.config = self.platform.home / f"config-{self.id().rsplit('.', 1)[-1]}"
        self.url = f"http://127.0.0.1:{self.platform.api_port}"

    def paas(self, *arguments, **options):
        env = {"XDG_CONFIG_HOME": str(self.config), "PAAS_HOME": "", **options.pop("env", {})}
        return self.platform.paas(*arguments, env=env, **options)

    def test_context_with_its_token_reaches_the_control_plane(self):
        token = self.platform.home / "admin.token"
        self.paas("context", "add", "here", "--url", self.url, "--token-file", token)
        self.assertEqual(stat.S_IMODE((self.config / "mini-paas/contexts.json").stat().st_mode), 0o600)
        self.paas("status", "--context", "here")
        self.paas("context", "use", "here")
        self.paas("status")
        self.assertIn("here", self.paas("context", "show").out)
        listed = self.paas("context", "list", "--json").json
        self.assertEqual(listed, [{"name": "here", "url": self.url, "current": True, "hasToken": True}])
        self.assertNotIn(token.read_text().strip(), self.paas("context", "list").out)
        # A token of a context goes to no other address.
        self.paas("status", "--url", self.url.replace("127.0.0.1", "localhost"), "--home", "/nonexistent", expect=77)
        self.paas("context", "remove", "here")
        self.assertEqual(self.paas("context", "list", "--json").json, [])

    def test_flag_wins_over_variable_over_context(self):
        self.paas("context", "add", "dead", "--url", "http://127.0.0.1:1", "--use")
        self.paas("status", expect=69)
        home = str(self.platform.home)
        self.paas("status", env={"PAAS_HOME": home})
        self.paas("status", "--home", home)
        self.paas("status", "--context", "dead", env={"PAAS_HOME": home}, expect=69)
        self.paas("status", "--url", f"unix:{home}/run/paasd.sock", env={"PAAS_URL": "http://127.0.0.1:1"})
        warned = self.paas("context", "use", "dead", env={"PAAS_HOME": home})
        self.assertIn("PAAS_HOME is set", warned.err)

    def test_international_host_name_is_asked_for_in_its_ascii_form(self):
        # What knows them is found while the program runs; a program that was linked without it asks for another name.
        failed = self.paas("status", "--url", "http://bücher.invalid", expect=69)
        self.assertIn("'xn--bcher-kva.invalid'", failed.err)

    def test_wrong_input(self):
        self.assertIn("paas context add", self.paas("status", "--context", "none", expect=64).err)
        self.paas("context", "use", "none", expect=64)
        self.paas("context", "use", expect=64)
        self.paas("context", "add", "x", "--url", "ftp://x", expect=64)
        self.paas("context", "add", "a b", "--url", self.url, expect=64)


class CompletionTests(SharedPlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.paas("deploy", "exec python3 -m http.server $PORT --bind 127.0.0.1", "--name", "complete-me", "--no-wait")

    def complete(self, line):
        """What bash would offer for a line."""
        script = (
            'source <("$1" completion bash); COMP_LINE=$2; COMP_POINT=${#2}; read -ra COMP_WORDS <<<"$2"; '
            '[[ $2 == *" " ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); '
            '"$(complete -p paas | sed "s/.*-F \\([^ ]*\\).*/\\1/")" paas "${COMP_WORDS[COMP_CWORD]}" ""; '
            'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(
            ["bash", "-c", script, "bash", str(BINARIES / "paas"), line], capture_output=True, text=True, timeout=60,
            env=self.platform.environment, check=False)
        return [word.strip() for word in done.stdout.splitlines()], done.stderr

    def test_bash_completes_commands_and_names_of_apps(self):
        words, errors = self.complete("paas rel")
        self.assertIn("releases", words, errors)
        words, errors = self.complete("paas logs comp")
        self.assertIn("complete-me", words, errors)

    def test_without_a_control_plane_there_is_nothing_and_no_noise(self):
        done = subprocess.run(
            [BINARIES / "paas", "---completion", "logs", "--", "positional@0", "2", "0", "paas", "logs", "--url",
             "http://127.0.0.1:1"],
            capture_output=True, text=True, timeout=60, env=self.platform.environment, check=False)
        self.assertEqual((done.stdout.strip(), done.stderr), ("", ""))

    def test_scripts_are_what_the_shells_accept(self):
        self.platform.paas("completion", "tcsh", expect=64)
        for shell in ("bash", "zsh", "fish"):
            script = self.platform.paas("completion", shell).out
            if shutil.which(shell) is None:
                continue
            done = subprocess.run([shell, "-n", "/dev/stdin"], input=script, text=True, capture_output=True, check=False)
            self.assertEqual(done.returncode, 0, f"{shell}: {done.stderr}")


class OpenTests(SharedPlatformCase):
    def test_printed_url_is_where_the_app_answers(self):
        self.platform.deploy_probe("shown")
        url = self.platform.paas("open", "shown", "--print").out.strip()
        self.assertEqual(url, self.platform.app("shown")["urls"][0])
        path = url.split(str(self.platform.router_port), 1)[1]
        self.assertEqual(fetch(self.platform.router_port, path).status, 200)
        self.assertEqual(self.platform.paas("open", "shown", env={"DISPLAY": ""}).out.strip(), url)

    def test_browser_gets_the_url_where_there_is_a_display(self):
        self.platform.deploy_probe("opened")
        tools = self.platform.home / "tools"
        tools.mkdir()
        (tools / "xdg-open").write_text(f'#!/bin/sh\necho "$1" > {self.platform.home}/opened\n')
        (tools / "xdg-open").chmod(0o755)
        path = f"{tools}:{self.platform.environment['PATH']}"
        self.platform.paas("open", "opened", env={"DISPLAY": ":0", "PATH": path})
        self.assertEqual(
            (self.platform.home / "opened").read_text().strip(), self.platform.app("opened")["urls"][0])
        (tools / "xdg-open").write_text("#!/bin/sh\necho no browser >&2\nexit 3\n")
        failed = self.platform.paas("open", "opened", env={"DISPLAY": ":0", "PATH": path}, expect=1)
        self.assertIn("no browser", failed.err)

    def test_wrong_input(self):
        self.platform.paas("open", "nobody", expect=4)
        self.platform.paas("open", expect=64)
        self.platform.paas("open", "x", "--url", "http://127.0.0.1:1", expect=69)
        self.assertEqual(json.loads(self.platform.paas("open", self.any_app(), "--json").out), self.platform.app(self.any_app())["urls"])

    def any_app(self):
        if "any" not in [app["name"] for app in self.platform.api.get("/apps")]:
            self.platform.deploy_probe("any")
        return "any"




class ManualTests(unittest.TestCase):
    def test_every_command_has_a_page_that_roff_understands(self):
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(
                [CHECKOUT / "deploy/man", "--programs", BINARIES, directory], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            pages = {path.name for path in Path(directory).iterdir()}
            for name in ("paas.1", "paas-deploy.1", "paas-env-set.1", "paas-exec.1", "paasd.8", "agent.8"):
                self.assertIn(name, pages)
            self.assertIn("\\-\\-instance", (Path(directory) / "paas-exec.1").read_text())
            if shutil.which("groff") is None:
                self.skipTest("needs groff (apt-get install groff-base)")
            for name in sorted(pages):
                done = subprocess.run(
                    ["groff", "-man", "-ww", "-Tutf8", "-K", "utf8", Path(directory) / name], capture_output=True, text=True,
                    check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""), name)

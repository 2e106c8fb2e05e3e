# SPDX-License-Identifier: Apache-2.0
"""Deploy: what is served, what is said when it fails, and that a new release costs no request."""

import json
import tempfile
import threading
from pathlib import Path

from harness.case import SharedPlatformCase
from harness.http import fetch
from harness.platform import EXAMPLES, TEST_APPS

LISTENER = "exec python3 -m http.server $PORT --bind 127.0.0.1"


class DeployTests(SharedPlatformCase):
    def test_hello_answers_under_path_and_host_name(self):
        result = self.platform.paas("deploy", "--name", "hello", "--source", EXAMPLES / "hello", "--json")
        app = result.json
        self.assertEqual((app["name"], app["status"], app["release"], app["restarts"]), ("hello", "running", "v1", 0))
        self.assertIsNone(app["lastExit"])

        by_path = self.platform.get("hello")
        self.assertEqual(by_path.status, 200)
        self.assertIn("Hello from hello", by_path.text)
        by_host = fetch(
            self.platform.router_port, "/", headers={"Host": f"hello.localhost:{self.platform.router_port}"})
        self.assertEqual((by_host.status, "Hello from hello" in by_host.text), (200, True))

    def test_body_goes_through_the_router_unchanged(self):
        self.platform.deploy_probe("echo")
        body = bytes(range(256)) * 4096
        answer = self.platform.get("echo", "/", method="POST", body=body)
        self.assertEqual((answer.status, answer.body == body), (200, True))

    def test_prefix_is_stripped_and_announced(self):
        self.platform.deploy_probe("prefix")
        headers = self.platform.get("prefix", "/").json["headers"]
        self.assertEqual(headers["X-Forwarded-Prefix"], "/apps/prefix")
        self.assertIn("X-Request-Id", headers)

    def test_command_alone_is_enough(self):
        self.platform.paas("deploy", LISTENER, "--name", "bare")
        self.assertEqual(self.platform.get("bare").status, 200)

    def test_unknown_app_is_404_at_the_router(self):
        self.assertEqual(self.platform.get("nobody").status, 404)

    def test_environment_of_the_deploy_reaches_the_app(self):
        self.platform.deploy_probe("env", "-e", "VERSION=a b=c", "-e", "EMPTY=")
        env = self.platform.get("env").json["env"]
        self.assertEqual((env["VERSION"], env["EMPTY"]), ("a b=c", ""))

    def test_command_not_found_fails_with_the_reason_and_is_not_tried_again(self):
        result = self.platform.paas("deploy", "no-such-program --port $PORT", "--name", "missing", expect=1)
        self.assertIn("no-such-program", result.err + result.out)
        app = self.platform.app("missing")
        self.assertEqual((app["status"], app["restarts"]), ("failed", 0))
        self.assertIn("not found", json.dumps([app["reason"], app["lastExit"]]))
        starts = [event for event in self.platform.api.get("/apps/missing/events") if event["kind"] == "starting"]
        self.assertLessEqual(len(starts), 1)

    def test_app_that_exits_at_start_is_reported_with_its_last_lines(self):
        result = self.platform.paas(
            "deploy", "--name", "broken", "--source", TEST_APPS / "probe", "-e", "BROKEN=1", expect=1)
        said = result.out + result.err
        self.assertIn("broken on purpose", said)
        self.assertIn("9", said)

    def test_app_that_never_listens_is_told_about_its_port(self):
        result = self.platform.paas(
            "deploy", "--name", "deaf", "--source", TEST_APPS / "probe", "-e", "DEAF=1", "--wait-timeout", "3s",
            expect=1)
        self.assertIn("PORT", result.out + result.err)

    def test_new_release_under_load_loses_no_request(self):
        self.platform.deploy_probe("steady", "-e", "VERSION=one")
        stop, seen, failures = threading.Event(), set(), []

        def load():
            while not stop.is_set():
                try:
                    answer = self.platform.get("steady", "/")
                    if answer.status != 200:
                        failures.append(answer.status)
                    seen.add(answer.json["version"])
                except (OSError, ValueError) as error:
                    failures.append(repr(error))

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            self.platform.deploy_probe("steady", "-e", "VERSION=two")
            self.platform.paas("restart", "steady")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(seen, {"one", "two"})
        app = self.platform.app("steady")
        self.assertEqual((app["release"], app["restarts"]), ("v2", 0))

    def test_bad_release_keeps_the_old_one_serving(self):
        self.platform.deploy_probe("careful", "-e", "VERSION=good")
        self.platform.deploy_probe("careful", "-e", "BROKEN=1", "-e", "VERSION=bad", expect=1)
        app = self.platform.app("careful")
        self.assertEqual((app["status"], app["release"]), ("running", "v1"))
        self.assertEqual(self.platform.get("careful").json["version"], "good")
        statuses = {release["name"]: release["status"] for release in self.platform.api.get("/apps/careful/releases")}
        self.assertEqual(statuses, {"v1": "live", "v2": "failed"})

    def test_name_is_taken_by_the_directory_and_the_procfile(self):
        with tempfile.TemporaryDirectory() as parent:
            source = Path(parent, "from-procfile")
            source.mkdir()
            (source / "Procfile").write_text(f"worker: false\nweb: {LISTENER}\n")
            (source / "index.html").write_text("procfile works")
            self.platform.paas("deploy", "--source", source)
        self.assertIn("procfile works", self.platform.get("from-procfile", "/index.html").text)

    def test_unknown_key_in_the_manifest_is_an_error_that_names_its_line(self):
        with tempfile.TemporaryDirectory() as source:
            Path(source, "paas.toml").write_text('name = "typo"\ncommand = "true"\nmemroy = "64M"\n')
            result = self.platform.paas("deploy", "--source", source, expect=64)
        self.assertIn("memroy", result.err)
        self.assertIn("3", result.err)

    def test_name_in_use_is_409_for_a_second_post(self):
        self.platform.paas("deploy", LISTENER, "--name", "taken")
        answer = self.platform.api.request("POST", "/apps", {"name": "taken", "command": "true"})
        self.assertEqual(answer.status, 409)
        self.assertEqual(answer.headers.get_content_type(), "application/problem+json")
        self.assertIn("taken", answer.json["detail"])

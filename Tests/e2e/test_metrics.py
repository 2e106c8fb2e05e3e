# SPDX-License-Identifier: Apache-2.0
"""`GET /metrics`, judged by promtool, and scraped and queried by a real Prometheus, both of Debian's package prometheus."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse
from pathlib import Path

from harness import cgroups
from harness.case import SharedPlatformCase
from harness.daemon import Daemon
from harness.http import fetch
from harness.platform import CHECKOUT, free_ports
from harness.waiting import Deadline

MONITORING = CHECKOUT / "deploy/monitoring"
WITHOUT_PROMETHEUS = "needs promtool and prometheus of Debian's package prometheus"


def samples(text):
    """Value by name and labels, as they are written."""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines()
            if line and not line.startswith("#")}


def promtool(*arguments, stdin=None):
    done = subprocess.run(
        ["promtool", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


class MetricsTests(SharedPlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.deploy_probe("steady")
        cls.platform.deploy_probe("shaky")
        cls.platform.paas("scale", "steady", "2")
        cls.token = (cls.platform.home / "admin.token").read_text().strip()

    def text(self):
        answer = self.platform.api.request("GET", "/metrics")
        self.assertEqual(answer.status, 200, answer.text)
        self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        return answer.text

    def wait_for(self, wanted, what):
        deadline = Deadline(30)
        lines, close = self.platform.api.follow("/events?follow=true")
        try:
            while True:
                found = samples(self.text())
                if wanted(found):
                    return found
                if deadline.passed:
                    raise AssertionError(f"{what} did not come: {json.dumps(found, indent=1)}")
                lines.next(min(0.5, deadline.left))
        finally:
            close()

    def test_only_who_may_read_stats_may_read_metrics(self):
        port = self.platform.api_port
        self.assertEqual(fetch(port, "/metrics").status, 401)
        self.assertEqual(fetch(port, "/metrics", headers={"Authorization": "Bearer wrong"}).status, 401)
        self.assertEqual(fetch(port, "/metrics", headers={"Authorization": f"Bearer {self.token}"}).status, 200)

    @unittest.skipUnless(shutil.which("promtool"), WITHOUT_PROMETHEUS)
    def test_promtool_finds_nothing_to_complain_about(self):
        code, output = promtool("check", "metrics", stdin=self.text())
        self.assertEqual((code, output.strip()), (0, ""))
        code, output = promtool("check", "metrics", stdin=self.text().replace("# HELP paas_node_up", "# HELP paas_x"))
        self.assertNotEqual(code, 0, "promtool sees what is wrong")

    def test_each_slot_has_a_series_and_each_app_one_status(self):
        found = samples(self.text())
        for app, slot in (("steady", "web.1"), ("steady", "web.2"), ("shaky", "web.1")):
            labels = f'{{app="{app}",slot="{slot}",node="e2e"}}'
            self.assertEqual(found[f"paas_instance_running{labels}"], 1)
            self.assertGreater(found[f"paas_instance_cpu_seconds_total{labels}"], 0)
        status = {name: value for name, value in found.items() if name.startswith('paas_app_status{app="steady"')}
        self.assertEqual((len(status), sum(status.values())), (5, 1))
        self.assertEqual(status['paas_app_status{app="steady",status="running"}'], 1)
        self.assertEqual(found['paas_node_up{node="e2e"}'], 1)
        self.assertEqual(found["paas_metrics_omitted"], 0)
        for name in ("process_cpu_seconds_total", 'paas_agent_open_fds{node="e2e"}',
                     'paas_agent_resident_memory_bytes{node="e2e"}', "process_open_fds"):
            self.assertGreater(found[name], 0, name)

    def test_what_the_node_does_not_count_is_absent_and_never_0(self):
        found = samples(self.text())
        labels = '{app="steady",slot="web.1",node="e2e"}'
        for name, controller in (("memory_bytes", "memory"), ("processes", "pids"), ("disk_read_bytes_total", "io"),
                                 ("oom_kills_total", "memory"), ("cpu_throttled_seconds_total", "cpu")):
            self.assertEqual(f"paas_instance_{name}{labels}" in found, controller in cgroups.controllers(), name)

    def test_a_crash_is_counted_by_its_cause_and_no_counter_goes_back(self):
        before = samples(self.text())
        restarts = 'paas_instance_restarts_total{app="shaky",slot="web.1",node="e2e"}'
        crash = 'paas_instance_exits_total{app="shaky",slot="web.1",node="e2e",cause="%s"}'
        self.platform.get("shaky", "/exit?code=3")
        self.wait_for(lambda found: found[crash % "error"] == before[crash % "error"] + 1
                      and found[restarts] == before[restarts] + 1
                      and found['paas_app_status{app="shaky",status="running"}'] == 1, "the crash and the restart")
        self.platform.paas("restart", "shaky")
        after = self.wait_for(lambda found: found[crash % "requested"] == before[crash % "requested"] + 1, "the restart")
        for name, value in before.items():
            if re.match(r"[a-z_]+_(total|bucket|sum|count)\b", name):
                self.assertGreaterEqual(after.get(name, -1), value, name)

    def test_requests_are_counted_by_app_class_and_latency(self):
        labels = 'app="steady",node="e2e"'
        before = samples(self.text())
        for path in ("/", "/", "/no-such-action"):
            self.platform.get("steady", path)
        fetch(self.platform.router_port, "/apps/no-such-app-%22%7D/")
        after = samples(self.text())

        def grown(name):
            return after[name] - before.get(name, 0)

        counts = {status: grown(f'paas_router_requests_total{{{labels},class="{status}"}}') for status in ("2xx", "4xx", "5xx")}
        self.assertEqual(counts, {"2xx": 2, "4xx": 1, "5xx": 0})
        name = "paas_router_request_duration_seconds"
        self.assertEqual(grown(f"{name}_count{{{labels}}}"), 3)
        self.assertEqual(after[f'{name}_bucket{{{labels},le="+Inf"}}'], after[f"{name}_count{{{labels}}}"])
        buckets = [value for key, value in after.items() if key.startswith(f"{name}_bucket{{{labels}")]
        self.assertEqual(buckets, sorted(buckets))
        self.assertEqual(grown('paas_router_unrouted_requests_total{node="e2e",class="4xx"}'), 1)
        self.assertNotIn("no-such-app", self.text())

    def test_a_destroyed_apps_series_end(self):
        self.platform.deploy_probe("short")
        self.assertIn('app="short"', self.text())
        self.platform.paas("destroy", "short", "--yes")
        self.assertNotIn('app="short"', self.text())

    @unittest.skipUnless(shutil.which("promtool"), WITHOUT_PROMETHEUS)
    def test_the_sample_rules_are_valid_and_ask_for_metrics_that_exist(self):
        code, output = promtool("check", "rules", MONITORING / "alerts.yml")
        self.assertEqual(code, 0, output)
        code, output = promtool("check", "config", "--syntax-only", MONITORING / "prometheus.yml")
        self.assertEqual(code, 0, output)
        listed = set(re.findall(r"^\| `([a-z_]+)`", (CHECKOUT / "docs/metrics.md").read_text(), re.MULTILINE))
        exposed = set(re.findall(r"^# TYPE (\S+)", self.text(), re.MULTILINE))
        self.assertLessEqual(exposed, listed, "docs/metrics.md lists every family")
        for path in ("alerts.yml", "grafana-dashboard.json"):
            used = set(re.findall(r"\b(?:paas|process)_[a-z_]+", (MONITORING / path).read_text()))
            names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in used}
            self.assertLessEqual(names, listed, f"{path} asks for what does not exist")
        json.loads((MONITORING / "grafana-dashboard.json").read_text())

    @unittest.skipUnless(shutil.which("prometheus"), WITHOUT_PROMETHEUS)
    def test_a_real_prometheus_scrapes_it_and_answers_for_each_app(self):
        # Without a memory controller, as on hybrid cgroups, no memory can be counted: there the CPU time stands in.
        metric = "paas_instance_memory_bytes" if "memory" in cgroups.controllers() else "paas_instance_cpu_seconds_total"
        directory = Path(tempfile.mkdtemp(prefix="prometheus-", dir=self.platform.home))
        (port,) = free_ports(1)
        text = (MONITORING / "prometheus.yml").read_text()
        text = text.replace("127.0.0.1:7070", f"127.0.0.1:{self.platform.api_port}")
        text = text.replace("scrape_interval: 15s", "scrape_interval: 1s\n  scrape_timeout: 1s")
        text = re.sub(r"credentials_file: .*", f"credentials_file: {self.platform.home}/admin.token", text)
        text = text.replace("alerts.yml", str(MONITORING / "alerts.yml"))
        (directory / "prometheus.yml").write_text(text)
        prometheus = Daemon(
            "prometheus", ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                           f"--web.listen-address=127.0.0.1:{port}"], directory / "log", {"PATH": "/usr/bin:/bin"})
        self.addCleanup(prometheus.stop)
        prometheus.wait_until_ready(lambda: fetch(port, "/-/ready").status == 200, seconds=60)

        def answered():
            query = urllib.parse.urlencode({"query": f"sum by (app) ({metric})"})
            result = fetch(port, f"/api/v1/query?{query}").json["data"]["result"]
            return {row["metric"]["app"]: float(row["value"][1]) for row in result}

        prometheus.wait_until_ready(lambda: {"steady", "shaky"} <= set(answered()), seconds=60)
        for app in ("steady", "shaky"):
            self.assertGreater(answered()[app], 0)
        targets = fetch(port, "/api/v1/targets").json["data"]["activeTargets"]
        self.assertEqual([(target["health"], target["lastError"]) for target in targets], [("up", "")])
        rules = fetch(port, "/api/v1/rules").json["data"]["groups"]
        self.assertTrue(any(group["rules"] for group in rules))

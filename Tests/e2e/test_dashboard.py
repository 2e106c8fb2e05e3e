# SPDX-License-Identifier: Apache-2.0
"""The dashboard in real headless Chromium: what people do there, what apps may try against them, and who can use it.

PAAS_SCREENSHOTS=DIR writes the pictures of docs/ there.
"""

import os
import signal
import unittest
import urllib.parse
from pathlib import Path

from harness.dashboard import BrowserCase
from harness.http import fetch

# Each would set `pwned` if it ever became more than text. The accents join the quotes to other characters, which escaping
# by characters takes for none.
PAYLOADS = [
    "<script>window.pwned=1</script>",
    "\"><img src=x onerror=window.pwned=2>",
    "\"\u0301 autofocus onfocus=window.pwned=3 x=\"\u0301",
    "</textarea><svg onload=window.pwned=4>",
    "</title></script><iframe srcdoc='<script>parent.pwned=5</script>'>",
    "{{{csrf}}} {{>layout}} ${window.pwned=6}",
]
HOSTILE_APP = """
import http.server, os, sys
PAYLOADS = %r
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash":
            for line in PAYLOADS: print(line, file=sys.stderr, flush=True)
            os._exit(13)
        for line in PAYLOADS: print(line, flush=True)
        body = b"<script>document.cookie='paas_session=stolen; path=/ui/apps'</script>hostile"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "paas_session=stolen; Path=/ui")
        self.send_header("X-Hostile", PAYLOADS[0])
        self.send_header("Clear-Site-Data", '"cookies"')
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
""" % (PAYLOADS,)


class BrowserTests(BrowserCase):
    def test_sign_in_deploy_watch_a_crash_read_logs_roll_back_and_sign_out(self):
        page = self.open_browser(signed_in=False)
        page.type("#token", "not-it")
        page.click("button")
        page.wait_for_text("This is not a token of this control plane.")
        page.type("#token", self.token + "\ue007")
        page.wait_for_text("No apps yet")

        # Deploy.
        page.click("#create summary")
        page.type("#new-name", "shop")
        page.type("#new-command", "echo first release; exec python3 -m http.server $PORT --bind 127.0.0.1")
        page.click("#create button")
        page.wait(lambda: page.url.endswith("/ui/apps/shop"), "the app's page")
        page.run("window.neverLoadedAgain = true")
        page.wait_for_text("running", "#head .status")
        page.wait_for_text("first release", "#log")
        self.assertIn("v1", page.text("#releases"))

        # Live figures.
        self.platform.get("shop")
        page.wait(lambda: "%" in page.text("[data-figure=cpu]"), "the CPU time")
        page.wait(lambda: page.run("return document.querySelector('[data-chart=cpu] polyline')?.points.length > 1"), "a sparkline")
        page.wait(lambda: "%" in page.text("[data-note=pressure]"), "the pressure")
        self.assertIn("layers are in force", page.text("#force"))

        # A crash and the restart, without a reload.
        before = self.platform.app("shop")
        os.kill(before["pid"], signal.SIGKILL)
        page.wait_for_text("SIGKILL", "#exit")
        page.wait_for_text("1 restart", "#head")
        page.wait_for_text("running", "#head .status")
        page.wait_for_text("SIGKILL", "#events")
        page.wait(lambda: page.text("#log").count("first release") == 2, "the line of the second run")

        # Logs.
        page.type("#log-search", "GET /")
        page.wait_for_text(" of ", "#log .counts")
        page.wait(lambda: "GET /" in page.text("#log mark") and "first release" not in page.text("#log ol"), "the lines searched for")
        page.type("#log-search", "x\ue003")
        page.wait_for_text("first release", "#log ol")

        # Another command, and back.
        page.type("#command", "echo second release; exec python3 -m http.server $PORT --bind 127.0.0.1")
        page.click("#deploy-button")
        page.wait_for_text("second release", "#log")
        page.wait(lambda: page.text("#releases .live") == "live" and "v2" in page.text("#releases li"), "v2")
        page.click("#rollback-v1")
        page.wait(lambda: self.platform.app("shop")["command"].startswith("echo first"), "the first release again")
        page.wait_for_text("v1 ·", "#head .facts")
        page.wait_for_text("running", "#head .status")

        # Scale, stop, start, restart.
        page.run("window.neverLoadedAgain = true")
        page.type("#instances", "2")
        page.click("#scale")
        page.wait_for_text("2 of 2 instances ready", "#head")
        page.click("#stop")
        page.wait_for_text("stopped", "#head .status")
        page.click("#start")
        page.wait_for_text("running", "#head .status")
        pids = {self.platform.app("shop")["pid"]}
        page.click("#restart")
        page.wait(lambda: self.platform.app("shop")["pid"] not in pids | {None}, "a new process")

        # The list, the nodes, and out.
        page.click("nav a")
        page.wait_for_text("shop", "table")
        page.click("nav a:nth-of-type(2)")
        page.wait_for_text("1 node, connected")
        page.wait_for_text("no-new-privs")
        page.click(".session button")
        page.wait(lambda: page.url.endswith("/ui/login"), "the way in")
        page.open(f"{self.address}/ui/apps/shop")
        self.assertTrue(page.url.endswith("/ui/login"))
        refused = [line for line in page.complaints() if "401" not in line]
        self.assertEqual(refused, [], "the console is empty")
        self.platform.paas("destroy", "shop", "--yes")

    def test_a_page_that_stays_open_needs_no_reload(self):
        page = self.open_browser()
        page.run("window.neverLoadedAgain = true")
        self.platform.deploy_probe("late")
        page.wait_for_text("late", "table")
        page.wait_for_text("running", "tr[data-app=late]")
        self.platform.paas("stop", "late")
        page.wait_for_text("stopped", "tr[data-app=late]")
        self.platform.paas("start", "late")
        page.wait(lambda: "%" in page.text("tr[data-app=late] [data-figure=cpu]"), "its CPU time")
        # The control plane goes and comes back; sessions do not outlive it.
        self.assertTrue(page.run("return window.neverLoadedAgain"))
        self.platform.paasd.kill()
        page.wait_for_text("Not connected", "#connection")
        self.platform.start_paasd()
        page.wait(lambda: page.url.endswith("/ui/login"), "the way in", seconds=40)
        self.platform.paas("destroy", "late", "--yes")

    def test_a_log_that_cannot_be_read_says_so_and_comes_back(self):
        self.platform.deploy_probe("quiet")
        self.platform.get("quiet", "/log?text=before")
        self.platform.agent.stop()
        page = self.open_browser()
        page.open(f"{self.address}/ui/apps/quiet")
        page.wait_for_text("The log cannot be read now", "#log")
        page.wait_for_text("its agent is not connected", "#head")
        self.assertNotIn("No lines yet", page.text("#log"))
        self.platform.start_agent()
        page.wait_for_text("before", "#log ol")
        page.wait(lambda: "cannot be read" not in page.text("#log"), "the end of the complaint")
        self.platform.paas("destroy", "quiet", "--yes")

    def test_what_apps_say_stays_text(self):
        directory = self.platform.home / "hostile"
        directory.mkdir()
        (directory / "app.py").write_text(HOSTILE_APP)
        comment = " ".join(payload for payload in PAYLOADS)
        secret = "<img src=x onerror=window.pwned=7>"
        self.platform.paas("deploy", f"exec python3 app.py # {comment}", "--name", "hostile", "--source", directory,
                           "-e", f"GREETING={secret}")
        self.platform.get("hostile")
        page = self.open_browser()
        # The app's own page, with its headers and its script, on the same host as the dashboard.
        page.open(f"http://127.0.0.1:{self.platform.router_port}/apps/hostile/")
        page.wait_for_text("hostile")
        page.open(f"{self.address}/ui/apps/hostile")
        for payload in PAYLOADS:
            page.wait_for_text(payload, "#log")
        self.platform.get("hostile", "/crash")
        page.wait_for_text("Exit code 13", "#exit")
        page.click("#exit-lines summary")
        shown = page.text("#exit-lines pre")
        self.assertIn(PAYLOADS[0], shown)
        self.assertEqual(page.run("return document.getElementById('command').value"), f"exec python3 app.py # {comment}")
        page.type("#log-search", "<img")
        page.wait(lambda: page.text("#log mark") == "<img", "the search for markup")
        self.assertNotIn(secret, page.text())

        # A name that is none, and a command that fails with a hostile line.
        page.open(f"{self.address}/ui/")
        page.run("document.getElementById('create').open = true; document.getElementById('new-name').removeAttribute('pattern')")
        page.type("#new-name", PAYLOADS[1][:63])
        page.type("#new-command", "true")
        page.click("#create button")
        page.wait_for_text("has a character that is not allowed")
        self.assertIn(PAYLOADS[1][:40], page.text())
        page.open(f"{self.address}/ui/apps/{urllib.parse.quote(PAYLOADS[1])}")
        page.wait_for_text("No such app")
        page.open(f"{self.address}/ui/")
        page.wait_for_text("hostile", "table")

        for path in ("/ui/", "/ui/apps/hostile", "/ui/nodes"):
            page.open(self.address + path)
            page.wait_for_text("Sign out")
            self.assertIsNone(page.dialog())
            self.assertIsNone(page.run("return window.pwned ?? null"), path)
            self.assertEqual(page.run("return document.querySelectorAll('main script, main iframe, main img, [onerror], [onfocus], [onload]').length"), 0)
        # Nothing was even tried: the policy, which would have stopped it, had nothing to report.
        told = [line for line in page.complaints() if "404" not in line and "422" not in line]
        self.assertEqual([line for line in told if "/apps/hostile/" not in line], [])
        self.platform.paas("destroy", "hostile", "--yes")

    def test_the_policy_stops_what_would_get_through(self):
        page = self.open_browser()
        page.run("""
            const script = document.createElement("script");
            try { script.textContent = "window.pwned = 1"; document.body.append(script); } catch (error) { window.refused = error.name; }
            try { document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.pwned=2'>"); } catch (error) { window.refusedHTML = error.name; }
        """)
        self.assertEqual(page.run("return [window.pwned ?? null, window.refusedHTML]"), [None, "TypeError"])
        self.assertTrue(page.complaints(), "the browser reports it")

    def test_keys_are_enough(self):
        self.platform.deploy_probe("keys")
        page = self.open_browser(signed_in=False)
        self.assertEqual(page.run("return document.activeElement.id"), "token")
        page.type("#token", self.token + "\ue007", clear=False)
        page.wait_for_text("keys", "table")
        page.press("\ue004")
        self.assertEqual(page.run("return document.activeElement.className"), "skip")
        seen = set()
        for _ in range(40):
            page.press("\ue004")
            name, outline = page.run("""
                const element = document.activeElement;
                return [element.innerText || element.id, getComputedStyle(element).outlineStyle]""")
            if name in seen:
                break
            seen.add(name)
            self.assertNotEqual(outline, "none", f"the focus on {name!r} is seen")
            if name == "keys":
                page.press("\ue007")
                break
        page.wait(lambda: page.url.endswith("/ui/apps/keys"), "the app's page")
        page.run("document.getElementById('restart').focus()")
        before = self.platform.app("keys")["pid"]
        page.press("\ue007")
        page.wait(lambda: self.platform.app("keys")["pid"] not in (before, None), "the restart")
        self.platform.paas("destroy", "keys", "--yes")

    def test_a_phone_shows_it_without_scrolling_sideways(self):
        self.platform.deploy_probe("a-name-that-is-as-long-as-a-name-of-an-app-can-be-on-this-thing")
        page = self.open_browser()
        page.resize(360, 740)
        for path in ("/ui/", "/ui/apps/a-name-that-is-as-long-as-a-name-of-an-app-can-be-on-this-thing", "/ui/nodes", "/ui/login"):
            page.open(self.address + path)
            page.wait_for_text("Mini PaaS")
            self.assertLessEqual(page.run("return document.documentElement.scrollWidth"), 360, path)
        self.platform.paas("destroy", "a-name-that-is-as-long-as-a-name-of-an-app-can-be-on-this-thing", "--yes")

    def test_axe_finds_nothing_in_light_and_dark(self):
        try:
            import axe_core_python
        except ImportError:
            self.skipTest("needs axe-core-python of PyPI; Tests/run installs it")
        axe = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
        self.platform.deploy_probe("seen")
        self.platform.get("seen", "/exit?code=3")
        for dark in (False, True):
            page = self.open_browser(dark=dark)
            self.assertEqual(page.run("return matchMedia('(prefers-color-scheme: dark)').matches"), dark)
            for path in ("/ui/", "/ui/apps/seen", "/ui/nodes", "/ui/apps/nobody"):
                page.open(self.address + path)
                page.wait_for_text("Sign out")
                page.run(axe)
                found = page.run_async("""
                    const done = arguments[0];
                    axe.run().then(result => done(result.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 120))])),
                                   error => done([["axe failed", String(error)]]))""")
                self.assertEqual(found, [], f"{path}, dark: {dark}")
        self.platform.paas("destroy", "seen", "--yes")


@unittest.skipUnless(os.environ.get("PAAS_SCREENSHOTS"), "makes the pictures of docs/; set PAAS_SCREENSHOTS=DIR")
class PictureTests(BrowserCase):
    def test_pictures(self):
        self.platform.deploy_probe("shop", "--instances", "2", "--health-path", "/")
        self.platform.deploy_probe("blog")
        self.platform.deploy_probe("metrics-relay")
        self.platform.paas("deploy", "exec python3 -m http.server $PORT --bind 127.0.0.1", "--name", "static-site")
        self.platform.paas("deploy", "echo reading queue; sleep 2; echo 'queue: connection refused' >&2; exit 3", "--name", "worker",
                           "--no-wait")
        self.platform.paas("stop", "blog")
        self.platform.deploy_probe("shop", "-e", "VERSION=2")
        self.platform.get("shop", "/exit?code=1")
        for dark in (False, True):
            page = self.open_browser(dark=dark)
            page.wait_for_text("crash-looping", "table", seconds=60)
            # Charts are a minute wide at first.
            for path, name, rounds in (("/ui/", "list", 40), ("/ui/apps/shop", "app", 50), ("/ui/nodes", "nodes", 3)):
                page.open(self.address + path)
                for number in range(rounds):
                    for _ in range(number % 7 * 3):
                        self.platform.get("shop")
                        self.platform.get("static-site", "/")
                    if number % 3 == 0:
                        self.platform.get("shop", f"/log?text=GET%20/products/{number}%20200")
                    page.run_async("setTimeout(arguments[0], 1000)")
                self.picture(page, f"dashboard-{name}{'-dark' if dark else ''}")
            page.resize(390, 844)
            for path, name in (("/ui/", "list"), ("/ui/apps/shop", "app")):
                page.open(self.address + path)
                page.run_async("setTimeout(arguments[0], 20000)")
                self.picture(page, f"phone-{name}{'-dark' if dark else ''}")
        page = self.open_browser(signed_in=False)
        self.picture(page, "dashboard-login")

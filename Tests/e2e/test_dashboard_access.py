# SPDX-License-Identifier: Apache-2.0
"""Who may use the dashboard, and who may not: what needs no browser to be seen."""

import re
import urllib.parse

from harness.dashboard import FORM, DashboardCase
from harness.http import fetch


class AccessTests(DashboardCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.deploy_probe("guarded")

    def test_without_a_session_there_is_only_the_way_in(self):
        for path in ("/", "/ui", "/ui/", "/ui/nodes", "/ui/apps/guarded", "/ui/apps/nobody"):
            answer = fetch(self.port, path)
            self.assertEqual(answer.status, 303, path)
            self.assertIn(answer.headers["Location"], ("/ui/", "/ui/login"))
        self.assertEqual(fetch(self.port, "/ui/login").status, 200)
        for path in ("/ui/live", "/ui/apps/guarded/live", "/ui/apps/guarded/log"):
            self.assertEqual(fetch(self.port, path).status, 401, path)

    def test_the_cookie_is_for_nobody_else(self):
        cookie, answer = self.sign_in()
        attributes = {part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")[1:]}
        self.assertLessEqual({"httponly", "samesite=strict", "path=/ui"}, attributes)
        self.assertEqual(self.page(cookie).status, 200)
        # It opens pages, and never the API.
        self.assertEqual(fetch(self.port, "/apps", headers={"Cookie": cookie}).status, 401)
        self.assertEqual(fetch(self.port, "/apps/guarded/stop", "POST", headers={"Cookie": cookie}).status, 401)

    def test_a_cookie_that_an_app_planted_beside_it_changes_nothing(self):
        cookie, _ = self.sign_in()
        self.assertEqual(self.page(f"paas_session=planted; {cookie}").status, 200)
        self.assertEqual(self.page("paas_session=planted").status, 303)

    def test_a_wrong_token_is_told_and_opens_nothing(self):
        answer = self.post("/ui/login", {"token": "paas_wrong"})
        self.assertEqual(answer.status, 401)
        self.assertIn("not a token", answer.text)
        self.assertIsNone(answer.headers["Set-Cookie"])

    def test_signing_out_ends_the_session_for_good(self):
        cookie, _ = self.sign_in()
        answer = self.post("/ui/logout", {"csrf": self.form_token(cookie)}, {"Cookie": cookie})
        self.assertEqual((answer.status, answer.headers["Location"]), (303, "/ui/login"))
        self.assertEqual(self.page(cookie).status, 303)

    def test_a_revoked_token_ends_its_sessions(self):
        created = self.platform.paas("token", "create", "brief", "--scope", "read", "--json").json
        cookie, _ = self.sign_in(created["secret"])
        self.assertEqual(self.page(cookie).status, 200)
        self.platform.paas("token", "revoke", "brief")
        self.assertEqual(self.page(cookie).status, 303)

    def test_a_form_of_another_site_does_nothing(self):
        cookie, _ = self.sign_in()
        token = self.form_token(cookie)
        path, signed_in = "/ui/apps/guarded/stop", {"Cookie": cookie}
        refused = [
            self.post(path, {}, signed_in),
            self.post(path, {"csrf": "guessed"}, signed_in),
            self.post(path, {"csrf": token}, {**signed_in, "Origin": "http://evil.example"}),
            self.post(path, {"csrf": token}, {**signed_in, "Origin": "null"}),
            self.post(path, {"csrf": token}, {**signed_in, "Origin": f"http://127.0.0.1:{self.platform.router_port}"}),
            fetch(self.port, path, "POST", {**FORM, **signed_in}, urllib.parse.urlencode({"csrf": token})),
            self.post("/ui/login", {"token": self.token}, {"Origin": "http://evil.example"}),
        ]
        self.assertEqual([answer.status for answer in refused], [403] * len(refused))
        plain = fetch(self.port, path, "POST", {**signed_in, "Origin": self.address, "Content-Type": "text/plain"}, f"csrf={token}")
        self.assertEqual(plain.status, 415)
        self.assertEqual(fetch(self.port, path, headers=signed_in).status, 405)
        self.assertEqual(self.platform.app("guarded")["status"], "running")

    def test_who_may_only_look_sees_no_button_and_cannot_act(self):
        cookie, _ = self.sign_in(self.read_token())
        text = self.page(cookie, "/ui/apps/guarded").text
        self.assertIn("read only", text)
        self.assertNotIn("/ui/apps/guarded/stop", text)
        self.assertNotIn("/ui/apps/guarded/deploy", text)
        self.assertNotIn('action="/ui/apps"', self.page(cookie).text)
        fields = {"csrf": self.form_token(cookie), "instances": "3", "command": "x", "name": "new", "release": "v1"}
        for verb in ("stop", "start", "restart", "scale", "rollback", "deploy"):
            self.assertEqual(self.post(f"/ui/apps/guarded/{verb}", fields, {"Cookie": cookie}).status, 403, verb)
        self.assertEqual(self.post("/ui/apps", fields, {"Cookie": cookie}).status, 403)
        self.assertEqual(self.platform.app("guarded")["instances"], 1)

    def test_a_token_for_one_app_sees_and_changes_that_app_alone(self):
        self.platform.deploy_probe("other")
        secret = self.platform.paas("token", "create", "one", "--scope", "deploy:guarded", "--json").json["secret"]
        cookie, _ = self.sign_in(secret)
        self.assertNotIn("other", re.sub(r"<head>.*</head>", "", self.page(cookie).text, flags=re.DOTALL))
        self.assertIn("/ui/apps/guarded/restart", self.page(cookie, "/ui/apps/guarded").text)
        for path in ("/ui/apps/other", "/ui/nodes", "/ui/apps/other/log", "/ui/apps/other/live"):
            self.assertEqual(self.page(cookie, path).status, 403, path)
        csrf = self.form_token(cookie)
        self.assertEqual(self.post("/ui/apps/other/stop", {"csrf": csrf}, {"Cookie": cookie}).status, 403)

    def test_every_page_carries_the_policy_and_nothing_inline(self):
        cookie, _ = self.sign_in()
        for path in ("/ui/login", "/ui/", "/ui/nodes", "/ui/apps/guarded", "/ui/apps/nobody", "/ui/dashboard.js", "/ui/dashboard.css"):
            answer = self.page(cookie, path) if path != "/ui/login" else fetch(self.port, path)
            policy = answer.headers["Content-Security-Policy"]
            self.assertIn("default-src 'none'", policy, path)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
            if path.endswith((".js", ".css")):
                continue
            self.assertNotRegex(answer.text, r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=")
            outside = [url for url in re.findall(r'(?:src|href|action)="(https?:[^"]*)"', answer.text)
                       if not re.match(r"http://([a-z0-9-]+\.)?(127\.0\.0\.1|localhost):", url)]
            self.assertEqual(outside, [], path)

    def test_an_unchanged_file_is_not_sent_again(self):
        answer = fetch(self.port, "/ui/dashboard.js")
        self.assertEqual(fetch(self.port, "/ui/dashboard.js", headers={"If-None-Match": answer.headers["ETag"]}).status, 304)

    def test_an_endless_form_is_cut_off(self):
        cookie, _ = self.sign_in()
        answer = self.post("/ui/apps/guarded/deploy", {"csrf": "x", "command": "a" * 400_000}, {"Cookie": cookie})
        self.assertEqual(answer.status, 413)

    def test_over_the_unix_socket_there_is_no_dashboard(self):
        self.assertEqual(self.platform.api.request("GET", "/").status, 404)

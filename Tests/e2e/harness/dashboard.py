# SPDX-License-Identifier: Apache-2.0
"""What tests of the dashboard share: signing in, forms, and a browser that is signed in."""

import os
import re
import unittest
import urllib.parse
from pathlib import Path

from . import browser
from .case import SharedPlatformCase
from .http import fetch

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class DashboardCase(SharedPlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.token = (cls.platform.home / "admin.token").read_text().strip()
        cls.port = cls.platform.api_port
        cls.address = f"http://127.0.0.1:{cls.port}"

    def post(self, path, fields, headers=None):
        body = urllib.parse.urlencode(fields)
        return fetch(self.port, path, "POST", {**FORM, "Origin": self.address, **(headers or {})}, body)

    def sign_in(self, token=None):
        """The cookie of a new session, as `name=value`, and the answer that set it."""
        answer = self.post("/ui/login", {"token": token or self.token})
        self.assertEqual(answer.status, 303, answer.text)
        return answer.headers["Set-Cookie"].partition(";")[0], answer

    def page(self, cookie, path="/ui/"):
        return fetch(self.port, path, headers={"Cookie": cookie})

    def form_token(self, cookie):
        return re.search(r'name="csrf" value="([^"]+)"', self.page(cookie).text).group(1)

    def read_token(self):
        return self.platform.paas("token", "create", f"viewer-{os.urandom(4).hex()}", "--scope", "read", "--json").json["secret"]


class BrowserCase(DashboardCase):
    @classmethod
    def setUpClass(cls):
        reason = browser.unavailable()
        if reason:
            raise unittest.SkipTest(reason)
        super().setUpClass()

    def open_browser(self, signed_in=True, **options):
        chromium = browser.Browser(self.platform.home, **options)
        self.addCleanup(chromium.close)
        chromium.open(self.address + "/")
        if signed_in:
            chromium.type("#token", self.token)
            chromium.click("button")
            chromium.wait(lambda: chromium.url.endswith("/ui/"), "the list of apps")
        return chromium

    def picture(self, chromium, name):
        directory = os.environ.get("PAAS_SCREENSHOTS")
        if directory:
            chromium.screenshot(Path(directory) / f"{name}.png")

# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium of Debian's packages, by the WebDriver protocol (w3.org/TR/webdriver2) and the standard library."""

import base64
import http.client
import json
import shutil
import tempfile
import time
from pathlib import Path

from .daemon import Daemon
from .platform import free_ports
from .waiting import SLOWNESS, Deadline

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def unavailable():
    """Why there is no browser here, or None."""
    for program, package in (("chromium", "chromium"), ("chromedriver", "chromium-driver")):
        if shutil.which(program) is None:
            return f"needs {program} of Debian's package {package}"
    return None


class BrowserError(AssertionError):
    """What the driver complains of; `kind` is the protocol's word, such as `stale element reference`."""

    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Browser:
    """One window with a profile of its own; `close` last."""

    def __init__(self, directory, dark=False, size=(1360, 1000)):
        self.directory = Path(tempfile.mkdtemp(prefix="chromium-", dir=directory))
        (self.port,) = free_ports(1)
        self.driver = Daemon(
            "chromedriver", ["chromedriver", f"--port={self.port}"], self.directory / "driver.log",
            {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.directory), "LANG": "C.UTF-8", "TMPDIR": str(self.directory)})
        self.session = None
        try:
            self.driver.wait_until_ready(lambda: self._call("GET", "/status")["ready"], seconds=30)
            arguments = [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
                f"--user-data-dir={self.directory}/profile", f"--window-size={size[0]},{size[1]}",
            ]
            if dark:
                arguments += ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"]
            answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": {"args": arguments, "binary": shutil.which("chromium")},
                "goog:loggingPrefs": {"browser": "ALL"}, "unhandledPromptBehavior": "ignore"}}})
            self.session = answer["sessionId"]
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.session:
            try:
                self._call("DELETE", f"/session/{self.session}")
            except (BrowserError, OSError):
                pass
        if self.driver.running:
            self.driver.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90 * SLOWNESS)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise BrowserError(value["error"], value["message"].splitlines()[0])
        return value

    def _do(self, method, path, body=None):
        return self._call(method, f"/session/{self.session}{path}", body)

    # Looking

    def open(self, url):
        self._do("POST", "/url", {"url": url})

    @property
    def url(self):
        return self._do("GET", "/url")

    def run(self, script, *arguments):
        """The result of a script's `return`."""
        return self._do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script, *arguments):
        """The value that a script gives to the function that is its last argument."""
        return self._do("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def text(self, selector="body"):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def dialog(self):
        """The text of an open alert, confirm or prompt; None without one."""
        try:
            return self._do("GET", "/alert/text")
        except BrowserError as error:
            if error.kind == "no such alert":
                return None
            raise

    def complaints(self):
        """What the console got since the last question: errors and warnings, violations of the policy among them."""
        return [line["message"] for line in self._do("POST", "/se/log", {"type": "browser"}) if line["level"] in ("SEVERE", "WARNING")]

    def wait(self, wanted, what, seconds=30):
        """Asks until `wanted()` is true. A page can be asked, and tells nothing by itself."""
        deadline = Deadline(seconds)
        while True:
            try:
                value = wanted()
                if value:
                    return value
            except BrowserError as error:
                if error.kind not in ("stale element reference", "no such element", "javascript error"):
                    raise
            if deadline.passed:
                raise AssertionError(f"{what} did not come within {deadline.seconds:.0f} s; {self.url}:\n{self.text()[:3000]}")
            # Not in the page: a script that waits there never ends when the page leaves meanwhile.
            time.sleep(0.05)

    def wait_for_text(self, text, selector="body", seconds=30):
        return self.wait(lambda: text in self.text(selector), f"'{text}' in {selector}", seconds)

    # Acting, as a person does: with mouse and keys

    def find(self, selector):
        return self._do("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        def try_click():
            self._do("POST", f"/element/{self.find(selector)}/click", {})
            return True

        self.wait(try_click, f"a click on {selector}")

    def type(self, selector, text, clear=True):
        element = self.find(selector)
        if clear:
            self._do("POST", f"/element/{element}/clear", {})
        self._do("POST", f"/element/{element}/value", {"text": text})

    def press(self, key):
        """One key for whatever has the focus; names as in the protocol's table: Tab is \\uE004, Enter \\uE007."""
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._do("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def resize(self, width, height):
        """The size of what is seen, as on a phone: smaller than a window can be."""
        self._do("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": 2 if width < 600 else 1, "mobile": width < 600}})

    def screenshot(self, path):
        Path(path).write_bytes(base64.b64decode(self._do("GET", "/screenshot")))


#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small web app: one page that says where it runs and counts its visitors in /data.

GET /         the page
GET /api      the same as JSON
GET /healthz  200 while it serves
"""

import html
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STARTED = time.monotonic()
PORT = int(os.environ.get("PORT", "8000"))
COUNTER = Path(os.environ.get("HOME", ".")) / "visits"
counter_lock = threading.Lock()


def count_visit() -> int:
    """Adds one visit on disk. The rename makes the new number appear whole or not at all."""
    with counter_lock:
        try:
            visits = int(COUNTER.read_text()) + 1
        except (FileNotFoundError, ValueError):
            visits = 1
        fresh = COUNTER.with_suffix(".new")
        fresh.write_text(str(visits))
        os.replace(fresh, COUNTER)
        return visits


def facts(visits: int) -> dict:
    return {
        "app": os.environ.get("PAAS_APP", "hello"),
        "release": os.environ.get("PAAS_RELEASE", "-"),
        "instance": os.environ.get("PAAS_INSTANCE", "-"),
        "port": PORT,
        "pid": os.getpid(),
        "uid": os.getuid(),
        "visits": visits,
        "uptimeSeconds": round(time.monotonic() - STARTED),
    }


# No absolute links and nothing from elsewhere: the page works under /apps/hello/ and under hello.localhost alike.
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{app} on Mini PaaS</title>
<style>
  :root {{ color-scheme: light dark; font: 17px/1.5 system-ui, sans-serif; }}
  body {{ margin: 0; min-height: 100vh; display: grid; place-items: center;
         background: light-dark(#f4f6fb, #12151c); color: light-dark(#1b2333, #e8ecf5); }}
  main {{ width: min(34rem, 90vw); padding: 2.5rem; border-radius: 1.2rem;
         background: light-dark(#fff, #1b202b); box-shadow: 0 1rem 3rem rgb(0 0 0 / .15); }}
  h1 {{ margin: 0 0 .2rem; font-size: 2rem; }}
  p {{ margin: 0 0 1.6rem; opacity: .75; }}
  .visits {{ font-size: 4rem; font-weight: 700; color: #f05138; line-height: 1; }}
  dl {{ display: grid; grid-template-columns: auto 1fr; gap: .3rem 1.2rem; margin: 1.6rem 0 0; }}
  dt {{ opacity: .6; }} dd {{ margin: 0; font-family: ui-monospace, monospace; }}
</style>
<main>
  <h1>Hello from {app}</h1>
  <p>This page is served by a process that Mini PaaS started, watches and restarts.</p>
  <div class="visits">{visits}</div>
  <p>visits, kept in <code>/data</code> over restarts and releases</p>
  <dl>
    <dt>release</dt><dd>{release}</dd>
    <dt>instance</dt><dd>{instance}</dd>
    <dt>port</dt><dd>{port}</dd>
    <dt>pid, uid</dt><dd>{pid}, {uid}</dd>
    <dt>up for</dt><dd>{uptimeSeconds} s</dd>
  </dl>
</main>
</html>
"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "hello"

    def do_GET(self):
        path = self.path.split("?", 1)[0]
        if path == "/":
            shown = {key: html.escape(str(value)) for key, value in facts(count_visit()).items()}
            self.answer(200, "text/html; charset=utf-8", PAGE.format(**shown))
        elif path == "/api":
            self.answer(200, "application/json", json.dumps(facts(count_visit())) + "\n")
        elif path == "/healthz":
            self.answer(200, "text/plain; charset=utf-8", "ok\n")
        else:
            self.answer(404, "text/plain; charset=utf-8", "there is nothing here; try /\n")

    do_HEAD = do_GET

    def log_request(self, code="-", size="-"):
        if self.path != "/healthz":  # The platform asks every few seconds; that is no news.
            super().log_request(code, size)

    def answer(self, status: int, content_type: str, text: str):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def main():
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)

    def stop(_signal, _frame):
        # shutdown() waits for the loop that this handler interrupts, so another thread calls it.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"listening on 127.0.0.1:{PORT}, release {os.environ.get('PAAS_RELEASE', '-')}")
    server.serve_forever()
    print("asked to stop; goodbye", file=sys.stderr)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""An app that shows by its /data whether it was asked to stop: `/` tells how often it started and how often it ended so.
`/break` ends it, and lets it never be ready again."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


def count(name, add):
    path = f"/data/{name}"
    value = int(open(path, encoding="ascii").read()) if os.path.exists(path) else 0
    if add:
        value += 1
        with open(path, "w", encoding="ascii") as file:
            file.write(str(value))
            file.flush()
            os.fsync(file.fileno())
    return value


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/say/"):
            print(self.path[5:], flush=True)
        if self.path == "/break":
            count("broken", 1)
            os._exit(1)
        body = json.dumps({"starts": count("starts", 0), "farewells": count("farewells", 0)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def farewell(*_):
    count("farewells", 1)
    sys.exit(0)


print("begins", flush=True)
if os.path.exists("/data/broken"):
    sys.exit(1)
signal.signal(signal.SIGTERM, farewell)
count("starts", 1)
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()

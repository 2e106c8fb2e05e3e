# SPDX-License-Identifier: Apache-2.0
"""Looks around as a stranger's program might, and tells what it found: one line for each try.

It only asks whether something could be done (it reads and writes nothing of others), and starts nowhere but in an app.
"""

import os
import socket
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


def attempt(action):
    try:
        return f"yes: {action()}"
    except OSError as error:
        return f"no: {error.strerror or error}"


def connect(host, port):
    with socket.create_connection((host, port), 2):
        return "connected"


def others():
    own = {os.getpid(), 1}
    found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid not in own]
    return f"{len(found)} other processes are in sight"


def capabilities():
    return next(line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff"))


def look_around():
    return {
        "who am I": f"uid {os.getuid()}, capabilities {capabilities()}",
        "other processes": others(),
        "read /etc/shadow": attempt(lambda: open("/etc/shadow").close() or "it can be opened"),
        "read the platform's token": attempt(lambda: open("/var/lib/mini-paas/admin.token").close() or "it can be opened"),
        "write to /usr": attempt(lambda: os.open("/usr/bin", os.O_TMPFILE | os.O_WRONLY) and "it can be written"),
        "write to my own /data": attempt(lambda: open("/data/note", "w").write("mine") and "it can be written"),
        "reach the control plane": attempt(lambda: connect("127.0.0.1", 7070)),
        "reach the outside": attempt(lambda: connect("192.0.2.1", 80)),
        "see the agent's environment": "yes" if "AGENT_ONLY_SECRET" in os.environ else "no: it is not mine",
    }


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash":
            os.abort()
        body = "".join(f"{what}: {found}\n" for what, found in look_around().items()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        print(self.requestline)


if "PAAS_APP" not in os.environ:
    sys.exit("stranger: deploy me with paas; I start nowhere else")
print("stranger: looking around")
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()

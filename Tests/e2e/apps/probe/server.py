# SPDX-License-Identifier: Apache-2.0
"""The tests' own web app: it tells what it sees, and does what it is asked to, crashes included.

VERSION and BROKEN come from the environment of the deploy.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


def attempt(action):
    """The result of an action, or the name of its error."""
    try:
        return action()
    except OSError as error:
        return type(error).__name__


def write_file(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return "written"


def read_file(path):
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "replace")


def identity(_):
    status = dict(line.split(":\t", 1) for line in read_file("/proc/self/status").splitlines() if ":\t" in line)
    return {
        "pid": os.getpid(),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "cwd": os.getcwd(),
        "env": dict(os.environ),
        "status": {key: value.strip() for key, value in status.items()},
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
        "stdin": os.readlink("/proc/self/fd/0"),
        "version": os.environ.get("VERSION", ""),
    }


def count(_):
    path = "/data/count"
    value = int(attempt(lambda: read_file(path)) if os.path.exists(path) else 0) + 1
    write_file(path, str(value))
    return {"count": value}


def log(query):
    stream = sys.stderr if query.get("stream") == "stderr" else sys.stdout
    print(query["text"], file=stream, flush=True)
    return {}


def end(query):
    sys.stdout.flush()
    os._exit(int(query["code"]))


def raise_signal(query):
    number = signal.Signals[query["name"]]
    if number == signal.SIGSEGV:
        ctypes.string_at(0)  # A true segmentation fault, not one that was sent.
    os.kill(os.getpid(), number)
    time.sleep(60)
    return {}


def fork_daemons(query):
    """Daemons by the book: fork, setsid, fork, and deaf to SIGTERM."""
    reading, writing = os.pipe()
    for _ in range(int(query["count"])):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                os.write(writing, b".")
                while True:
                    signal.pause()
            os._exit(0)
    for _ in range(int(query["count"])):
        os.read(reading, 1)
    os.close(reading)
    os.close(writing)
    return {}


def allocate(query):
    """Takes memory until somebody stops it."""
    blocks, total = [], 0
    while total < int(query["mb"]):
        blocks.append(bytearray(b"x") * (1 << 20))
        total += 1
    return {"mb": total}


def try_path(query):
    path = query["path"]
    if query.get("write"):
        return {"result": attempt(lambda: write_file(path, query["write"]))}
    return {"result": attempt(lambda: sorted(os.listdir(path)) if os.path.isdir(path) else read_file(path)[:2000])}


def slow(query):
    time.sleep(float(query["seconds"]))
    return {"slept": query["seconds"]}


ACTIONS = {
    "/": identity, "/count": count, "/log": log, "/exit": end, "/signal": raise_signal, "/daemons": fork_daemons,
    "/allocate": allocate, "/try": try_path, "/slow": slow,
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        action = ACTIONS.get(url.path)
        status, result = (200, action(dict(parse_qsl(url.query)))) if action else (404, {"error": "no such action"})
        result["headers"] = dict(self.headers)
        body = json.dumps(result).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        """The body comes back; on /say it is printed, too."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/say":
            print(body.decode(), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    if os.environ.get("BROKEN"):
        print("probe: broken on purpose", file=sys.stderr)
        sys.exit(9)
    if os.environ.get("DEAF"):
        print("probe: deaf on purpose")
        threading.Event().wait()
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    server.daemon_threads = False  # server_close() then waits for the requests that are being answered.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"probe: serving, version {os.environ.get('VERSION', '-')}")
    server.serve_forever()
    server.server_close()
    print("probe: asked to stop, done")


if __name__ == "__main__":
    main()

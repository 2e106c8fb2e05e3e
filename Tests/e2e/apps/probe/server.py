# SPDX-License-Identifier: Apache-2.0
"""The tests' own web app: it tells what it sees, and does what it is asked to, crashes included.

VERSION and BROKEN come from the environment of the deploy.
"""

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
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


def flood(query):
    """Prints numbered lines as fast as they are taken, in the background: RUN NUMBER padding."""
    run, padding = query.get("run", "flood"), "x" * int(query.get("padding", "0"))
    pause = float(query.get("pause", "0"))

    def work():
        for number in range(1, int(query["lines"]) + 1):
            os.write(1, f"{run} {number} {padding}\n".encode())
            if pause:
                time.sleep(pause)

    threading.Thread(target=work).start()
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


def spin(query):
    """Takes all the CPU it can get, for so many seconds of wall time, in the background."""
    end = time.monotonic() + float(query["seconds"])

    def work():
        while time.monotonic() < end:
            pass

    threading.Thread(target=work).start()
    return {}


def bomb(query):
    """Forks until the kernel refuses it; everything that was started ends by itself."""
    started = 0
    for _ in range(int(query["ceiling"])):
        try:
            if os.fork() == 0:
                time.sleep(float(query["seconds"]))
                os._exit(0)
        except BlockingIOError:
            return {"started": started, "refused": True}
        started += 1
    return {"started": started, "refused": False}


def disk(query):
    """Writes to a file past the page cache; how long it took."""
    block = mmap.mmap(-1, 1 << 16)  # O_DIRECT wants aligned memory.
    began = time.monotonic()
    file = os.open("/data/disk", os.O_WRONLY | os.O_CREAT | os.O_DIRECT, 0o600)
    for _ in range(int(query["kb"]) // 64):
        os.write(file, block)
    os.close(file)
    return {"seconds": time.monotonic() - began}


def try_path(query):
    path = query["path"]
    if query.get("write"):
        return {"result": attempt(lambda: write_file(path, query["write"]))}
    return {"result": attempt(lambda: sorted(os.listdir(path)) if os.path.isdir(path) else read_file(path)[:2000])}


def connect(query):
    """Whether there is somebody: "connected", or the symbolic name of the error."""
    host, port, timeout = query["host"], int(query["port"]), float(query.get("timeout", 5))
    try:
        if "device" in query:
            with socket.socket() as one:
                one.settimeout(timeout)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, query["device"].encode())
                one.connect((host, port))
        else:
            socket.create_connection((host, port), timeout).close()
        return {"result": "connected"}
    except TimeoutError:
        return {"result": "ETIMEDOUT"}
    except OSError as error:
        return {"result": errno.errorcode.get(error.errno, str(error))}


def datagram(query):
    """Sends "ping", and tells what comes back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(float(query.get("timeout", 5)))
        one.sendto(b"ping", (query["host"], int(query["port"])))
        try:
            return {"result": one.recv(64).decode()}
        except OSError as error:
            return {"result": type(error).__name__}


def denied(query):
    """Makes calls that no sandbox allows, by the names of the C library's functions; the errors are names."""
    libc = ctypes.CDLL(None, use_errno=True)
    function = getattr(libc, query["call"])
    answers = set()
    for _ in range(int(query.get("times", 1))):
        answers.add(errno.errorcode[ctypes.get_errno()] if function(0, 0, 0, 0, 0) == -1 else "done")
    return {"answers": sorted(answers)}


def slow(query):
    time.sleep(float(query["seconds"]))
    return {"slept": query["seconds"]}


ACTIONS = {
    "/": identity, "/count": count, "/log": log, "/exit": end, "/flood": flood, "/signal": raise_signal, "/daemons": fork_daemons,
    "/allocate": allocate, "/spin": spin, "/bomb": bomb, "/disk": disk, "/try": try_path, "/slow": slow,
    "/connect": connect, "/denied": denied, "/datagram": datagram,
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/echo":
            return self.echo()
        action = ACTIONS.get(url.path)
        status, result = (200, action(dict(parse_qsl(url.query)))) if action else (404, {"error": "no such action"})
        result["headers"] = dict(self.headers)
        body = json.dumps(result).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def echo(self):
        """Leaves HTTP as for a WebSocket, and sends back what comes until its end."""
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        while data := self.connection.recv(65536):
            self.wfile.write(data)
        self.close_connection = True

    def do_POST(self):
        """The body comes back; on /say it is printed, too."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/say":
            sys.stdout.buffer.write(body + b"\n")
            sys.stdout.buffer.flush()
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

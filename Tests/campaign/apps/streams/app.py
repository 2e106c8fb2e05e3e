# SPDX-License-Identifier: Apache-2.0
"""The app of the campaigns `upgrade` and `rollouts`: short answers on connections that stay open, numbered events that never end, and a
WebSocket (RFC 6455) that sends back what it gets."""

import base64
import hashlib
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


# What tells this process from every other, and these sources from others of this app.
BORN = time.time_ns()
VERSION = Path("version").read_text() if Path("version").exists() else "-"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/events":
            return self.stream()
        if self.path == "/socket":
            return self.web_socket()
        body = f"{BORN} {VERSION}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        number = 0
        while True:
            number += 1
            try:
                self.wfile.write(b"data: %d\n\n" % number)
            except OSError:
                return
            time.sleep(0.05)

    def web_socket(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "websocket")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        # Text frames of less than 126 bytes, masked by the client as it must be.
        while len(head := self.rfile.read(6)) == 6 and head[0] == 0x81:
            text = bytes(byte ^ head[2 + place % 4] for place, byte in enumerate(self.rfile.read(head[1] & 0x7F)))
            self.wfile.write(bytes([0x81, len(text)]) + text)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    # An agent that takes over connects anew for every client at once; what the backlog does not hold waits seconds.
    request_queue_size = 256


def main():
    server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


main()

# SPDX-License-Identifier: Apache-2.0
"""HTTP to the control plane's Unix socket, and to anything on loopback."""

import base64
import http.client
import json
import os
import socket

from .waiting import SLOWNESS, Lines


class UnixConnection(http.client.HTTPConnection):
    """http.client over a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Answer:
    """Status, headers and body of one response."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)


class Api:
    """The control plane behind a Unix socket."""

    def __init__(self, socket_path):
        self.socket_path = socket_path

    def request(self, method, path, body=None, headers=None):
        connection = UnixConnection(self.socket_path, timeout=30 * SLOWNESS)
        try:
            headers = dict(headers or {})
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
                headers.setdefault("Content-Type", "application/json")
            connection.request(method, path, body=body, headers=headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path):
        """The JSON of a GET that must succeed."""
        answer = self.request("GET", path)
        if answer.status != 200:
            raise AssertionError(f"GET {path}: {answer.status} {answer.text}")
        return answer.json

    def follow(self, path):
        """Opens a stream. Returns its lines and a function that closes it."""
        connection = UnixConnection(self.socket_path, timeout=30 * SLOWNESS)
        connection.request("GET", path, headers={"Accept": "application/x-ndjson"})
        raw = connection.sock
        response = connection.getresponse()
        raw.settimeout(None)  # The answer begins soon; what it tells comes when it comes.
        lines = None

        def close():
            if lines:
                lines.closing = True
            # The reading thread sits in recv(2); a shutdown ends that, a mere close would not.
            try:
                raw.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

        if response.status != 200:
            text = response.read()
            close()
            raise AssertionError(f"GET {path}: {response.status} {text!r}")
        lines = Lines(response)
        return lines, close


def fetch(port, path, method="GET", headers=None, body=None, timeout=30):
    """One request to 127.0.0.1:port on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout * SLOWNESS)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def ask_for_websocket(wire, path):
    """Asks for a WebSocket on a fresh connection. Returns the status line, and a file of what stands behind the head."""
    key = base64.b64encode(os.urandom(16)).decode()
    wire.sendall(
        f"GET {path} HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
    stream = wire.makefile("rb")
    status = stream.readline()
    while stream.readline() not in (b"\r\n", b""):
        pass
    return status, stream

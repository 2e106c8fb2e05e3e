# SPDX-License-Identifier: Apache-2.0
"""HTTP to the control plane's Unix socket, and to anything on loopback."""

import http.client
import json
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
        connection = UnixConnection(self.socket_path, timeout=None)
        connection.request("GET", path, headers={"Accept": "application/x-ndjson"})
        raw = connection.sock
        response = connection.getresponse()
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

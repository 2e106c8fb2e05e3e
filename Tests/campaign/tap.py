# SPDX-License-Identifier: Apache-2.0
"""A tap in the line between agent and paasd: a proxy on a Unix socket that passes every byte on and writes down what the
agent reported and what it was asked for. So a campaign knows exits as the agent told them, not as a screen shows them.
"""

import json
import os
import socket
import threading


class Scanner:
    """Reads one direction of an HTTP/1.1 connection as it passes. Gives each message's head and its body, piece by piece."""

    def __init__(self, on_body):
        self.on_body = on_body  # (first line of the head, piece of the body, is the last piece)
        self.buffer = b""
        self.first_line = None
        self.left = 0  # Bytes of the body, or of its chunk, that are still to come.
        self.chunked = False
        self.ending = False  # The last chunk was there; the empty line behind it comes.

    def feed(self, data):
        self.buffer += data
        while self._step():
            pass

    def _step(self):
        if self.first_line is None:
            return self._head()
        if self.left > 0:
            piece, self.buffer = self.buffer[: self.left], self.buffer[self.left :]
            self.left -= len(piece)
            ends = self.left == 0 and not self.chunked
            if piece:
                self.on_body(self.first_line, piece, ends)
            if ends:
                self.first_line = None
            elif self.left == 0:
                self.left = -2  # The line break behind a chunk.
            return bool(piece)
        if self.left < 0:
            if len(self.buffer) < 2:
                return False
            self.buffer, self.left = self.buffer[2:], 0
            if self.ending:
                self.first_line, self.ending = None, False
            return True
        return self._chunk_size()

    def _head(self):
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        self.buffer = rest
        lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.chunked = "chunked" in fields.get("transfer-encoding", "")
        self.left = 0 if self.chunked else int(fields.get("content-length", 0))
        self.first_line = lines[0]
        if not self.chunked and self.left == 0:
            self.first_line = None
        return True

    def _chunk_size(self):
        line, found, rest = self.buffer.partition(b"\r\n")
        if not found:
            return False
        self.left = int(line.split(b";")[0], 16)
        self.buffer = rest
        if self.left == 0:
            self.on_body(self.first_line, b"", True)
            self.left, self.ending = -2, True  # No trailers are used here.
        return True


class Tap:
    """Listens at once; `close` ends it. What it learned stays readable."""

    def __init__(self, path, upstream):
        self.path = str(path)
        self.upstream = str(upstream)
        self.reports = {}  # By sequence: an AgentReport without its log lines.
        self.conflicts = []  # Sequences that came twice with different contents.
        self.assignments = {}  # By instance id: (app id, app, slot, release).
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o600)
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        # close(2) alone would leave the accepting thread where it is.
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                server.connect(self.upstream)
            except OSError:
                client.close()
                server.close()
                continue
            asked, told = self._scanners()
            threading.Thread(target=self._pass, args=(client, server, asked), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, told), daemon=True).start()

    def _pass(self, source, target, scanner):
        try:
            while True:
                data = source.recv(262_144)
                if not data:
                    break
                # Before it is passed on: what the control plane has heard, the tap knows.
                scanner.feed(data)
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _scanners(self):
        bodies = {"up": b"", "down": b""}

        def asked(first_line, piece, ends):
            if not first_line.startswith("POST ") or "/reports" not in first_line:
                return
            bodies["up"] += piece
            if ends:
                body, bodies["up"] = bodies["up"], b""
                self._learn_reports(json.loads(body)["reports"])

        def told(_, piece, ends):
            bodies["down"] += piece
            *lines, bodies["down"] = bodies["down"].split(b"\n")
            for line in lines:
                self._learn_assignment(line)
            if ends:
                bodies["down"] = b""

        return Scanner(asked), Scanner(told)

    def _learn_reports(self, reports):
        with self.changed:
            for report in reports:
                if report["status"].get("lastExit"):
                    report["status"]["lastExit"].pop("lastLines", None)
                known = self.reports.setdefault(report["sequence"], report)
                if known != report:
                    self.conflicts.append(report["sequence"])
            self.changed.notify_all()

    def _learn_assignment(self, line):
        if not line.startswith(b"{"):
            return
        try:
            message = json.loads(line)
        except ValueError:
            return
        body = message.get("put") or message.get("snapshot") or {}
        found = body.get("assignments", []) + ([body["assignment"]] if "assignment" in body else [])
        with self.lock:
            for one in found:
                self.assignments[one["instanceID"]] = (one["appID"], one["app"], one["slot"], one["release"])

    def in_order(self):
        """Every report once, oldest first."""
        with self.lock:
            return [self.reports[sequence] for sequence in sorted(self.reports)]

# SPDX-License-Identifier: Apache-2.0
"""What the reference pages of docs/ are made from: the programs' own help, and the description of the API."""

import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path


def command(directory, program):
    """The tree of a program's commands and options, as ArgumentParser dumps it."""
    done = subprocess.run([Path(directory) / program, "--experimental-dump-help"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["command"]


def openapi(directory):
    """The document that `paasd` of a directory serves: it is started with a home of its own, and ended."""
    with tempfile.TemporaryDirectory(prefix="paas-reference-") as home, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(f"{home}/ready")
        ready.settimeout(60)
        environment = {**os.environ, "NOTIFY_SOCKET": f"{home}/ready"}
        paasd = subprocess.Popen(
            [Path(directory) / "paasd", "--home", home, "--listen", "127.0.0.1:0", "--log-level", "error"], env=environment)
        try:
            while b"READY=1" not in ready.recv(4096):
                pass
            return ask(f"{home}/run/paasd.sock", "/openapi.json")
        finally:
            paasd.send_signal(signal.SIGTERM)
            paasd.wait(60)


def ask(path, target):
    """JSON from a Unix socket."""
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(60)
    connection.sock.connect(path)
    try:
        connection.request("GET", target)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def text(value):
    """A sentence as a cell of a table."""
    return " ".join((value or "").split()).replace("|", "\\|").replace("<", "\\<")


def code(value):
    """Something literal as a cell of a table."""
    return "`" + str(value).replace("|", "\\|") + "`"

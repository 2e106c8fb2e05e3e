# SPDX-License-Identifier: Apache-2.0
"""Apps as people write them run under `standard` unchanged, and are denied nothing that they need. Node and Swift are
among the examples, which Tests/integration deploys; Python's http.server is the static site there."""

import os
import shutil
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness.case import SharedPlatformCase
from harness.http import ask_for_websocket
from harness.waiting import SLOWNESS

FLASK = """
from flask import Flask, request, session
import os, sqlite3, tempfile
app = Flask(__name__)
app.secret_key = "for a test"

@app.route("/", methods=["GET", "POST"])
def index():
    with sqlite3.connect("/data/app.db") as db:
        db.execute("create table if not exists visits (n integer)")
        db.execute("insert into visits values (1)")
        visits = db.execute("select count(*) from visits").fetchone()[0]
    with tempfile.NamedTemporaryFile() as file:
        file.write(request.get_data())
    session["seen"] = True
    return {"visits": visits, "pid": os.getpid(), "body": request.get_data(as_text=True)}
"""

WEBSOCKET = """
import asyncio, os, websockets

async def echo(socket, path=None):
    async for message in socket:
        await socket.send(message.upper())

async def main():
    async with websockets.serve(echo, "127.0.0.1", int(os.environ["PORT"])):
        await asyncio.Future()

asyncio.run(main())
"""

GO = """
package main

import (
    "fmt"
    "net/http"
    "os"
    "runtime"
)

func main() {
    http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
        done := make(chan int)
        for i := 0; i < 100; i++ {
            go func(i int) { done <- i }(i)
        }
        sum := 0
        for i := 0; i < 100; i++ {
            sum += <-done
        }
        fmt.Fprintf(w, "go says %d on %d", sum, runtime.NumGoroutine())
    })
    panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
"""

PHP = '<?php $n = (int)@file_get_contents("/data/n") + 1; file_put_contents("/data/n", $n); echo "php ", $n;'


def has_python_module(name):
    return subprocess.run(["/usr/bin/python3", "-c", f"import {name}"], capture_output=True, check=False).returncode == 0


class RealAppTests(SharedPlatformCase):
    def deploy(self, name, command, files):
        with tempfile.TemporaryDirectory() as source:
            for file, content in files.items():
                if isinstance(content, Path):
                    shutil.copy(content, Path(source, file))
                else:
                    Path(source, file).write_text(content, encoding="utf-8")
            self.platform.paas("deploy", command, "--name", name, "--source", source, "--health-path", "/")
        app = self.platform.app(name)
        self.assertEqual((app["status"], app["restarts"]), ("running", 0))
        return app

    @unittest.skipUnless(has_python_module("flask"), "no Flask (Debian package python3-flask)")
    def test_flask_with_sqlite_sessions_and_temporary_files(self):
        self.deploy("flask", "exec /usr/bin/python3 -m flask run --port $PORT", {"app.py": FLASK})
        first = self.platform.get("flask")
        self.assertIn("session=", first.headers["Set-Cookie"])
        again = self.platform.get("flask", method="POST", body=b"said")
        self.assertEqual((again.json["visits"] - first.json["visits"], again.json["body"]), (1, "said"))

    @unittest.skipUnless(shutil.which("gunicorn") and has_python_module("flask"),
                         "no gunicorn with Flask (Debian packages gunicorn, python3-flask)")
    def test_gunicorn_with_several_processes_that_comes_back_when_one_dies(self):
        self.deploy("gunicorn", "exec gunicorn --workers 3 --bind 127.0.0.1:$PORT app:app", {"app.py": FLASK})
        workers = {self.platform.get("gunicorn", headers={"Connection": "close"}).json["pid"] for _ in range(60)}
        self.assertGreater(len(workers), 1)
        self.platform.paas("exec", "gunicorn", "kill", "-KILL", str(min(workers)))
        self.assertEqual(self.platform.get("gunicorn").status, 200)
        self.assertEqual(self.platform.app("gunicorn")["restarts"], 0)

    @unittest.skipUnless(shutil.which("php"), "no php (Debian package php-cli)")
    def test_php_with_its_built_in_server(self):
        self.deploy("php", "exec php -S 127.0.0.1:$PORT index.php", {"index.php": PHP})
        first, second = (self.platform.get("php").text for _ in range(2))
        self.assertEqual(int(second.split()[1]) - int(first.split()[1]), 1)

    @unittest.skipUnless(shutil.which("go"), "no go (Debian package golang-go)")
    def test_static_go_binary(self):
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "main.go").write_text(GO, encoding="utf-8")
            # Linked by gcc: without cgo Debian's Go compiles its whole library first.
            subprocess.run(
                ["go", "build", "-ldflags", "-linkmode external -extldflags -static", "-o", "server", "main.go"],
                cwd=directory, check=True, capture_output=True, timeout=300 * SLOWNESS,
                env={**os.environ, "GOCACHE": f"{directory}/cache", "GO111MODULE": "off", "HOME": directory})
            self.deploy("go", "exec ./server", {"server": Path(directory, "server")})
        self.assertIn("go says 4950", self.platform.get("go").text)

    @unittest.skipUnless(has_python_module("websockets"), "no websockets (Debian package python3-websockets)")
    def test_websocket_server(self):
        with tempfile.TemporaryDirectory() as source:
            Path(source, "app.py").write_text(WEBSOCKET, encoding="utf-8")
            self.platform.paas("deploy", "exec /usr/bin/python3 app.py", "--name", "socket", "--source", source)
        with socket.create_connection(("127.0.0.1", self.platform.router_port), 30 * SLOWNESS) as wire:
            status, stream = ask_for_websocket(wire, "/apps/socket/")
            self.assertIn(b" 101 ", status)
            # RFC 6455: a final text frame with a mask, which is all zero here; the answer has none.
            wire.sendall(b"\x81\x85" + bytes(4) + b"hello")
            self.assertEqual(stream.read(7), b"\x81\x05HELLO")

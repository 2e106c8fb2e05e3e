# SPDX-License-Identifier: Apache-2.0
"""A second machine to talk to: a network namespace of the test's own, joined to the host by a pair of interfaces."""

import os
import select
import shutil
import subprocess

from .waiting import SLOWNESS

# Documentation addresses (RFC 5737): nobody's network.
HOST, PEER = "203.0.113.1", "203.0.113.2"

SERVER = """
import http.server, socket, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.client_address[0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
def answer_datagrams():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 8081))
    while True:
        data, peer = s.recvfrom(2048)
        s.sendto(data[::-1], peer)
threading.Thread(target=answer_datagrams, daemon=True).start()
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler)
print("up", flush=True)
server.serve_forever()
"""


class Outside:
    """Serves HTTP on PEER:8080, answering with the address of the client, and datagrams, reversed, on PEER:8081."""

    tcp_port, udp_port = 8080, 8081

    @staticmethod
    def unavailable():
        """Why there can be none on this machine, or None."""
        if shutil.which("ip") is None:
            return "needs ip of the package iproute2"
        probe = f"paasp{os.getpid() % 100_000}"
        made = subprocess.run(
            ["ip", "link", "add", probe, "type", "veth", "peer", "name", probe + "x"], capture_output=True, check=False)
        if made.returncode != 0:
            return f"needs pairs of network interfaces: {made.stderr.decode().strip()}"
        subprocess.run(["ip", "link", "del", probe], check=True)
        return None

    def __init__(self):
        self.near, far = f"paasn{os.getpid() % 100_000}", f"paasf{os.getpid() % 100_000}"
        self.process = subprocess.Popen(
            ["unshare", "--net", "sh", "-ec", f"read go; ip link set lo up; ip addr add {PEER}/24 dev {far}; ip link set "
             f"{far} up; exec python3 -c '{SERVER.replace(chr(39), chr(34))}'"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self._wait_for_namespace()
            self._ip("link", "add", self.near, "type", "veth", "peer", "name", far, "netns", str(self.process.pid))
            self._ip("addr", "add", f"{HOST}/24", "dev", self.near)
            self._ip("link", "set", self.near, "up")
            self.process.stdin.write(b"go\n")
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], 30 * SLOWNESS)
            if not ready or self.process.stdout.readline() != b"up\n":
                raise AssertionError("the server outside did not come up")
        except BaseException:
            self.close()
            raise

    def _wait_for_namespace(self):
        """unshare(1) has entered its namespace once it has executed the shell."""
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.process.pid}/ns/net") == own:
            if self.process.poll() is not None:
                raise AssertionError("unshare ended")

    @staticmethod
    def _ip(*arguments):
        subprocess.run(["ip", *arguments], check=True)

    def close(self):
        """Takes everything down. The pair of interfaces goes with its namespace; taking down what is gone is no error."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        subprocess.run(["ip", "link", "del", self.near], capture_output=True, check=False)

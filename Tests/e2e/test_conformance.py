# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 byte by byte between a client, the router and an app without an HTTP library: what two readers could understand
differently. docs/router-conformance.md is the table of these cases and those of Tests/RouterTests."""

import socket

from harness.case import SharedPlatformCase
from harness.platform import TEST_APPS
from harness.waiting import SLOWNESS

CHUNKS = b"3\r\nabc\r\n0\r\n\r\n"
H2C = ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")


def request(line, *fields, body=b"", version="1.1"):
    head = [f"{line} HTTP/{version}", "Host: web.test", "Connection: close", *fields, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def post(*fields, body=b"abc", **more):
    return request("POST /apps/wire/x", *fields, body=body, **more)


def chunked(body):
    return post("Transfer-Encoding: chunked", body=body)


# name: request, status.
REFUSED = {
    "length beyond 63 bits": (post("Content-Length: 9223372036854775808"), 400),
    "chunk as large as 64 bits": (chunked(b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk as large as 63 bits": (chunked(b"7fffffffffffffff\r\nabc\r\n0\r\n\r\n"), 400),
    "white space in a chunk extension": (chunked(b"3 ; a = b\r\nabc\r\n0\r\n\r\n"), 400),
    "trailer that routes": (chunked(b"3\r\nabc\r\n0\r\nHost: other\r\n\r\n"), 400),
    "empty element before chunked": (post("Transfer-Encoding: ,chunked", body=CHUNKS), 501),
    "empty element after chunked": (post("Transfer-Encoding: chunked,", body=CHUNKS), 400),
    "identity": (post("Transfer-Encoding: identity", body=CHUNKS), 400),
    "coding and length": (post("Transfer-Encoding: gzip", "Content-Length: 3"), 400),
    "length and chunked behind h2c": (post(*H2C, "Content-Length: 3", "Transfer-Encoding: chunked", body=CHUNKS), 400),
    "absolute form without Host": (b"GET http://other.test/apps/wire/x HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
    "CONNECT with a path": (request("CONNECT /apps/wire/x"), 405),
    "expectation in a list": (post("Expect: 100-continue, miracles", "Content-Length: 3"), 417),
}

# name: request, what the app sees of it, what it does not see.
PASSED = {
    "absolute form wins over Host": (
        request("GET http://other.test/apps/wire/x"), ["GET /x HTTP/1.1", "Host: other.test", "X-Forwarded-Host: other.test"], ["web.test"]),
    "absolute form names the app": (request("GET http://wire.localhost/y"), ["GET /y HTTP/1.1", "Host: wire.localhost"], ["Prefix"]),
    "GET with a length": (request("GET /apps/wire/x", "Content-Length: 3", body=b"abc"), ["Content-Length: 3", "\r\n\r\nabc"], []),
    "GET with chunks": (request("GET /apps/wire/x", "Transfer-Encoding: chunked", body=CHUNKS), ["Transfer-Encoding: chunked", CHUNKS.decode()], []),
    "TRACE": (request("TRACE /apps/wire/x"), ["TRACE /x HTTP/1.1"], []),
    "chunked in any case, tab behind it": (
        post("tRANSFER-eNCODING: cHuNkEd\t", body=CHUNKS), ["Transfer-Encoding: chunked\r\n", CHUNKS.decode()], ["cHuNkEd"]),
    "chunk size with zeros": (chunked(b"00A\r\n0123456789\r\n000\r\n\r\n"), ["a\r\n0123456789\r\n0\r\n\r\n"], ["00A"]),
    "length with zeros and white space": (post("Content-Length:  0003 \t"), ["Content-Length: 3\r\n", "\r\n\r\nabc"], [": 0003"]),
    "framing with an underscore": (
        post("Transfer_Encoding: chunked", "Content_Length: 9", "Content-Length: 3"), ["Content-Length: 3\r\n"], ["_"]),
    "trailers that belong into the head": (
        chunked(b"3\r\nabc\r\n0\r\nAuthorization: Basic x\r\nX-Sum: 1\r\nContent_Type: y\r\nIf-Match: z\r\n\r\n"),
        ["3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"], ["Authorization", "Content_Type", "If-Match"]),
    "trailer in the router's name": (chunked(b"3\r\nabc\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"), [CHUNKS.decode()], ["6.6.6.6"]),
    "Connection names what is not its own": (
        post("Connection: Host, Content-Length, X-Forwarded-For, X-Request-Id", "Content-Length: 3"),
        ["Host: web.test", "Content-Length: 3", "X-Forwarded-For: 127.0.0.1", "X-Request-Id: ", "\r\n\r\nabc"], []),
    "Connection names chunked": (post("Connection: Transfer-Encoding", "Transfer-Encoding: chunked", body=CHUNKS), [CHUNKS.decode()], []),
    "Connection names a field": (post("Connection: X-Hop", "X-Hop: 1", "Content-Length: 3"), [], ["X-Hop"]),
    "upgrade to h2c with a body": (post(*H2C, "Content-Length: 3"), ["Content-Length: 3"], ["h2c", "HTTP2-Settings", "Upgrade"]),
    "upgrade to h2c or WebSocket": (request("GET /apps/wire/x", "Connection: Upgrade", "Upgrade: h2c, websocket"), [], ["h2c", "Upgrade"]),
    "upgrade that Connection does not name": (request("GET /apps/wire/x", "Upgrade: websocket"), [], ["Upgrade"]),
    "upgrade in 1.0": (request("GET /apps/wire/x", "Connection: Upgrade", "Upgrade: websocket", version="1.0"), [], ["Upgrade"]),
    "expectation without a body": (request("GET /apps/wire/x", "Expect: 100-continue"), [], ["Expect"]),
    "expectation in 1.0": (post("Expect: 100-continue", "Content-Length: 3", version="1.0"), ["\r\n\r\nabc"], ["Expect"]),
    "expectation, and the body at once": (post("Expect: 100-continue", "Content-Length: 3"), ["\r\n\r\nabc"], []),
    "encoded line break in the target": (request("GET /apps/wire/x%0d%0aX-A:%201"), ["GET /x%0d%0aX-A:%201 HTTP/1.1"], ["\r\nX-A"]),
    "dots in the target": (request("GET /apps/wire/../other/x"), ["GET /../other/x HTTP/1.1"], []),
}

# name: what the app says.
NONSENSE = {
    "length list": b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
    "length with plus": b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
    "length with minus": b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
    "space before colon": b"HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc",
    "chunked twice in a list": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 3\r\n\r\nabc",
    "bare CR in a value": b"HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: b\r\nContent-Length: 3\r\n\r\nabc",
    "h2c that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "17 interim answers": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17 + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
}

# name: method, what the app says, how the answer begins, how it ends.
ANSWERED = {
    "HEAD with a body": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", b"\r\n\r\n"),
    "204 with a body": ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", b"HTTP/1.1 204 No Content\r\nConnection", b"\r\n\r\n"),
    "204 with chunks": ("GET", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, b"HTTP/1.1 204 No Content\r\nConnection", b"\r\n\r\n"),
    "304 with a body": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nabc", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n", b"\r\n\r\n"),
    "304 with chunks": ("GET", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, b"HTTP/1.1 304 Not Modified\r\nConnection", b"\r\n\r\n"),
    "no reason": ("GET", b"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc", b"HTTP/1.1 200 \r\n", b"\r\n\r\nabc"),
    "interim answer with a length": (
        "GET", b"HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"HTTP/1.1 200 OK\r\n", b"\r\n\r\nabc"),
    "16 interim answers": (
        "GET", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 16 + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"HTTP/1.1 103 ", b"\r\n\r\nabc"),
    "another answer behind it": (
        "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"HTTP/1.1 200 OK\r\n", b"\r\n\r\nabc"),
}

# name: what the app says. The head may have been passed on; the end of the body must not look like one.
CUT = {
    "chunk size with plus": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
    "chunk sizes that end in LF": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
}


class ConformanceTests(SharedPlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.paas("deploy", "--name", "wire", "--source", TEST_APPS / "wire")

    def exchange(self, sent):
        """All that comes until the router closes."""
        with socket.create_connection(("127.0.0.1", self.platform.router_port), 20 * SLOWNESS) as wire:
            wire.sendall(sent)
            with wire.makefile("rb") as stream:
                return stream.read()

    def answer_to(self, said, method="GET"):
        return self.exchange(request(f"{method} /apps/wire/raw/{said.hex()}"))

    def test_requests_that_two_readers_could_understand_differently_are_refused(self):
        for name, (sent, status) in REFUSED.items():
            with self.subTest(name):
                answer = self.exchange(sent + b"GET /apps/wire/smuggled HTTP/1.1\r\nHost: web.test\r\n\r\n")
                self.assertRegex(answer, rb"^HTTP/1\.1 %d " % status)
                self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)
        self.assertNotIn(b"smuggled", self.exchange(request("GET /apps/wire/seen")))

    def test_requests_that_are_passed_on_mean_one_thing_to_the_app(self):
        for name, (sent, seen, hidden) in PASSED.items():
            with self.subTest(name):
                head, _, body = self.exchange(sent).decode("latin-1").removeprefix("HTTP/1.1 100 Continue\r\n\r\n").partition("\r\n\r\n")
                self.assertRegex(head, r"^HTTP/1\.1 200 ")
                for text in seen:
                    self.assertIn(text, body)
                for text in hidden:
                    self.assertNotIn(text, body)

    def test_answers_that_two_readers_could_understand_differently_are_502(self):
        for name, said in NONSENSE.items():
            with self.subTest(name):
                answer = self.answer_to(said)
                self.assertRegex(answer, rb"^(HTTP/1\.1 103 Early Hints\r\n\r\n){0,16}HTTP/1\.1 502 ")
                self.assertNotIn(b"abc", answer)

    def test_answers_end_where_their_status_says(self):
        for name, (method, said, beginning, end) in ANSWERED.items():
            with self.subTest(name):
                answer = self.answer_to(said, method)
                self.assertTrue(answer.startswith(beginning) and answer.endswith(end), answer)
                self.assertNotIn(b"evil", answer)

    def test_bodies_that_break_the_rules_are_cut(self):
        for name, said in CUT.items():
            with self.subTest(name):
                self.assertFalse(self.answer_to(said).endswith(b"0\r\n\r\n"))

    def test_bytes_behind_an_answer_are_never_the_next_one(self):
        said = b"HTTP/1.1 200 OK\r\nContent-Length: 34\r\n\r\nHTTP/1.1 404 Evil\r\nX: 1234567890\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.platform.router_port), 20 * SLOWNESS) as wire, wire.makefile("rb") as stream:
            for _ in range(20):
                wire.sendall(b"HEAD /apps/wire/raw/" + said.hex().encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertIn(b" 200 ", stream.readline())
                while stream.readline() != b"\r\n":
                    pass
                wire.sendall(b"HEAD /apps/wire/x HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertIn(b" 200 ", stream.readline())
                while stream.readline() != b"\r\n":
                    pass

    def test_an_answer_before_the_end_of_the_request_ends_the_connection(self):
        early = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"
        answer = self.exchange(
            b"POST /apps/wire/raw/" + early.hex().encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nabc"
            b"GET /apps/wire/x HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertRegex(answer, rb"^HTTP/1\.1 413 [^\0]*\r\nConnection: close\r\n")
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)

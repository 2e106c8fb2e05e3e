#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""router-seeds.py TARGET DIRECTORY: what the router's fuzzers begin with, a file each: the messages, targets and addresses of
Tests/RouterTests and Tests/e2e/test_conformance.py."""

import re
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "e2e")]

import test_conformance as conformance  # noqa: E402

ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", '"': '"', "\\": "\\"}


def literals(*names):
    """The string literals of Swift files, those that are continued by + joined."""
    for name in names:
        text = (TESTS / f"RouterTests/{name}.swift").read_text()
        text = re.sub(r'"\s*\+\s*"', "", text)
        for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', text):
            yield re.sub(
                r"\\(u\{([0-9A-Fa-f]+)\}|.)", lambda found: chr(int(found[2], 16)) if found[2] else ESCAPES.get(found[1], "x"), literal)


def requests():
    head = "POST /apps/web/x HTTP/1.1\r\nHost: a\r\n"
    for text in literals("FramingTests", "CodecTests", "ProxyTests"):
        if " HTTP/" in text and not text.startswith("HTTP/"):
            yield text.encode()
        elif re.match(r"[A-Za-z_-]+:", text):
            yield f"{head}{text}\r\n\r\nabc".encode()
        elif text.endswith("\r\n"):
            yield f"{head}Transfer-Encoding: chunked\r\n\r\n{text}".encode()
    for sent, *_ in [*conformance.REFUSED.values(), *conformance.PASSED.values()]:
        yield sent


def answers():
    for text in literals("FailureTests", "ProxyTests", "StreamingTests"):
        if text.startswith("HTTP/1."):
            yield text.encode()
        elif re.match(r"[A-Za-z_-]+:", text):
            yield f"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n{text}\r\n\r\nabc".encode()
    yield from conformance.NONSENSE.values()
    yield from conformance.CUT.values()
    for _, said, *_ in conformance.ANSWERED.values():
        yield said


def chunks():
    for text in literals("FramingTests", "CodecTests", "ProxyTests"):
        if text.endswith("\r\n\r\n"):
            yield text.partition("\r\n\r\n")[2].encode() or text.encode()


def routing():
    for text in literals("RequestRoutingTests"):
        yield text.encode() + b"\nweb.localhost"
        yield b"/apps/web/x\n" + text.encode()


def rewriting():
    for text in literals("PublicAddressTests"):
        yield text.encode()


def http2():
    for text in literals("HTTP2Tests"):
        name, _, value = text.partition(": ")
        yield b"\0".join([b":method\tPOST", b":scheme\thttps", b":path\t/apps/web/", b":authority\ta", f"{name}\t{value}".encode()])
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 3, 1, 4, 0, 0, 0, 1, 130, 134, 132])


def main():
    target, directory = sys.argv[1], Path(sys.argv[2])
    options = {"answers": [b"\x04", b"\x05", b"\x06"]}.get(target, [b""])
    seeds = {cut + option + seed for seed in globals()[target]() for option in options for cut in (b"\x01", b"\x9d")}
    for number, seed in enumerate(sorted(seeds)):
        (directory / f"{number:05}").write_bytes(seed)


if __name__ == "__main__":
    main()

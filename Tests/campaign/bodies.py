# SPDX-License-Identifier: Apache-2.0
"""Bodies that nobody should accept. Each is made for a content type: the header that frames it, and its pieces as they are
sent."""

import json
import random
import time

CHUNK = 64 << 10
MIB = 1 << 20
# Bytes after which a body without an end is given up.
ENDLESS = 32 * MIB
CHUNKED = "Transfer-Encoding: chunked"
RIGHT = json.dumps({"name": "right", "command": ["sleep", "1"], "env": {"A": "1"}, "instances": 2, "scope": "read"}).encode()


def whole(body, declared=None):
    """With its length, or with a wrong one."""
    length = len(body) if declared is None else declared
    return f"Content-Length: {length}", [body[at:at + CHUNK] for at in range(0, len(body), CHUNK)]


def endless(filling=b" "):
    """Chunks of 64 KiB, and no end."""
    piece = f"{CHUNK:x}\r\n".encode() + filling * CHUNK + b"\r\n"
    return CHUNKED, (piece for _ in range(ENDLESS // CHUNK))


def slow(body):
    """A byte at a time. The pauses are what is tried."""
    def pieces():
        for byte in body:
            time.sleep(0.01)
            yield bytes([byte])
    return f"Content-Length: {len(body)}", pieces()


def streams(kind):
    """Bodies of this type are passed on as they come; they have no limit of their own, or a large one."""
    return kind == "application/octet-stream"


def held(kind):
    """A body just below the limit whose last byte never comes; of a session, its first frame."""
    if kind == "application/json":
        return b'{"name": "held", "command": "' + b"x" * (MIB - 200)
    return b"\1" + (MIB - 1).to_bytes(4, "big") + b"x" * (MIB - 200)


def mutated(seed):
    """A right body after some bytes were changed, doubled or taken away."""
    def make(_):
        dice, body = random.Random(seed), bytearray(RIGHT)
        for _ in range(dice.randint(1, 6)):
            at = dice.randrange(len(body))
            how = dice.randrange(4)
            if how == 0:
                body[at] = dice.randrange(256)
            elif how == 1:
                del body[at:at + dice.randint(1, 8)]
            elif how == 2:
                body[at:at] = body[at:at + dice.randint(1, 8)] * dice.randint(1, 500)
            else:
                body[at:at] = dice.choice([b"\x00", b"\xff\xfe", b'"', b"{", b"[", b"1e999", b"-0", b"\\ud800", b"null"])
            if not body:
                break
        return whole(bytes(body))
    return make


BODIES = {
    "a length beyond every limit": lambda kind: whole(b"x" * 1000, declared=1 << 40),
    "20 MiB": lambda kind: whole(b"[" + b" " * (20 * MIB)),
    "endless": lambda kind: endless(),
    "endless, of zeros": lambda kind: endless(b"\0"),
    "slow": lambda kind: slow(b"[" * 100),
    "a million brackets": lambda kind: whole(b"[" * (MIB - 8)),
    "objects in objects": lambda kind: whole(b'{"a":' * 200_000),
    "many small values": lambda kind: whole(b'{"name":[' + b"[]," * 340_000 + b"[]]}"),
    "many keys": lambda kind: whole(b"{" + b",".join(b'"k%x":0' % number for number in range(80_000)) + b"}"),
    "a large number": lambda kind: whole(b'{"instances":' + b"9" * 900_000 + b"}"),
    "a string of escapes": lambda kind: whole(b'{"name":"' + b"\\u0000" * 170_000 + b'"}'),
    "not UTF-8": lambda kind: whole(b'{"name":"' + b"\xff\xfe" * 1000 + b'"}'),
    "half a body": lambda kind: whole(RIGHT[: len(RIGHT) // 2]),
    "no body": lambda kind: whole(b"\n"),
    "a chunk without a size": lambda kind: (CHUNKED, [b"xyz\r\n{}\r\n0\r\n\r\n"]),
    "two lengths": lambda kind: ("Content-Length: 5\r\nContent-Length: 6", [b"{    }"]),
    "a length and chunks": lambda kind: (f"Content-Length: 5\r\n{CHUNKED}", [b"x\r\n"]),
}

# SPDX-License-Identifier: Apache-2.0
"""WebSocket (RFC 6455, RFC 7692) through the router to Debian's `websockets`. What matters to a proxy: nothing is lost, joined,
held back or ended too early. `Tests/campaign/run websocket` asks the same app all questions of the Autobahn test suite."""

import asyncio
import contextlib
import importlib.util
import socket
import struct
import unittest
from pathlib import Path

from harness.case import SharedPlatformCase
from harness.http import ask_for_websocket
from harness.waiting import SLOWNESS

APP = Path(__file__).resolve().parents[1] / "campaign/apps/websocket"
MORE, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = bytes(4)  # Of zeros, so that what is sent is what is written here.


def frame(kind, payload=b"", final=True):
    """One frame of a client."""
    if len(payload) < 126:
        length = bytes([0x80 | len(payload)])
    elif len(payload) < 65_536:
        length = b"\xfe" + struct.pack(">H", len(payload))
    else:
        length = b"\xff" + struct.pack(">Q", len(payload))
    return bytes([final << 7 | kind]) + length + MASK + payload


def next_frame(stream):
    """Kind and payload of a final frame; nothing at the end of the stream."""
    head = stream.read(2)
    if len(head) < 2:
        return None
    length = head[1]
    if length == 126:
        length, = struct.unpack(">H", stream.read(2))
    elif length == 127:
        length, = struct.unpack(">Q", stream.read(8))
    return head[0] & 0x0F, stream.read(length)


@unittest.skipUnless(importlib.util.find_spec("websockets"), "no websockets (Debian package python3-websockets)")
class WebSocketTests(SharedPlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.paas("deploy", "--name", "echo", "--source", APP)

    @contextlib.contextmanager
    def open(self):
        """A socket behind its handshake, and a file of what comes."""
        with socket.create_connection(("127.0.0.1", self.platform.router_port), 60 * SLOWNESS) as wire:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            status, stream = ask_for_websocket(wire, "/apps/echo/")
            with stream:
                self.assertIn(b" 101 ", status)
                yield wire, stream

    def test_pings_between_the_fragments_of_a_message_are_answered(self):
        with self.open() as (wire, stream):
            wire.sendall(frame(TEXT, b"one ", final=False) + frame(PING, b"a"))
            self.assertEqual(next_frame(stream), (PONG, b"a"))
            wire.sendall(frame(MORE, b"two ", final=False) + frame(PING, b"b"))
            self.assertEqual(next_frame(stream), (PONG, b"b"))
            wire.sendall(frame(MORE, b"three"))
            self.assertEqual(next_frame(stream), (TEXT, b"one two three"))

    def test_message_of_fragments_of_one_byte_in_segments_of_one_byte(self):
        text = "κόσμε".encode() * 20
        frames = b"".join(
            frame(MORE if place else TEXT, text[place:place + 1], final=place == len(text) - 1) for place in range(len(text)))
        with self.open() as (wire, stream):
            for place in range(len(frames)):
                wire.sendall(frames[place:place + 1])
            self.assertEqual(next_frame(stream), (TEXT, text))

    def test_message_of_16_mebibytes_comes_back_whole(self):
        data = bytes(range(256)) * 65_536
        with self.open() as (wire, stream):
            wire.sendall(frame(BINARY, data))
            kind, came = next_frame(stream)
            self.assertEqual(kind, BINARY)
            self.assertTrue(came == data)

    def test_many_messages_in_one_segment_come_back_in_order(self):
        with self.open() as (wire, stream):
            wire.sendall(b"".join(frame(TEXT, b"%d" % number) for number in range(500)))
            for number in range(500):
                self.assertEqual(next_frame(stream), (TEXT, b"%d" % number))

    def test_text_that_is_not_utf8_is_the_apps_to_refuse(self):
        with self.open() as (wire, stream):
            wire.sendall(frame(TEXT, b"\xff\xfe"))
            kind, reason = next_frame(stream)
            self.assertEqual((kind, reason[:2]), (CLOSE, struct.pack(">H", 1007)))

    def test_client_closes(self):
        with self.open() as (wire, stream):
            wire.sendall(frame(CLOSE, struct.pack(">H", 1000) + b"done"))
            self.assertEqual(next_frame(stream), (CLOSE, struct.pack(">H", 1000) + b"done"))
            self.assertEqual(stream.read(), b"")

    def test_app_closes(self):
        with self.open() as (wire, stream):
            wire.sendall(frame(TEXT, b"close from your side"))
            self.assertEqual(next_frame(stream), (CLOSE, struct.pack(">H", 4001) + b"as asked"))
            wire.sendall(frame(CLOSE, struct.pack(">H", 4001)))
            self.assertEqual(stream.read(), b"")

    def test_client_that_has_said_everything_still_gets_its_answer(self):
        with self.open() as (wire, stream):
            wire.sendall(frame(BINARY, bytes(8 << 20)))
            # Once the answer is on its way: this app answers nobody who ended before that.
            stream.peek(1)
            wire.shutdown(socket.SHUT_WR)
            self.assertEqual(next_frame(stream), (BINARY, bytes(8 << 20)))

    def test_compression_is_negotiated_from_end_to_end(self):
        async def talk():
            import websockets
            address = f"ws://127.0.0.1:{self.platform.router_port}/apps/echo/"
            async with websockets.connect(address, compression="deflate", max_size=8 << 20) as connection:
                self.assertEqual([one.name for one in connection.extensions], ["permessage-deflate"])
                for size in (1, 1000, 1_000_000):
                    await connection.send("paas " * size)
                    self.assertEqual(await connection.recv(), "paas " * size)

        asyncio.run(asyncio.wait_for(talk(), 60 * SLOWNESS))

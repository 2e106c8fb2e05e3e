# SPDX-License-Identifier: Apache-2.0
"""The app of the campaign `websocket` and of Tests/e2e/test_websocket.py: Debian's `websockets` sends every message back."""

import asyncio
import os

import websockets


async def echo(socket, path=None):
    # No pings of its own: they would come between those that a test counts.
    async for message in socket:
        if message == "close from your side":
            await socket.close(4001, "as asked")
            return
        await socket.send(message)


async def main():
    async with websockets.serve(echo, "127.0.0.1", int(os.environ["PORT"]), max_size=32 << 20, ping_interval=None):
        await asyncio.Future()


asyncio.run(main())

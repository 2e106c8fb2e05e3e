# SPDX-License-Identifier: Apache-2.0
"""The app of the campaign `slow-clients`: waits for every body to its end, however long that takes; `/big` is 16 MiB."""

import asyncio
import os

BLOCK, BLOCKS = bytes(65_536), 256


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            if "content-length: " in head:
                await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
            block, blocks = (BLOCK, BLOCKS) if head.split()[1] == "/big" else (b"hello\n", 1)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(block) * blocks))
            for _ in range(0 if head.startswith("head ") else blocks):
                writer.write(block)
                await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]), backlog=1024):
        await asyncio.Future()


asyncio.run(main())

# SPDX-License-Identifier: Apache-2.0
"""Prints numbered lines as fast as they are taken, until SIGTERM; then writes to /data/printed how many of each stream.

A line is `NUMBER padding.`, complete only with its full stop. For every block of lines on standard output there is one line
on standard error.
"""

import os
import signal
import socket

LINES_A_BLOCK = 1000
PADDING = b"x" * 60


def put(stream, block):
    left = memoryview(block)
    while left:
        left = left[os.write(stream, left):]


def main():
    ending = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
    server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    printed = [0, 0]
    while not ending:
        first = printed[0] + 1
        put(1, b"".join(b"%d %s.\n" % (number, PADDING) for number in range(first, first + LINES_A_BLOCK)))
        printed[0] += LINES_A_BLOCK
        printed[1] += 1
        put(2, b"%d %s.\n" % (printed[1], PADDING))
    with open("/data/printed", "w", encoding="ascii") as file:
        file.write(f"{printed[0]} {printed[1]}\n")
    server.close()


main()

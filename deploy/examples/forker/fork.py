#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Starts daemons that leave its session and process group, then dies: none of them may outlive it.

Each daemon forks twice and calls setsid(2), as classic Unix daemons do. No process group and no session reaches them
any more; the app's cgroup and pid namespace do.
"""

import os
import signal
import sys
import time

DAEMONS = 5


def daemonize():
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


for _ in range(DAEMONS):
    daemonize()
print(f"forker: {DAEMONS} daemons left behind, I die in 5 s", flush=True)
time.sleep(5)
sys.exit(1)

# SPDX-License-Identifier: Apache-2.0
"""The campaigns' app: numbers every line it prints, and writes down how it is going to end before it does.

The journal is /data/journal, one line a write(2), so that instances which share it never mix:

    begin TOKEN SLOT RELEASE NANOSECONDS
    end TOKEN code:17|signal:11 STDOUT-LINES STDERR-LINES NANOSECONDS

TOKEN names the run; it is also the process's name (/proc/PID/comm), by which a campaign finds the process it kills.
A line is `TOKEN o|e NUMBER padding.`, complete only with its full stop. While /data/calm exists nothing ends by itself.

What it does comes from the environment: SEED; LIFE=A-B seconds until it ends by itself (without: never); ENDS=code,signal;
STOP=polite|signal|deaf, the answer to SIGTERM; RATE lines a second; BURST lines at once now and then; DAEMONS; SILENT=1
does not listen. Only modules built into the interpreter: a campaign starts this some ten thousand times.
"""

import _signal
import _socket
import binascii
import posix
import select
import time

SIGNALS = (2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 31, 40)
ENVIRONMENT = {key.decode(): value.decode() for key, value in posix.environ.items()}


class Dice:
    """A small generator (MINSTD); the module `random` takes longer to load than many a run lasts."""

    def __init__(self, text):
        self.state = binascii.crc32(text.encode()) % 0x7FFFFFFE + 1

    def below(self, limit):
        self.state = self.state * 48271 % 0x7FFFFFFF
        return self.state % limit

    def between(self, low, high):
        return low + (high - low) * self.below(10_000) / 10_000


class Run:
    def __init__(self):
        self.token = binascii.hexlify(posix.urandom(6)).decode()
        self.journal = posix.open("/data/journal", posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT, 0o644)
        self.dice = Dice(f"{ENVIRONMENT.get('SEED')}/{ENVIRONMENT['PAAS_APP']}/{posix.fstat(self.journal).st_size}")
        self.printed = [0, 0]
        name_process(self.token)
        self.write_down(f"begin {self.token} {ENVIRONMENT['PAAS_INSTANCE']} {ENVIRONMENT['PAAS_RELEASE']}")

    def write_down(self, text):
        posix.write(self.journal, f"{text} {time.time_ns()}\n".encode())

    def say(self, stream, count=1):
        for _ in range(count):
            self.printed[stream] += 1
            padding = "x" * self.dice.below(120)
            line = f"{self.token} {'oe'[stream]} {self.printed[stream]} {padding}.\n".encode()
            # A pipe takes a line of less than 4 KiB whole or not at all (PIPE_BUF).
            posix.write(1 + stream, line)

    def end(self, kind, number):
        self.say(self.dice.below(2))
        self.write_down(f"end {self.token} {kind}:{number} {self.printed[0]} {self.printed[1]}")
        if kind == "code":
            posix._exit(number)
        if number != _signal.SIGKILL:
            _signal.signal(number, _signal.SIG_DFL)
        posix.kill(posix.getpid(), number)
        while True:
            _signal.pause()

    def end_somehow(self, kinds):
        kind = kinds[self.dice.below(len(kinds))]
        if kind == "signal":
            self.end(kind, SIGNALS[self.dice.below(len(SIGNALS))])
        code = self.dice.below(256)
        # Before an app was ever ready these two mean that its command cannot be run, and it is not started again.
        self.end(kind, 7 if code in (126, 127) else code)


def name_process(name):
    descriptor = posix.open("/proc/self/comm", posix.O_WRONLY)
    posix.write(descriptor, name.encode())
    posix.close(descriptor)


def start_daemons(count):
    """By the book: fork, setsid, fork; deaf to SIGTERM, with the app's pipes still open."""
    for _ in range(count):
        child = posix.fork()
        if child == 0:
            posix.setsid()
            if posix.fork() == 0:
                _signal.signal(_signal.SIGTERM, _signal.SIG_IGN)
                name_process("daemon")
                while True:
                    _signal.pause()
            posix._exit(0)
        posix.waitpid(child, 0)


def listen():
    server = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    server.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", int(ENVIRONMENT["PORT"])))
    server.listen(64)
    return server


def answer(server, token):
    descriptor, _ = server._accept()
    client = _socket.socket(fileno=descriptor)
    client.settimeout(2)
    try:
        client.recv(65_536)
        client.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(token), token.encode()))
    except OSError:
        pass
    client.close()


def calm():
    try:
        posix.stat("/data/calm")
        return True
    except OSError:
        return False


def main():
    run = Run()
    # Python ignores some signals and catches others; here every one but SIGTERM does what the kernel says.
    for number in (_signal.SIGINT, _signal.SIGPIPE, 25):
        _signal.signal(number, _signal.SIG_DFL)
    asked, asking = posix.pipe()
    posix.set_blocking(asking, False)
    _signal.set_wakeup_fd(asking)
    stop = ENVIRONMENT.get("STOP", "polite")
    _signal.signal(_signal.SIGTERM, _signal.SIG_IGN if stop == "deaf" else lambda *_: None)

    life = ENVIRONMENT.get("LIFE")
    kinds = ENVIRONMENT.get("ENDS", "code,signal").split(",")
    ends_at = time.monotonic() + run.dice.between(*map(float, life.split("-"))) if life else None
    pause = 1 / float(ENVIRONMENT.get("RATE", "5"))
    burst = int(ENVIRONMENT.get("BURST", "0"))
    start_daemons(int(ENVIRONMENT.get("DAEMONS", "0")))
    server = None
    while True:
        # A silent app would at last be ended for not listening, and a calm one must stay.
        if server is None and (not ENVIRONMENT.get("SILENT") or calm()):
            server = listen()
        readable, _, _ = select.select([asked] + ([server.fileno()] if server else []), [], [], pause)
        if asked in readable:
            if stop == "signal":
                run.end("signal", int(_signal.SIGTERM))
            run.end("code", 0 if run.dice.below(2) else 100 + run.dice.below(100))
        if server and server.fileno() in readable:
            answer(server, run.token)
        if ends_at and time.monotonic() >= ends_at and not calm():
            run.end_somehow(kinds)
        run.say(run.dice.below(2), burst if burst and run.dice.below(40) == 0 else 1)


main()

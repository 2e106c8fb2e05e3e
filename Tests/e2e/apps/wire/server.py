# SPDX-License-Identifier: Apache-2.0
"""An app without an HTTP library, for Tests/e2e/test_conformance.py: what it gets and says are bytes.

Any path is answered with the request as it came, body included. `/raw/HEX` is answered with those bytes, before any body is
read; `/raw-close/HEX` too, and then the connection ends. `/seen` tells the request lines of all connections.
"""

import os
import socketserver
import threading

seen, lock = [], threading.Lock()


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        while head := self.head():
            with lock:
                seen.append(head.split(b"\r\n")[0])
            path = head.split(b" ")[1].decode("latin-1")
            if path.startswith(("/raw/", "/raw-close/")):
                self.wfile.write(bytes.fromhex(path.rpartition("/")[2]))
                if path.startswith("/raw-close/"):
                    return
                continue
            body = self.body(head.lower())
            if body is None:
                return
            answer = b"\n".join(seen) if path == "/seen" else head + body
            if head.startswith(b"HEAD "):
                answer = b""
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    def head(self):
        """With its empty line; nothing at the end of the stream."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return b""
            head += line
        return head

    def body(self, head):
        """As framed by the head, with the framing; nothing when it is not whole."""
        if b"\r\ntransfer-encoding: chunked\r\n" in head:
            body, size = b"", 1
            while size:
                line = self.rfile.readline()
                if not line:
                    return None
                size = int(line, 16)
                body += line + (self.rfile.read(size + 2) if size else b"")
            while not body.endswith(b"\r\n\r\n"):
                # Trailers, and the empty line.
                line = self.rfile.readline()
                if not line:
                    return None
                body += line
            return body
        length = int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0] or 0)
        body = self.rfile.read(length)
        return body if len(body) == length else None


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128
    daemon_threads = True


Server(("127.0.0.1", int(os.environ["PORT"])), Connection).serve_forever()

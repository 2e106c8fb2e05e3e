// SPDX-License-Identifier: Apache-2.0
// A web server in one file of Swift, on POSIX sockets alone: one connection at a time, one answer a connection.
// Enough to show a compiled app; for real use take a server library.

import Glibc

setvbuf(stdout, nil, Int32(_IOLBF), 0)
signal(SIGPIPE, SIG_IGN)

func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}

func fail(_ operation: String) -> Never {
    print("\(operation): \(String(cString: strerror(errno)))")
    exit(1)
}

/// A socket that listens on 127.0.0.1.
func listener(port: UInt16) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { fail("socket") }
    var yes: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let bound = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard bound == 0 else { fail("bind to port \(port)") }
    guard listen(descriptor, 64) == 0 else { fail("listen") }
    return descriptor
}

/// Reads a request up to the end of its head; nil when the peer closes, stalls, or sends more than 16 KiB.
func requestHead(from connection: Int32) -> String? {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while bytes.count < 16_384 {
        let count = read(connection, &buffer, buffer.count)
        guard count > 0 else { return nil }
        bytes += buffer[..<count]
        let head = String(decoding: bytes, as: UTF8.self)
        if head.contains("\r\n\r\n") { return head }
    }
    return nil
}

func answer(_ connection: Int32, status: String, body: String) {
    let head = "HTTP/1.1 \(status)\r\nContent-Type: text/plain; charset=utf-8\r\n"
    var bytes = Array("\(head)Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)".utf8)[...]
    while !bytes.isEmpty {
        let count = bytes.withUnsafeBytes { write(connection, $0.baseAddress, $0.count) }
        guard count > 0 else { return }
        bytes = bytes.dropFirst(count)
    }
}

guard let port = environment("PORT").flatMap({ UInt16($0) }) else {
    print("PORT is not set to a port number")
    exit(1)
}
let server = listener(port: port)
print("listening on 127.0.0.1:\(port)")
var served = 0
while true {
    let connection = accept(server, nil, nil)
    guard connection >= 0 else { continue }
    var patience = timeval(tv_sec: 5, tv_usec: 0)
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    if let head = requestHead(from: connection) {
        served += 1
        if head.hasPrefix("GET / ") {
            let release = environment("PAAS_RELEASE") ?? "-"
            answer(connection, status: "200 OK", body: "Hello from Swift, release \(release), request \(served)\n")
        } else {
            answer(connection, status: "404 Not Found", body: "there is nothing here; try /\n")
        }
    }
    close(connection)
}

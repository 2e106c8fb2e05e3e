// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// TCP sockets over IPv4 (tcp(7)) that something else, such as NIO, then works with.
public enum TCPSocket {
    /// How far a connection has come.
    public enum State: Hashable, Sendable {
        case connecting
        case connected
        /// It was refused, or could not be made for this reason; errno(3).
        case failed(Int32)
    }

    /// Listens on 127.0.0.1.
    ///
    /// - Throws: `SystemError`, EADDRINUSE when somebody else has the port.
    public static func listenOnLoopback(port: UInt16) throws(SystemError) -> OwnedDescriptor {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let number = socket(AF_INET, type, 0)
        guard number >= 0 else { throw SystemError(operation: "socket", errno: errno) }
        let result = OwnedDescriptor(adopting: number)
        // Connections of an earlier agent may still be in TIME_WAIT; two listeners are excluded all the same.
        var yes: Int32 = 1
        guard setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            throw SystemError(operation: "setsockopt(SO_REUSEADDR)", errno: errno)
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isBound, listen(number, 1_024) == 0 else {
            throw SystemError(operation: "listen", path: "127.0.0.1:\(port)", errno: errno)
        }
        return result
    }

    /// The state of a socket that a connection was begun on; `failed(EPROTO)` for anything but an IPv4 TCP socket.
    public static func state(of socket: borrowing OwnedDescriptor) -> State {
        guard option(SO_DOMAIN, of: socket) == AF_INET, option(SO_PROTOCOL, of: socket) == Int32(IPPROTO_TCP) else {
            return .failed(EPROTO)
        }
        // Reading it clears it, so it comes first and decides.
        let error = option(SO_ERROR, of: socket) ?? EBADF
        guard error == 0 else { return .failed(error) }
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let hasPeer = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(socket.rawValue, $0, &size) == 0 }
        }
        if hasPeer { return .connected }
        return errno == ENOTCONN ? .connecting : .failed(errno)
    }

    private static func option(_ name: Int32, of socket: borrowing OwnedDescriptor) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(socket.rawValue, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
    }
}

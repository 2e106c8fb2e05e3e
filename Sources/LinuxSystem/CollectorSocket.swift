// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A connected socket to which much is written and from which nothing is read. Blocks the calling thread, for a bounded time.
public struct CollectorSocket: ~Copyable, Sendable {
    /// How long connecting, or one write, may take.
    private static let timeoutSeconds = 10
    /// Longest pause between two questions whether what was sent has arrived.
    private static let longestPauseMilliseconds: Int32 = 100
    private static let peerHasClosed = Int16(POLLERR) | Int16(POLLHUP) | 0x2000  // POLLRDHUP, poll(2)

    private let descriptor: OwnedDescriptor
    private let place: String

    private init(_ descriptor: consuming OwnedDescriptor, place: String) {
        self.descriptor = descriptor
        self.place = place
    }

    /// Connects to a host that is looked up (getaddrinfo(3)).
    ///
    /// - Parameters:
    ///   - host: an IP address or a host name.
    ///   - port: 1 to 65535.
    ///   - isStream: TCP, otherwise UDP.
    /// - Throws: `SystemError`.
    public static func connect(host: String, port: Int, isStream: Bool) throws(SystemError) -> CollectorSocket {
        let place = "\(host):\(port)"
        var hints = addrinfo()
        hints.ai_socktype = Int32(isStream ? SOCK_STREAM.rawValue : SOCK_DGRAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, "\(port)", &hints, &found)
        defer { if let found { freeaddrinfo(found) } }
        guard result == 0 else {
            throw SystemError(
                operation: "getaddrinfo", path: place, errno: result == EAI_SYSTEM ? errno : EHOSTUNREACH,
                hint: String(cString: gai_strerror(result)))
        }
        var failure: Int32 = EHOSTUNREACH
        var next = found
        while let address = next?.pointee {
            next = address.ai_next
            let number = socket(address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard number >= 0 else { throw SystemError(operation: "socket", path: place, errno: errno) }
            let descriptor = OwnedDescriptor(adopting: number)
            limitWaiting(number)
            if Glibc.connect(number, address.ai_addr, address.ai_addrlen) == 0 {
                return CollectorSocket(descriptor, place: place)
            }
            failure = errno == EINPROGRESS ? ETIMEDOUT : errno
        }
        throw SystemError(operation: "connect", path: place, errno: failure)
    }

    /// Connects to a Unix socket of datagrams, such as `/dev/log`.
    ///
    /// - Throws: `SystemError`.
    public static func connect(datagramsTo path: String) throws(SystemError) -> CollectorSocket {
        let number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw SystemError(operation: "socket", path: path, errno: errno) }
        let descriptor = OwnedDescriptor(adopting: number)
        limitWaiting(number)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw SystemError(operation: "connect", path: path, errno: ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        guard isConnected else { throw SystemError(operation: "connect", path: path, errno: errno) }
        return CollectorSocket(descriptor, place: path)
    }

    private static func limitWaiting(_ socket: Int32) {
        var limit = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Sends all bytes, of a datagram in one piece.
    ///
    /// - Throws: `SystemError`, ETIMEDOUT when nothing could be sent for ten seconds.
    public borrowing func send(_ bytes: [UInt8]) throws(SystemError) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor.rawValue, $0.baseAddress.map { $0 + sent }, $0.count - sent, Int32(MSG_NOSIGNAL)
                )
            }
            if count >= 0 {
                sent += count
            } else if errno != EINTR {
                throw SystemError(operation: "send", path: place, errno: errno == EAGAIN ? ETIMEDOUT : errno)
            }
        }
    }

    /// Returns when the other side's kernel has acknowledged everything that was sent over TCP (SIOCOUTQ, tcp(7)).
    ///
    /// The kernel tells nobody when that is so, so it is asked; but only while something is on its way.
    ///
    /// - Throws: `SystemError`, when the connection has ended, or nothing was acknowledged for ten seconds.
    public borrowing func waitUntilAcknowledged() throws(SystemError) {
        let start = MonotonicInstant.now
        var pause: Int32 = 1
        while true {
            var waiting: Int32 = 0
            guard ioctl(descriptor.rawValue, UInt(TIOCOUTQ), &waiting) == 0 else {
                throw SystemError(operation: "ioctl(SIOCOUTQ)", path: place, errno: errno)
            }
            // In this order: what was acknowledged on a connection that has ended since may not have been read.
            var state = pollfd(fd: descriptor.rawValue, events: Self.peerHasClosed, revents: 0)
            if poll(&state, 1, 0) > 0 { throw SystemError(operation: "send", path: place, errno: ECONNRESET) }
            if waiting == 0 { return }
            guard start.duration(to: .now) < .seconds(Self.timeoutSeconds) else {
                throw SystemError(operation: "send", path: place, errno: ETIMEDOUT)
            }
            poll(&state, 1, pause)
            pause = min(pause * 2, Self.longestPauseMilliseconds)
        }
    }
}

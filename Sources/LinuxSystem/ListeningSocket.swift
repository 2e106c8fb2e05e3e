// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// TCP sockets that listen before anybody serves them, or that another process has handed over.
public enum ListeningSocket {
    /// Binds an address and listens; non-blocking, with SO_REUSEADDR. May block on a name server.
    ///
    /// - Parameters:
    ///   - host: an IP address or a host name.
    ///   - port: 0 lets the kernel choose.
    ///   - backlog: connections that wait to be accepted (listen(2)).
    /// - Throws: `SystemError`, EADDRINUSE when somebody has it.
    public static func bind(host: String, port: UInt16, backlog: Int32 = 1_024) throws(SystemError) -> OwnedDescriptor {
        var problem: UnsafePointer<CChar>?
        let result = cls_tcp_listen(host, port, backlog, &problem)
        guard result >= 0 else {
            throw SystemError(
                operation: "listen", path: "\(host):\(port)", errno: -result, hint: problem.map { String(cString: $0) })
        }
        return OwnedDescriptor(adopting: result)
    }

    /// Has accepting never wait; also for every other process that has the socket.
    ///
    /// - Throws: `SystemError`.
    public static func makeNonBlocking(_ socket: borrowing OwnedDescriptor) throws(SystemError) {
        let flags = fcntl(socket.rawValue, F_GETFL)
        guard flags >= 0, fcntl(socket.rawValue, F_SETFL, flags | O_NONBLOCK) == 0 else {
            throw SystemError(operation: "fcntl(F_SETFL)", errno: errno)
        }
    }

    /// The sockets that a service manager, or an earlier process of ours, has opened for this one (sd_listen_fds(3)):
    /// `LISTEN_FDS` from descriptor 3 on, when `LISTEN_PID` is this process. By name, from `LISTEN_FDNAMES`.
    ///
    /// Takes the variables away, so that no child believes them to be its own. Call it once, in the process that serves
    /// the sockets.
    public static func inherited() -> [String: Shared<OwnedDescriptor>] {
        defer { for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) } }
        guard let pid = variable("LISTEN_PID").flatMap({ Int32($0) }), pid == getpid(),
            let count = variable("LISTEN_FDS").flatMap({ Int32($0) }), (1...Int32(UInt16.max)).contains(count)
        else { return [:] }
        let names = variable("LISTEN_FDNAMES")?.split(separator: ":", omittingEmptySubsequences: false) ?? []
        var sockets: [String: Shared<OwnedDescriptor>] = [:]
        for index in 0..<count {
            guard fcntl(3 + index, F_SETFD, FD_CLOEXEC) == 0 else { continue }
            let name = Int(index) < names.count ? String(names[Int(index)]) : "unknown"
            sockets[name] = Shared(OwnedDescriptor(adopting: 3 + index))
        }
        return sockets
    }

    /// Executes this program again, with descriptors that its ``inherited()`` finds. All others are closed.
    ///
    /// - Parameters:
    ///   - arguments: the new program's, the first one its name.
    ///   - sockets: those that come first are kept, where there are more than one variable can name.
    /// - Returns: only after an error; then the descriptors of this process are not what they were.
    public static func executeAgain(
        arguments: [String], keeping sockets: [(name: String, socket: Shared<OwnedDescriptor>)]
    ) -> SystemError {
        // One string of the environment is at most 128 KiB (MAX_ARG_STRLEN, execve(2)).
        var room = 120_000
        let kept = sockets.prefix { socket in
            room -= socket.name.utf8.count + 1
            return room > 0
        }
        // Above the numbers that they get, so that none is closed before it is copied.
        var parked: [(name: String, number: Int32)] = []
        for (name, socket) in kept {
            let number = fcntl(socket.value.rawValue, F_DUPFD_CLOEXEC, Int32(3 + kept.count))
            guard number >= 0 else { break }
            parked.append((name, number))
        }
        // Also what a library has opened without: the new run must not keep a stranger's socket open.
        let result = cls_close_on_exec_from(3)
        guard result >= 0 else { return SystemError(operation: "close_range", errno: -result) }
        for (index, descriptor) in parked.enumerated() { dup2(descriptor.number, Int32(3 + index)) }
        setenv("LISTEN_PID", "\(getpid())", 1)
        setenv("LISTEN_FDS", "\(parked.count)", 1)
        setenv("LISTEN_FDNAMES", parked.map(\.name).joined(separator: ":"), 1)
        var pointers = arguments.map { strdup($0) } + [nil]
        execv("/proc/self/exe", &pointers)
        return SystemError(operation: "execve", path: "/proc/self/exe", errno: errno)
    }

    /// Where a TCP socket listens: a numeric address, IPv6 without brackets, and the port.
    ///
    /// - Throws: `SystemError`, EAFNOSUPPORT for a socket of another kind.
    public static func address(
        of socket: borrowing OwnedDescriptor
    ) throws(SystemError) -> (host: String, port: UInt16) {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket.rawValue, $0, &size) }
        }
        guard result == 0 else { throw SystemError(operation: "getsockname", errno: errno) }
        guard let address = text(of: storage) else { throw SystemError(operation: "getsockname", errno: EAFNOSUPPORT) }
        return address
    }

    /// The numeric address, IPv6 without brackets, and the port; nil for another kind of address.
    static func text(of storage: sockaddr_storage) -> (host: String, port: UInt16)? {
        let family = Int32(storage.ss_family)
        let offset =
            switch family {
            case AF_INET: MemoryLayout<sockaddr_in>.offset(of: \.sin_addr)
            case AF_INET6: MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)
            default: nil as Int?
            }
        guard let offset else { return nil }
        return withUnsafeBytes(of: storage) { bytes in
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            inet_ntop(family, bytes.baseAddress.map { $0 + offset }, &text, socklen_t(text.count))
            let host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            // Both kinds of address have the port behind the family, in the network's order.
            return (host, UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        }
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}

/// Tells the service manager how this process is (sd_notify(3)); nothing happens without one.
public enum ServiceNotification {
    /// Sends a state such as `READY=1` to the socket in `NOTIFY_SOCKET`.
    ///
    /// - Throws: `SystemError`.
    public static func send(_ state: String) throws(SystemError) {
        guard let path = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }),
            path.hasPrefix("/") || path.hasPrefix("@")
        else { return }
        let bytes = Array(state.utf8)
        let result = bytes.withUnsafeBytes { pointer -> Int32 in
            guard let base = pointer.baseAddress else { return 0 }
            return cls_datagram_send(path, base, pointer.count)
        }
        guard result >= 0 else { throw SystemError(operation: "sendto", path: path, errno: -result) }
    }
}

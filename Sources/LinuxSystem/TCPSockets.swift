// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// TCP sockets of one network namespace, and who holds them.
///
/// Asked of the kernel by sock_diag(7), whose answer about listening sockets does not take longer on a busy machine. Where it
/// has no such answer, they are read from `/proc/<pid>/net/tcp` and `tcp6`, which every kernel has; see proc(5).
public struct TCPSockets: Sendable {
    /// One socket.
    public struct Socket: Hashable, Sendable {
        /// `LISTEN`, `ESTABLISHED`, …; the kernel's number in hexadecimal where it is new.
        public let state: String
        /// The local port in host byte order.
        public let port: UInt16
        /// Its local address is one that a connection to 127.0.0.1 leads to: that one, or all.
        public let isReachableOnLoopback: Bool
        /// Bytes that wait to be read; of a listening socket the connections that wait to be accepted.
        public let waiting: Int
        /// The socket's inode, as `/proc/<pid>/fd` shows it.
        public let inode: UInt64
    }

    /// All of them.
    public let sockets: [Socket]

    /// Reads the sockets of the network namespace that a process lives in.
    public init(ofProcess pid: Int32) {
        sockets = Self.asked(ofProcess: pid, states: ~0) ?? Self.read(ofProcess: pid, inState: nil)
    }

    private init(_ sockets: [Socket]) { self.sockets = sockets }

    /// Those of them that listen.
    public static func listening(ofProcess pid: Int32) -> TCPSockets {
        TCPSockets(asked(ofProcess: pid, states: 1 << listenState) ?? read(ofProcess: pid, inState: listenState))
    }

    /// What sock_diag(7) answers; nil where it does not.
    static func asked(ofProcess pid: Int32, states: UInt32) -> [Socket]? {
        guard let namespace = try? OwnedDescriptor.open("/proc/\(pid)/ns/net", O_RDONLY) else { return nil }
        var sockets: [Socket] = []
        let result = withUnsafeMutablePointer(to: &sockets) { pointer in
            cls_tcp_sockets(
                namespace.rawValue, states,
                { context, one in
                    context?.assumingMemoryBound(to: [Socket].self).pointee.append(Socket(one.pointee))
                }, pointer)
        }
        return result == 0 ? sockets : nil
    }

    /// What the tables of `/proc` say.
    static func read(ofProcess pid: Int32, inState state: UInt8?) -> [Socket] {
        let files = ["/proc/\(pid)/net/tcp", "/proc/\(pid)/net/tcp6"]
        return files.flatMap { parse(ProcFS.text(of: $0, limit: 64 << 20) ?? "", inState: state) }
    }

    /// Sockets in a `/proc/net/tcp` table.
    ///
    /// - Parameter state: only those in this one; a busy machine has thousands of others.
    static func parse(_ table: String, inState state: UInt8? = nil) -> [Socket] {
        table.split(separator: "\n").dropFirst().compactMap { line in
            // sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode …
            let fields = line.split(separator: " ", maxSplits: 10)
            guard fields.count > 9, let number = UInt8(fields[3], radix: 16), state == nil || number == state,
                let local = fields[1].lastIndex(of: ":"),
                let port = UInt16(fields[1][fields[1].index(after: local)...], radix: 16),
                let queues = fields[4].firstIndex(of: ":"),
                let waiting = Int(fields[4][fields[4].index(after: queues)...], radix: 16),
                let inode = UInt64(fields[9])
            else { return nil }
            return Socket(
                state: name(ofState: number), port: port,
                isReachableOnLoopback: loopbackAddresses.contains(fields[1][..<local]), waiting: waiting, inode: inode)
        }
    }

    /// 0.0.0.0, 127.0.0.1, `::` and ::ffff:127.0.0.1, as the kernel prints them on a little-endian machine.
    private static let loopbackAddresses: Set<Substring> = [
        "00000000", "0100007F", "00000000000000000000000000000000", "0000000000000000FFFF00000100007F",
    ]

    private static let listenState: UInt8 = 10

    /// include/net/tcp_states.h, from 1 on.
    private static let states = [
        "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK",
        "LISTEN", "CLOSING",
    ]

    fileprivate static func name(ofState number: UInt8) -> String {
        states.indices.contains(Int(number) - 1) ? states[Int(number) - 1] : String(number, radix: 16)
    }

    /// The sockets that these processes have open.
    public func sockets(heldBy processIDs: [Int32]) -> [Socket] {
        let held = processIDs.reduce(into: Set<UInt64>()) { $0.formUnion(ProcFS.socketInodes(of: $1)) }
        return sockets.filter { held.contains($0.inode) }
    }

    /// A process that has a socket with this local port, if one can be found; for messages that name the culprit.
    public func holder(ofPort port: UInt16) -> (pid: Int32, name: String)? {
        let inodes = Set(sockets.filter { $0.port == port }.map(\.inode))
        guard !inodes.isEmpty else { return nil }
        for pid in ProcFS.processIDs where !ProcFS.socketInodes(of: pid).isDisjoint(with: inodes) {
            return (pid, ProcFS.name(of: pid) ?? "unknown")
        }
        return nil
    }

    /// A socket has this local port.
    public func contains(port: UInt16) -> Bool {
        sockets.contains { $0.port == port }
    }
}

extension TCPSockets.Socket {
    init(_ socket: cls_tcp_socket) {
        let address = socket.address
        self.init(
            state: TCPSockets.name(ofState: socket.state), port: socket.port,
            isReachableOnLoopback: Int32(socket.family) == AF_INET
                ? Self.isReached(address.0) : address.0 == 0 && address.1 == 0 && Self.isReached(address),
            waiting: Int(socket.receive_queue), inode: UInt64(socket.inode))
    }

    /// 0.0.0.0 and 127.0.0.1.
    private static func isReached(_ address: UInt32) -> Bool {
        address == 0 || UInt32(bigEndian: address) == 0x7F00_0001
    }

    /// `::` and ::ffff:127.0.0.1, of addresses that begin with 64 bits of zero.
    private static func isReached(_ address: (UInt32, UInt32, UInt32, UInt32)) -> Bool {
        switch UInt32(bigEndian: address.2) {
        case 0: address.3 == 0
        case 0xFFFF: UInt32(bigEndian: address.3) == 0x7F00_0001
        default: false
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// TCP sockets of one network namespace, and who holds them.
///
/// Read from `/proc/<pid>/net/tcp` and `tcp6`, which every kernel has; see proc(5).
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
    public init(ofProcess pid: Int32) { self.init(ofProcess: pid, inState: nil) }

    /// Those of them that listen.
    public static func listening(ofProcess pid: Int32) -> TCPSockets { TCPSockets(ofProcess: pid, inState: "0A") }

    private init(ofProcess pid: Int32, inState state: Substring?) {
        let files = ["/proc/\(pid)/net/tcp", "/proc/\(pid)/net/tcp6"]
        sockets = files.flatMap { Self.parse(ProcFS.text(of: $0, limit: 64 << 20) ?? "", inState: state) }
    }

    /// Sockets in a `/proc/net/tcp` table.
    ///
    /// - Parameter state: only those in this one; a busy machine has thousands of others.
    static func parse(_ table: String, inState state: Substring? = nil) -> [Socket] {
        table.split(separator: "\n").dropFirst().compactMap { line in
            // sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode …
            let fields = line.split(separator: " ", maxSplits: 10)
            guard fields.count > 9, state == nil || fields[3] == state, let local = fields[1].lastIndex(of: ":"),
                let port = UInt16(fields[1][fields[1].index(after: local)...], radix: 16),
                let queues = fields[4].firstIndex(of: ":"),
                let waiting = Int(fields[4][fields[4].index(after: queues)...], radix: 16),
                let inode = UInt64(fields[9])
            else { return nil }
            return Socket(
                state: states[fields[3]] ?? String(fields[3]), port: port,
                isReachableOnLoopback: loopbackAddresses.contains(fields[1][..<local]), waiting: waiting, inode: inode)
        }
    }

    /// 0.0.0.0, 127.0.0.1, `::` and ::ffff:127.0.0.1, as the kernel prints them on a little-endian machine.
    private static let loopbackAddresses: Set<Substring> = [
        "00000000", "0100007F", "00000000000000000000000000000000", "0000000000000000FFFF00000100007F",
    ]

    /// include/net/tcp_states.h.
    private static let states: [Substring: String] = [
        "01": "ESTABLISHED", "02": "SYN_SENT", "03": "SYN_RECV", "04": "FIN_WAIT1", "05": "FIN_WAIT2",
        "06": "TIME_WAIT", "07": "CLOSE", "08": "CLOSE_WAIT", "09": "LAST_ACK", "0A": "LISTEN", "0B": "CLOSING",
    ]

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

// SPDX-License-Identifier: Apache-2.0

/// TCP sockets in state LISTEN of one network namespace, and who holds them.
///
/// Read from `/proc/<pid>/net/tcp` and `tcp6`, which every kernel has; see proc(5).
public struct ListeningSockets: Sendable {
    /// One listening socket.
    public struct Socket: Hashable, Sendable {
        /// The port in host byte order.
        public let port: UInt16
        /// A connection to 127.0.0.1 reaches it: it listens there or on every address.
        public let isReachableOnLoopback: Bool
        /// The socket's inode, as `/proc/<pid>/fd` shows it.
        public let inode: UInt64
    }

    /// All of them.
    public let sockets: [Socket]

    /// Reads the sockets of the network namespace that a process lives in.
    public init(ofProcess pid: Int32) {
        let files = ["/proc/\(pid)/net/tcp", "/proc/\(pid)/net/tcp6"]
        sockets = files.flatMap { Self.parse(ProcFS.text(of: $0, limit: 64 << 20) ?? "") }
    }

    /// Sockets in a `/proc/net/tcp` table.
    static func parse(_ table: String) -> [Socket] {
        table.split(separator: "\n").dropFirst().compactMap { line in
            // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …; 0A is TCP_LISTEN.
            let fields = line.split(separator: " ", maxSplits: 10)
            guard fields.count > 9, fields[3] == "0A", let colon = fields[1].lastIndex(of: ":"),
                let port = UInt16(fields[1][fields[1].index(after: colon)...], radix: 16),
                let inode = UInt64(fields[9])
            else { return nil }
            return Socket(
                port: port, isReachableOnLoopback: loopbackAddresses.contains(fields[1][..<colon]), inode: inode)
        }
    }

    /// 0.0.0.0, 127.0.0.1, `::` and ::ffff:127.0.0.1, as the kernel prints them on a little-endian machine.
    private static let loopbackAddresses: Set<Substring> = [
        "00000000", "0100007F", "00000000000000000000000000000000", "0000000000000000FFFF00000100007F",
    ]

    /// The sockets that these processes have open.
    public func sockets(heldBy processIDs: [Int32]) -> [Socket] {
        let held = processIDs.reduce(into: Set<UInt64>()) { $0.formUnion(ProcFS.socketInodes(of: $1)) }
        return sockets.filter { held.contains($0.inode) }
    }

    /// A process that listens on the port, if one can be found; for messages that name the culprit.
    public func holder(ofPort port: UInt16) -> (pid: Int32, name: String)? {
        let inodes = Set(sockets.filter { $0.port == port }.map(\.inode))
        guard !inodes.isEmpty else { return nil }
        for pid in ProcFS.processIDs where !ProcFS.socketInodes(of: pid).isDisjoint(with: inodes) {
            return (pid, ProcFS.name(of: pid) ?? "unknown")
        }
        return nil
    }

    /// Somebody listens on the port.
    public func contains(port: UInt16) -> Bool {
        sockets.contains { $0.port == port }
    }
}

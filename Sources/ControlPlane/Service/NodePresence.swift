// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Which nodes have an open assignment stream now. Lives in memory: a connection does not outlive the process.
final class NodePresence: Sendable {
    private let connections = Mutex<[String: Int]>([:])

    /// Nodes with at least one stream.
    var connected: Set<String> { connections.withLock { Set($0.keys) } }

    /// Counts a stream that has opened; true when it is the node's first.
    func opened(_ node: String) -> Bool {
        connections.withLock { connections in
            connections[node, default: 0] += 1
            return connections[node] == 1
        }
    }

    /// Counts a stream that has ended; true when it was the node's last.
    func closed(_ node: String) -> Bool {
        connections.withLock { connections in
            guard let count = connections[node] else { return false }
            connections[node] = count > 1 ? count - 1 : nil
            return count == 1
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Hands out ports of one range, each to at most one instance at a time. Pure bookkeeping: whether a stranger listens
/// on a port is the caller's question, asked through `isFree`.
///
/// Ports are never found by binding port 0 and closing it again: between the close and the app's own bind anybody
/// could take it. The range lies below the kernel's ephemeral ports (32768 and up), so an outgoing connection cannot
/// take one either.
public struct PortAllocator: Hashable, Sendable {
    /// The ports to hand out.
    public let range: ClosedRange<UInt16>
    private var owners: [UInt16: String] = [:]
    private var ports: [String: UInt16] = [:]
    private var next: UInt16

    /// Creates an allocator with every port free.
    public init(range: ClosedRange<UInt16>) {
        self.range = range
        self.next = range.lowerBound
    }

    /// A port for the owner: the one it has, else the next that is free. Nil when the range is used up.
    ///
    /// Ports are handed out in turn rather than the lowest first, so that a port which was just given back, and may
    /// still have connections in TIME_WAIT, comes last.
    public mutating func allocate(owner: String, isFree: (UInt16) -> Bool) -> UInt16? {
        if let port = port(of: owner) { return port }
        for _ in range {
            let candidate = next
            next = candidate == range.upperBound ? range.lowerBound : candidate + 1
            if owners[candidate] == nil && isFree(candidate) {
                owners[candidate] = owner
                ports[owner] = candidate
                return candidate
            }
        }
        return nil
    }

    /// The port that an owner has.
    public func port(of owner: String) -> UInt16? { ports[owner] }

    /// Gives a certain port to an owner again, after a restart of the agent; false when another one has it.
    public mutating func reserve(_ port: UInt16, owner: String) -> Bool {
        if let current = owners[port], current != owner { return false }
        release(owner: owner)
        owners[port] = owner
        ports[owner] = port
        return true
    }

    /// Takes back whatever the owner has.
    public mutating func release(owner: String) {
        if let port = ports.removeValue(forKey: owner) { owners[port] = nil }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// How much a client may still send (RFC 9113 §5.2): it gets back what has been used, once that is worth a frame.
struct HTTP2ReceiveWindow {
    private(set) var available: Int
    private var used = 0

    init(_ size: Int) { available = size }

    /// Something comes; false when it is more than was allowed.
    mutating func take(_ count: Int) -> Bool {
        guard count <= available else { return false }
        available -= count
        return true
    }

    /// Something has been used. Returns what to tell the client; 0 for nothing yet.
    ///
    /// A frame each time would cost more than it is worth; waiting longer than until the client may send less than it would get back
    /// would have it wait.
    mutating func giveBack(_ count: Int) -> Int {
        used += count
        guard used > 0, used >= available else { return 0 }
        defer { used = 0 }
        available += used
        return used
    }
}

/// How much the client still takes. A setting may make it less than nothing.
struct HTTP2SendWindow {
    private(set) var available: Int

    init(_ size: Int) { available = size }

    /// Something was sent.
    mutating func take(_ count: Int) { available -= count }

    /// The client takes more, or less; false when that is more than there may be.
    mutating func add(_ count: Int) -> Bool {
        guard available + count <= HTTP2Limits.window else { return false }
        available += count
        return true
    }
}

// SPDX-License-Identifier: Apache-2.0

/// A system call that the sandbox of an app has blocked.
public struct BlockedCall: Codable, Hashable, Sendable {
    /// Its name, `mount`; of one that the node has no name for its number.
    public var call: String
    /// How often, at least 1.
    public var count: Int64

    /// Creates it.
    public init(call: String, count: Int64) {
        self.call = call
        self.count = count
    }
}

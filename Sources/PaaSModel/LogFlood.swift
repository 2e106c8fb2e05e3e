// SPDX-License-Identifier: Apache-2.0

/// What happens when an app prints more than its log takes.
public enum LogFlood: String, Codable, CaseIterable, Hashable, Sendable {
    /// The app waits; no line is lost.
    case block
    /// Lines are dropped, counted, and the count is told in the log; the app goes on.
    case drop
}

/// How the parts of a log are stored to which nothing is added any more.
public enum LogCompression: String, Codable, CaseIterable, Hashable, Sendable {
    /// As they were written.
    case none
    /// By Zstandard.
    case zstd
}

/// The log of an app on its node, and how it is kept.
public struct LogInspection: Codable, Hashable, Sendable {
    /// Bytes that it has on the disk.
    public var sizeBytes: Int64
    /// Bytes beyond which the oldest lines go.
    public var maxSizeBytes: Int64
    /// Seconds after which a line goes; nil is never.
    public var keepSeconds: Double?
    /// What happens when the app prints too fast.
    public var flood: LogFlood
    /// Bytes a second that it may print; nil is as much as the node can store.
    public var rateBytesPerSecond: Int64?
    /// Lines dropped for that since the agent was started.
    public var droppedLines: Int
    /// Bytes of them.
    public var droppedBytes: Int64
    /// How parts that are full are stored; nil from an agent that knows nothing of it.
    public var compression: LogCompression?
    /// Why the disk takes no line now, and what becomes of them; nil while it does.
    public var failure: String?

    /// A log of which nothing was dropped.
    public init(
        sizeBytes: Int64, maxSizeBytes: Int64, keepSeconds: Double?, flood: LogFlood, rateBytesPerSecond: Int64?
    ) {
        self.sizeBytes = sizeBytes
        self.maxSizeBytes = maxSizeBytes
        self.keepSeconds = keepSeconds
        self.flood = flood
        self.rateBytesPerSecond = rateBytesPerSecond
        droppedLines = 0
        droppedBytes = 0
    }
}

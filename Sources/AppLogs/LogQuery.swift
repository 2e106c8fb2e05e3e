// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// Which lines of an app's log are wanted.
public struct LogQuery: Hashable, Sendable {
    /// The most lines that one query gives.
    public static let maxLimit = 10_000
    /// Lines given when nobody says how many.
    public static let defaultLimit = 100

    /// The newest so many lines of all that match; while following, of those that exist at the start.
    /// 0 to ``maxLimit``, values outside are moved to the nearest.
    public var limit: Int {
        didSet { limit = Self.clamped(limit) }
    }
    /// Only lines at or after this time.
    public var since: Timestamp?
    /// Only lines before this time; following ends with the first line that is not.
    public var until: Timestamp?
    /// Only lines of this stream.
    public var stream: LogLine.Stream?
    /// Only lines of this release, `v1`.
    public var release: String?

    /// Creates a query.
    public init(
        limit: Int = LogQuery.defaultLimit, since: Timestamp? = nil, until: Timestamp? = nil,
        stream: LogLine.Stream? = nil, release: String? = nil
    ) {
        self.limit = Self.clamped(limit)
        self.since = since
        self.until = until
        self.stream = stream
        self.release = release
    }

    private static func clamped(_ limit: Int) -> Int { min(max(limit, 0), maxLimit) }
}

/// A query in the form that is fastest to hold against a record.
struct LogFilter {
    private let since: Timestamp
    private let until: Timestamp?
    private let stream: LogLine.Stream?
    private let release: [UInt8]?

    init(_ query: LogQuery) {
        since = query.since ?? Timestamp(microseconds: .min)
        until = query.until
        stream = query.stream
        release = query.release.map { Array($0.utf8) }
    }

    /// The record is one that the query wants, its limit aside.
    func matches(_ record: LogRecord) -> Bool {
        guard record.time >= since, !isPast(record.time), stream == nil || record.stream == stream else { return false }
        guard let release else { return true }
        return record.release.elementsEqual(release)
    }

    /// The time is not before the query's end.
    func isPast(_ time: Timestamp) -> Bool {
        guard let until else { return false }
        return time >= until
    }
}

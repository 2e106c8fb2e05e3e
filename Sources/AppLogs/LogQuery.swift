// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// Which lines of an app's log are wanted.
public struct LogQuery: Hashable, Sendable {
    /// The most lines that a number can ask for.
    public static let maxLimit = 10_000
    /// Lines given when nobody says how many.
    public static let defaultLimit = 100

    /// The newest so many lines of all that match; while following, of those that exist at the start. Nil is all.
    /// 0 to ``maxLimit``, values outside are moved to the nearest.
    public var limit: Int? {
        didSet { limit = Self.clamped(limit) }
    }
    /// Only what stands behind a place, whatever the limit: how a reader goes on where it had to stop.
    public var after: LogPosition?
    /// Only lines at or after this time.
    public var since: Timestamp?
    /// Only lines before this time; following ends with the first line that is not.
    public var until: Timestamp?
    /// Only lines of this stream.
    public var stream: LogLine.Stream?
    /// Only lines of this release, `v1`.
    public var release: String?
    /// Only lines in whose text it is found. A line that was split is looked at part by part.
    public var pattern: LinePattern?

    /// Creates a query.
    public init(
        limit: Int? = LogQuery.defaultLimit, since: Timestamp? = nil, until: Timestamp? = nil,
        stream: LogLine.Stream? = nil, release: String? = nil, pattern: LinePattern? = nil
    ) {
        self.limit = Self.clamped(limit)
        self.since = since
        self.until = until
        self.stream = stream
        self.release = release
        self.pattern = pattern
    }

    private static func clamped(_ limit: Int?) -> Int? { limit.map { min(max($0, 0), maxLimit) } }
}

/// A query in the form that is fastest to hold against a record. Belongs to one thread.
struct LogFilter {
    let since: Timestamp
    let until: Timestamp?
    let stream: LogLine.Stream?
    private let release: [UInt8]?
    private let releaseNumber: UInt32?
    private let matcher: LinePattern.Matcher?

    init(_ query: LogQuery) {
        since = query.since ?? Timestamp(microseconds: .min)
        until = query.until
        stream = query.stream
        release = query.release.map { Array($0.utf8) }
        releaseNumber = release.flatMap { IndexEntry.releaseNumber($0) }
        matcher = query.pattern.map { LinePattern.Matcher($0) }
    }

    /// The record is one that the query wants, its limit aside.
    ///
    /// - Throws: `AppLogError.patternTooCostly`.
    func matches(_ record: LogRecord) throws(AppLogError) -> Bool {
        guard record.time >= since, !isPast(record.time), stream == nil || record.stream == stream else { return false }
        if let release, !record.release.elementsEqual(release) { return false }
        guard let matcher else { return true }
        return try matcher.matches(record.text)
    }

    /// A block may have records that match.
    ///
    /// - Parameter earlier: time of the last record in front of it.
    func mayMatch(_ entry: IndexEntry, after earlier: Timestamp) -> Bool {
        guard entry.lastTime >= since, !isPast(earlier), entry.count(stream) > 0 else { return false }
        guard let releaseNumber else { return true }
        return (entry.lowestRelease...max(entry.lowestRelease, entry.highestRelease)).contains(releaseNumber)
    }

    /// Every record of the stream in a block matches.
    func takesAll(_ entry: IndexEntry, after earlier: Timestamp) -> Bool {
        guard matcher == nil, earlier >= since, !isPast(entry.lastTime) else { return false }
        guard release != nil else { return true }
        return releaseNumber != nil && entry.lowestRelease == releaseNumber && entry.highestRelease == releaseNumber
    }

    /// The time is not before the query's end.
    func isPast(_ time: Timestamp) -> Bool {
        guard let until else { return false }
        return time >= until
    }
}

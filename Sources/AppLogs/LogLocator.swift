// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
internal import PaaSModel

/// A place in an app's log: in front of a record, or at the end.
struct LogPosition: Hashable, Comparable, Sendable {
    /// Number of the segment; 0 is before all of them.
    var segment: UInt64
    /// Bytes from the segment's beginning.
    var offset: Int64

    static func < (lhs: LogPosition, rhs: LogPosition) -> Bool {
        (lhs.segment, lhs.offset) < (rhs.segment, rhs.offset)
    }
}

/// Finds where a query's lines begin and end, looking at as little as possible: newest segment first, inside a segment
/// by binary search for the times, then backwards until enough lines match. Holds one block in memory.
///
/// Segments are looked at one by one, not as one sorted whole, because a clock that was set back begins a new segment.
struct LogLocator {
    /// From `start` on, before `end`, lie the query's lines, and among them only lines that the filter drops.
    struct Range {
        var start: LogPosition
        var end: LogPosition
    }

    let directory: SegmentDirectory
    let query: LogQuery

    /// - Returns: an empty range at the log's end when nothing matches.
    /// - Throws: `AppLogError.storage`, or `CancellationError`.
    func locate() throws -> Range {
        var block = [UInt8](repeating: 0, count: SegmentFile.blockBytes)
        let filter = LogFilter(query)
        var wanted = query.limit
        var tail: LogPosition?
        var range: Range?
        for number in try directory.numbers().reversed() {
            try Task.checkCancellation()
            guard let file = try SegmentFile.open(number, in: directory) else { continue }
            let size = try file.endOfWholeLines()
            tail = tail ?? LogPosition(segment: number, offset: size)
            guard wanted > 0 else { break }
            let low = try query.since.map { try SegmentSearch.lowerBound(file, of: $0, end: size, block: &block) } ?? 0
            let high =
                try query.until.map { try SegmentSearch.lowerBound(file, of: $0, end: size, block: &block) } ?? size
            var first: Int64?
            try SegmentSearch.backward(file, from: high, downTo: low, block: &block) { line, offset in
                guard let record = LogRecord(line), filter.matches(record) else { return true }
                first = offset
                wanted -= 1
                return wanted > 0
            }
            guard let first else { continue }
            let start = LogPosition(segment: number, offset: first)
            range = Range(start: start, end: range?.end ?? LogPosition(segment: number, offset: high))
        }
        let end = tail ?? LogPosition(segment: 0, offset: 0)
        return range ?? Range(start: end, end: end)
    }
}

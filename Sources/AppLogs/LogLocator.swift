// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
internal import PaaSModel

/// Finds where a query's lines begin and end, looking at as little as possible: newest segment first, and of each only the
/// blocks that its index cannot answer for. Holds one block in memory, and reads at most one at a step.
///
/// Segments are looked at one by one, not as one sorted whole, because a clock that was set back begins a new segment.
struct LogLocator {
    /// From `start` on, before `end`, lie the query's lines, and among them only lines that the filter drops.
    struct Range {
        var start: LogPosition
        var end: LogPosition
    }

    private let directory: SegmentDirectory
    private let query: LogQuery
    private let filter: LogFilter
    private let visibleEnd: LogPosition
    /// Segments that were not looked at, ascending.
    private var segments: [UInt64]
    private var file: SegmentFile?
    /// The blocks of `file` that were not looked at, in the order of the file.
    private var blocks: [IndexEntry] = []
    private var block = [UInt8](repeating: 0, count: SegmentFile.blockBytes)
    private var wanted: Int
    private var tail: LogPosition?
    private var found: Range?

    /// - Parameter visibleEnd: what is behind it is not there yet.
    /// - Throws: `SystemError`.
    init(
        directory: SegmentDirectory, query: LogQuery, filter: LogFilter, visibleEnd: LogPosition
    ) throws(SystemError) {
        self.directory = directory
        self.query = query
        self.filter = filter
        self.visibleEnd = visibleEnd
        wanted = query.limit ?? .max
        segments = try directory.numbers()
    }

    /// Goes on looking.
    ///
    /// - Returns: nil when there is more to look at; in the end the range, empty at the log's end when nothing matches.
    /// - Throws: `SystemError`, or `AppLogError.patternTooCostly`.
    mutating func step() throws -> Range? {
        // Nothing of what is there is wanted: only its end.
        while wanted == 0, tail == nil, let number = segments.popLast() { try open(number) }
        guard wanted > 0 else { return range }
        while true {
            guard let entry = blocks.last, let file else {
                guard let number = segments.popLast() else { return range }
                try open(number)
                continue
            }
            blocks.removeLast()
            let (start, earlier) = (blocks.last?.end ?? 0, blocks.last?.lastTime ?? Timestamp(microseconds: .min))
            if entry.lastTime < filter.since {
                // All in front of it is older still.
                blocks.removeAll()
            } else if filter.mayMatch(entry, after: earlier) {
                // Without a number everything that matches is wanted: where in the block it begins does not matter.
                if query.limit == nil || filter.takesAll(entry, after: earlier) && entry.count(filter.stream) < wanted {
                    wanted -= query.limit == nil ? 0 : entry.count(filter.stream)
                    note(from: start, to: entry.end, in: file)
                } else {
                    try look(at: start, entry.end, in: file)
                    return wanted > 0 ? nil : range
                }
            }
        }
    }

    private var range: Range {
        let end = tail ?? .start
        return found ?? Range(start: end, end: end)
    }

    private mutating func open(_ number: UInt64) throws(SystemError) {
        file = nil
        guard number <= visibleEnd.segment, let opened = try SegmentFile.open(number, in: directory) else { return }
        var size = try opened.endOfWholeLines()
        if number == visibleEnd.segment { size = min(size, visibleEnd.offset) }
        tail = tail ?? LogPosition(segment: number, offset: size)
        blocks = try SegmentIndex.blocks(of: opened, in: directory, upTo: size, block: &block)
        file = opened
    }

    private mutating func note(from start: Int64, to end: Int64, in file: SegmentFile) {
        let place = LogPosition(segment: file.number, offset: start)
        found = Range(start: place, end: found?.end ?? LogPosition(segment: file.number, offset: end))
    }

    /// Counts what matches in one block.
    private mutating func look(at start: Int64, _ end: Int64, in file: SegmentFile) throws {
        let count = try file.read(Int(end - start), at: start, into: &block)
        var offsets: [Int] = []
        var failure: AppLogError?
        block.withUnsafeBytes { bytes in
            Records.forEach(UnsafeRawBufferPointer(rebasing: bytes.prefix(count))) { record, line in
                guard failure == nil else { return }
                do throws(AppLogError) {
                    if try filter.matches(record) { offsets.append(line.lowerBound) }
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
        guard !offsets.isEmpty else { return }
        note(from: start + Int64(offsets[max(0, offsets.count - wanted)]), to: end, in: file)
        wanted = max(0, wanted - offsets.count)
    }
}

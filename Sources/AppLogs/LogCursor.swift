// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
internal import PaaSModel

/// Reads an app's log forwards from a position, block by block, across segments, while the writer goes on.
///
/// Only whole lines are taken, and a line that was seen half is read again from its beginning, so the writer may cut a
/// torn record off. Belongs to one task.
final class LogCursor {
    private let directory: SegmentDirectory
    private let filter: LogFilter
    private let end: LogPosition?
    private var position: LogPosition
    private var file: SegmentFile?
    /// The segment after this one, once it was seen. From then on nothing is added to this one, so it is left when a
    /// read *after* that finds nothing more, and not before.
    private var following: UInt64?
    private var block = [UInt8](repeating: 0, count: SegmentFile.blockBytes)
    /// Without an end: a line at or after the query's `until` was met.
    private(set) var isPast = false

    /// - Parameter end: where to stop; nil to read whatever comes.
    init(directory: SegmentDirectory, query: LogQuery, from start: LogPosition, to end: LogPosition?) {
        self.directory = directory
        self.filter = LogFilter(query)
        self.position = start
        self.end = end
    }

    /// The next lines that match, those of one block; nil when there are none now.
    ///
    /// - Throws: `AppLogError.storage`, or `CancellationError`.
    func nextBatch() throws -> [LogLine]? {
        while !isPast {
            try Task.checkCancellation()
            if file == nil { file = try SegmentFile.open(position.segment, in: directory) }
            let count = try readBlock()
            if count > 0 {
                let lines = takeLines(count)
                if !lines.isEmpty { return lines }
            } else if let end, position >= end {
                return nil
            } else if let following {
                file = nil
                position = LogPosition(segment: following, offset: 0)
                self.following = nil
            } else {
                following = try directory.numbers().first { $0 > position.segment }
                if following == nil { return nil }
            }
        }
        return nil
    }

    private func readBlock() throws(SystemError) -> Int {
        guard let file else { return 0 }
        let limit = end.map { $0.segment == position.segment ? $0.offset : $0.segment < position.segment ? 0 : .max }
        return try file.wholeLines(from: position.offset, to: limit ?? .max, into: &block)
    }

    private func takeLines(_ count: Int) -> [LogLine] {
        var lines: [LogLine] = []
        block.withUnsafeBytes { bytes in
            _ = SegmentSearch.lines(UnsafeRawBufferPointer(rebasing: bytes.prefix(count))) { line, _ in
                guard let record = LogRecord(line) else { return true }
                isPast = end == nil && filter.isPast(record.time)
                if filter.matches(record) { lines.append(LogLine(record)) }
                return !isPast
            }
        }
        position.offset += Int64(count)
        return lines
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
internal import PaaSModel

/// Reads an app's log forwards from a position, at most one block at a step, across segments, while the writer goes on.
///
/// Only whole lines are taken, and a line that was seen half is read again from its beginning, so the writer may cut a
/// torn record off. Belongs to one thread at a time.
final class LogCursor {
    /// What a step came to.
    enum Step {
        /// Lines that match.
        case batch(LogBatch)
        /// There is more to read.
        case more
        /// There is nothing more now.
        case caughtUp
    }

    private let directory: SegmentDirectory
    private let filter: LogFilter
    private let end: LogPosition?
    private var position: LogPosition
    private var file: SegmentFile?
    /// Blocks in front of the file's end when it was opened, of which some need not be read; the next one last.
    private var blocks: [IndexEntry] = []
    private var earlier = Timestamp(microseconds: .min)
    /// The segment after this one, once it was seen. From then on nothing is added to this one, so it is left when a
    /// read *after* that finds nothing more, and not before.
    private var following: UInt64?
    private var block = [UInt8](repeating: 0, count: SegmentFile.blockBytes)
    /// Without an end: a line at or after the query's `until` was met.
    private(set) var isPast = false

    /// - Parameter end: where to stop; nil to read whatever comes.
    init(directory: SegmentDirectory, filter: LogFilter, from start: LogPosition, to end: LogPosition?) {
        self.directory = directory
        self.filter = filter
        self.position = start
        self.end = end
    }

    /// Goes on reading.
    ///
    /// - Parameter visibleEnd: what is behind it is not there yet.
    /// - Throws: `SystemError`, or `AppLogError.patternTooCostly`.
    func step(visibleEnd: LogPosition) throws -> Step {
        if isPast { return .caughtUp }
        let limit = limit(min(end ?? visibleEnd, visibleEnd))
        if file == nil { try open(limit) }
        skip(to: limit)
        let count = try file?.wholeLines(from: position.offset, to: limit, into: &block) ?? 0
        if file?.takeDamage() ?? false { return .batch(.notice(of: .damagedLines, before: position)) }
        if count > 0 { return try take(count).map(Step.batch) ?? .more }
        if let end, position >= end { return .caughtUp }
        guard let next = following else {
            following = try directory.numbers().first { $0 > position.segment }
            return following == nil ? .caughtUp : .more
        }
        guard next <= visibleEnd.segment else { return .caughtUp }
        return moveOn(to: next)
    }

    /// How far the present segment can be read.
    private func limit(_ place: LogPosition) -> Int64 {
        place.segment == position.segment ? place.offset : place.segment < position.segment ? 0 : .max
    }

    private func open(_ limit: Int64) throws(SystemError) {
        file = try SegmentFile.open(position.segment, in: directory)
        guard file != nil else { return }
        earlier = Timestamp(microseconds: .min)
        blocks = try SegmentIndex.written(position.segment, in: directory, upTo: limit).reversed()
    }

    /// Passes over blocks without a line that is wanted.
    private func skip(to limit: Int64) {
        while let next = blocks.last, next.end <= limit {
            if next.end > position.offset {
                if filter.mayMatch(next, after: earlier) { return }
                // Following ends with the first line that is too late, which somebody has to see.
                if end == nil, filter.isPast(next.lastTime) { return }
                position.offset = next.end
            }
            earlier = next.lastTime
            blocks.removeLast()
        }
    }

    private func moveOn(to next: UInt64) -> Step {
        let isMissing = position.segment > 0 && (file == nil || next > position.segment + 1)
        file = nil
        blocks = []
        position = LogPosition(segment: next, offset: 0)
        following = nil
        return isMissing ? .batch(.notice(of: .missingLines, before: position)) : .more
    }

    private func take(_ count: Int) throws(AppLogError) -> LogBatch? {
        var batch = LogBatch(segment: position.segment)
        var failure: AppLogError?
        let start = position.offset
        block.withUnsafeBytes { bytes in
            let bytes = UnsafeRawBufferPointer(rebasing: bytes.prefix(count))
            Records.forEach(bytes) { record, line in
                guard !isPast, failure == nil else { return }
                isPast = end == nil && filter.isPast(record.time)
                do throws(AppLogError) {
                    guard try filter.matches(record) else { return }
                    batch.add(bytes[line], endingAt: start + Int64(line.upperBound) + 1)
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
        position.offset += Int64(count)
        return batch.isEmpty ? nil : batch
    }
}

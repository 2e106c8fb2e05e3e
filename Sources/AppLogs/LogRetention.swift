// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
public import PaaSModel

/// How much of an app's log is kept. What goes, goes by whole segments, the oldest first.
public struct LogRetention: Hashable, Sendable {
    /// A segment is a tenth of the log, within these bounds.
    private static let segmentRange = 65_536...Defaults.logSegmentBytes
    /// So many compressed segments count as one of others: logs become five to ten times smaller, some a hundred times.
    private static let compressedPerPlain = 100

    /// Size at which a segment is closed and the next one begun.
    let segmentBytes: Int
    /// Bytes of all segments.
    let maxBytes: Int64
    /// Seconds after which a line goes, give or take a tenth; nil is never.
    public var keepSeconds: Double? { keepMicroseconds.map { Double($0) / 1_000_000 } }
    /// Age in microseconds at which a line goes, give or take a tenth; nil is never.
    private let keepMicroseconds: Int64?

    /// - Parameters:
    ///   - maxBytes: bytes of all segments, at least 640 KiB.
    ///   - keepSeconds: age at which a line goes, give or take a tenth; nil is never.
    public init(
        maxBytes: Int64 = Int64(Defaults.logSegmentBytes * Defaults.logSegments), keepSeconds: Double? = nil
    ) {
        let tenth = Int(clamping: maxBytes / 10)
        segmentBytes = min(max(tenth, Self.segmentRange.lowerBound), Self.segmentRange.upperBound)
        self.maxBytes = max(maxBytes, Int64(segmentBytes) * 2)
        keepMicroseconds = keepSeconds.map { Int64($0 * 1_000_000) }
    }

    init(segmentBytes: Int, segments: Int) {
        precondition(segmentBytes > 0 && segments > 0, "an app keeps at least one segment of at least one byte")
        self.segmentBytes = segmentBytes
        maxBytes = Int64(segmentBytes) * Int64(segments)
        keepMicroseconds = nil
    }

    /// Deletes the oldest segments until there is room for so many bytes in one more.
    ///
    /// - Parameter newest: one that stays.
    func makeRoom(_ bytes: Int, in directory: SegmentDirectory, besides newest: UInt64?) throws(SystemError) {
        let segments = try directory.segments()
        var total = segments.reduce(Int64(bytes)) { $0 + $1.bytes }
        // A clock that jumps makes segments that are nearly empty: their number is bounded too. So does an age, but not more
        // than eleven of those that it keeps. Compressed, there may be many more.
        func share(_ segment: SegmentDirectory.Segment) -> Int {
            segment.plainBytes == nil ? 1 : Self.compressedPerPlain
        }
        var left = segments.reduce(bytes > 0 ? Self.compressedPerPlain : 0) { $0 + share($1) }
        let most =
            Self.compressedPerPlain
            * (Int((maxBytes + Int64(segmentBytes) - 1) / Int64(segmentBytes)) + (keepMicroseconds == nil ? 0 : 11))
        for segment in segments where segment.number != newest {
            guard total > maxBytes || left > most else { return }
            total -= segment.bytes
            left -= share(segment)
            try directory.remove(segment.number)
        }
    }

    /// A segment that has records of both times would keep the older one for too long.
    func isTooLong(from first: Timestamp?, to time: Timestamp) -> Bool {
        guard let keepMicroseconds, let first else { return false }
        return time.microseconds - first.microseconds > keepMicroseconds / 10
    }

    /// Deletes segments that have nothing but lines that are too old.
    ///
    /// - Returns: when the oldest that is left will be too old; nil when there is none, or nothing ever is too old.
    func expire(in directory: SegmentDirectory, at now: Timestamp) throws(SystemError) -> Timestamp? {
        guard let keepMicroseconds else { return nil }
        var block = [UInt8](repeating: 0, count: SegmentFile.blockBytes)
        for number in try directory.numbers() {
            guard let file = try SegmentFile.open(number, in: directory) else { continue }
            let blocks = try SegmentIndex.blocks(
                of: file, in: directory, upTo: try file.endOfWholeLines(), block: &block)
            let (end, overflow) = (blocks.last?.lastTime.microseconds ?? now.microseconds)
                .addingReportingOverflow(keepMicroseconds)
            guard !overflow, end <= now.microseconds else { return overflow ? nil : Timestamp(microseconds: end) }
            try directory.remove(number)
        }
        return nil
    }
}

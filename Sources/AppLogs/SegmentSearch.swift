// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
internal import PaaSModel

/// Finds places in one segment without reading all of it. Every function reads block by block.
enum SegmentSearch {
    /// Calls `visit` with each line and its offset, first to last, until it returns false.
    static func forward(
        _ file: SegmentFile, from start: Int64, to end: Int64, block: inout [UInt8],
        visit: (_ line: UnsafeRawBufferPointer, _ offset: Int64) -> Bool
    ) throws(SystemError) {
        var offset = start
        while offset < end {
            let count = try file.wholeLines(from: offset, to: end, into: &block)
            guard count > 0 else { return }
            let goOn = block.withUnsafeBytes { bytes in
                Self.lines(UnsafeRawBufferPointer(rebasing: bytes.prefix(count))) { visit($0, offset + Int64($1)) }
            }
            guard goOn else { return }
            offset += Int64(count)
        }
    }

    /// Calls `visit` with each line and its offset, last to first, until it returns false. `end` is after a newline.
    static func backward(
        _ file: SegmentFile, from end: Int64, downTo start: Int64, block: inout [UInt8],
        visit: (_ line: UnsafeRawBufferPointer, _ offset: Int64) -> Bool
    ) throws(SystemError) {
        var end = end
        while end > start {
            let blockStart = max(start, end - Int64(SegmentFile.blockBytes))
            let length = Int(end - blockStart)
            guard try file.read(length, at: blockStart, into: &block) == length else { return }
            // A block that does not begin with the range begins inside a line: that line belongs to the next block.
            let newEnd: Int64? = block.withUnsafeBytes { pointer in
                let bytes = UnsafeRawBufferPointer(rebasing: pointer.prefix(length))
                let skipped = blockStart == start ? 0 : (bytes.offset(of: 0x0A) ?? length - 1) + 1
                let whole = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(skipped))
                let goOn = Self.linesReversed(whole) { visit($0, blockStart + Int64(skipped + $1)) }
                return goOn ? blockStart + Int64(skipped == length ? 0 : skipped) : nil
            }
            guard let newEnd else { return }
            end = newEnd
        }
    }

    /// Offset of the first record at or after a time, `end` when there is none. Halves the range, then reads a block.
    static func lowerBound(
        _ file: SegmentFile, of time: Timestamp, end: Int64, block: inout [UInt8]
    ) throws(SystemError) -> Int64 {
        var low: Int64 = 0
        var high = end
        while high - low > SegmentFile.blockBytes {
            let middle = low + (high - low) / 2
            if let found = try firstRecord(file, after: middle, to: high, block: &block), found.time < time {
                low = found.offset
            } else {
                high = middle
            }
        }
        var bound = end
        try forward(file, from: low, to: end, block: &block) { line, offset in
            guard let record = LogRecord(line), record.time >= time else { return true }
            bound = offset
            return false
        }
        return bound
    }

    /// Time of the last record before an offset that is after a newline; nil when there is none.
    static func lastTime(
        of file: SegmentFile, before end: Int64, block: inout [UInt8]
    ) throws(SystemError) -> Timestamp? {
        var time: Timestamp?
        try backward(file, from: end, downTo: 0, block: &block) { line, _ in
            time = LogRecord(line)?.time
            return time == nil
        }
        return time
    }

    /// The first record that begins after an offset, which may be inside a line.
    private static func firstRecord(
        _ file: SegmentFile, after offset: Int64, to end: Int64, block: inout [UInt8]
    ) throws(SystemError) -> (time: Timestamp, offset: Int64)? {
        var found: (Timestamp, Int64)?
        var isFirst = true
        try forward(file, from: offset, to: end, block: &block) { line, lineOffset in
            defer { isFirst = false }
            guard !isFirst, let record = LogRecord(line) else { return true }
            found = (record.time, lineOffset)
            return false
        }
        return found
    }

    /// Calls `visit` with each line, without its newline, and its offset. False when `visit` stopped it.
    static func lines(
        _ bytes: UnsafeRawBufferPointer, visit: (_ line: UnsafeRawBufferPointer, _ offset: Int) -> Bool
    ) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(offset))
            let length = rest.offset(of: 0x0A) ?? rest.count
            guard visit(UnsafeRawBufferPointer(rebasing: rest.prefix(length)), offset) else { return false }
            offset += length + 1
        }
        return true
    }

    private static func linesReversed(
        _ bytes: UnsafeRawBufferPointer, visit: (_ line: UnsafeRawBufferPointer, _ offset: Int) -> Bool
    ) -> Bool {
        var end = bytes.count
        while end > 0 {
            let before = UnsafeRawBufferPointer(rebasing: bytes.prefix(end - 1))
            let start = before.lastOffset(of: 0x0A).map { $0 + 1 } ?? 0
            guard visit(UnsafeRawBufferPointer(rebasing: before.dropFirst(start)), start) else { return false }
            end = start
        }
        return true
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
internal import PaaSModel

/// Adds to the index of the segment that is written.
///
/// Entries wait until the records of their blocks are in the segment. Nothing depends on them, so where one cannot be
/// written the segment goes on without, and readers read what it leaves open.
struct SegmentIndexWriter {
    private let directory: SegmentDirectory
    private var file: IndexFile?
    private let number: UInt64
    /// The block that is being filled.
    private var open: IndexEntry
    private var start: Int64
    private var full: [IndexEntry] = []
    private var written: Int
    private var isGivenUp = false

    /// Begins with a new segment.
    init(_ number: UInt64, in directory: SegmentDirectory) {
        self.number = number
        self.directory = directory
        open = IndexEntry(from: 0, after: Timestamp(microseconds: .min))
        start = 0
        written = 0
    }

    /// Goes on with a segment of a size that is behind a newline.
    ///
    /// - Throws: `SystemError`.
    init(resuming segment: SegmentFile, in directory: SegmentDirectory, size: Int64) throws(SystemError) {
        var block = [UInt8](repeating: 0, count: SegmentFile.blockBytes)
        let known = try SegmentIndex.written(segment.number, in: directory, upTo: size)
        var blocks = try SegmentIndex.blocks(of: segment, in: directory, upTo: size, block: &block)
        self.init(segment.number, in: directory)
        written = known.count
        // The last block may have room left: what comes next belongs to it.
        open =
            blocks.count > known.count
            ? blocks.removeLast() : IndexEntry(from: size, after: known.last?.lastTime ?? open.lastTime)
        start = blocks.last?.end ?? 0
        full = Array(blocks.dropFirst(known.count))
        flush()
    }

    /// Time of the last record.
    var lastTime: Timestamp { open.lastTime }

    /// Counts a record of so many bytes that goes to the end of the segment.
    mutating func add(_ stream: LogLine.Stream, release: UInt32?, bytes: Int, at time: Timestamp) {
        if open.end - start + Int64(bytes) > Int64(SegmentFile.blockBytes) { close() }
        open.end += Int64(bytes)
        open.lastTime = time
        open.add(stream, release: release)
    }

    private mutating func close() {
        guard open.end > start else { return }
        full.append(open)
        start = open.end
        open = IndexEntry(from: start, after: open.lastTime)
    }

    /// No record follows in this segment: with its last block, all of it is in the index.
    mutating func finish() {
        close()
        flush()
    }

    /// The disk has refused records that were counted.
    mutating func giveUp() { isGivenUp = true }

    /// Writes the entries of blocks whose records are in the segment, which is all that were counted.
    mutating func flush() {
        guard !full.isEmpty, !isGivenUp else { return }
        var bytes: [UInt8] = []
        for entry in full { entry.append(to: &bytes) }
        do throws(SystemError) {
            if file == nil { file = try IndexFile(path: directory.indexPath(of: number), entries: written) }
            try file?.write(bytes, at: written * IndexEntry.byteCount)
            written += full.count
        } catch {
            isGivenUp = true
        }
        full.removeAll(keepingCapacity: true)
    }
}

/// The open index file.
private final class IndexFile {
    private let descriptor: OwnedDescriptor

    /// - Parameter entries: those that are right; what stands behind them, of a segment that was cut, goes.
    init(path: String, entries: Int) throws(SystemError) {
        descriptor = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT | O_NOFOLLOW)
        guard ftruncate(descriptor.rawValue, off_t(entries * IndexEntry.byteCount)) == 0 else {
            throw SystemError(operation: "ftruncate", path: path, errno: errno)
        }
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(SystemError) {
        let count = pwrite(descriptor.rawValue, bytes, bytes.count, off_t(offset))
        guard count == bytes.count else { throw SystemError(operation: "pwrite", errno: count < 0 ? errno : ENOSPC) }
    }
}

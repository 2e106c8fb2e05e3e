// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
internal import PaaSModel

/// The index of a segment, `00000001.idx` beside `00000001.log`: an ``IndexEntry`` for each block that is full.
///
/// It says nothing that the segment does not: what is missing or damaged is made anew by reading the segment.
struct SegmentIndex {
    /// The blocks of a segment up to a size that is behind a newline: those of the index, the rest by reading it.
    ///
    /// - Parameter block: of ``SegmentFile/blockBytes``, to read into.
    static func blocks(
        of file: SegmentFile, in directory: SegmentDirectory, upTo size: Int64, block: inout [UInt8]
    ) throws(SystemError) -> [IndexEntry] {
        var entries = try written(file.number, in: directory, upTo: size)
        var offset = entries.last?.end ?? 0
        while offset < size {
            let count = try file.wholeLines(from: offset, to: size, into: &block)
            guard count > 0 else { break }
            var entry = IndexEntry(
                from: offset + Int64(count), after: entries.last?.lastTime ?? Timestamp(microseconds: .min))
            block.withUnsafeBytes { bytes in
                Records.forEach(UnsafeRawBufferPointer(rebasing: bytes.prefix(count))) { record, _ in
                    entry.add(record.stream, release: IndexEntry.releaseNumber(record.release))
                    entry.lastTime = record.time
                }
            }
            entries.append(entry)
            offset += Int64(count)
        }
        return entries
    }

    /// What stands in the index file, as far as it can be right.
    static func written(
        _ number: UInt64, in directory: SegmentDirectory, upTo size: Int64
    ) throws(SystemError) -> [IndexEntry] {
        let bytes: [UInt8]
        do throws(SystemError) {
            let descriptor = try OwnedDescriptor.open(directory.indexPath(of: number), O_RDONLY | O_NOFOLLOW)
            bytes = try read(descriptor, upTo: size)
        } catch {
            if error.errno == ENOENT { return [] }
            throw error
        }
        var entries: [IndexEntry] = []
        entries.reserveCapacity(bytes.count / IndexEntry.byteCount)
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset + IndexEntry.byteCount <= bytes.count {
                let next = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + IndexEntry.byteCount])
                let start = entries.last?.end ?? 0
                guard let entry = IndexEntry(next), entry.end > start, entry.end <= size,
                    entry.end - start <= Int64(SegmentFile.blockBytes),
                    entries.last.map({ entry.lastTime >= $0.lastTime }) ?? true
                else { return }
                entries.append(entry)
                offset += IndexEntry.byteCount
            }
        }
        return entries
    }

    /// Reads the file, at most what a segment of a size can have.
    private static func read(
        _ descriptor: borrowing OwnedDescriptor, upTo size: Int64
    ) throws(SystemError) -> [UInt8] {
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0 else { throw SystemError(operation: "fstat", errno: errno) }
        // No two blocks are shorter than one together.
        let most = (size / Int64(SegmentFile.blockBytes / 2) + 2) * Int64(IndexEntry.byteCount)
        return try descriptor.bytes(at: 0, upTo: Int(min(Int64(status.st_size), most)))
    }
}

/// Goes through the records of a block.
enum Records {
    /// Calls `visit` with each record, and the offset behind it; what is no record is passed over.
    static func forEach(
        _ bytes: UnsafeRawBufferPointer, visit: (_ record: LogRecord, _ line: Range<Int>) -> Void
    ) {
        var offset = 0
        while offset < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(offset))
            let length = rest.offset(of: 0x0A) ?? rest.count
            if let record = LogRecord(UnsafeRawBufferPointer(rebasing: rest.prefix(length))) {
                visit(record, offset..<offset + length)
            }
            offset += length + 1
        }
    }
}

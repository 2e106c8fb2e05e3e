// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem

/// The frames of a compressed segment, as one piece of bytes at the places where they were written. Keeps the frame that was
/// read last. Belongs to one thread at a time.
final class CompressedSegment {
    /// Largest file that is read whole, where its table is missing. A segment is far smaller.
    private static let maxFileBytes: Int64 = 64 << 20

    let table: FrameTable
    /// Frames that are damaged: newlines are given in the place of their bytes.
    private var damaged: Set<Int> = []
    private var hasMetDamage = false
    private let path: String
    private let decompressor = BlockDecompressor()
    private var present: Int?
    private var block = [UInt8](repeating: 0, count: SegmentFile.blockBytes)
    private var stored: [UInt8] = []

    /// Reads the table, or makes it anew from the frames where it is missing or damaged: then what is behind the first frame
    /// that is not whole does not exist.
    ///
    /// - Throws: `SystemError`.
    init(_ file: borrowing OwnedDescriptor, path: String) throws(SystemError) {
        self.path = path
        var status = stat()
        guard fstat(file.rawValue, &status) == 0 else {
            throw SystemError(operation: "fstat", path: path, errno: errno)
        }
        let size = Int64(status.st_size)
        if let table = try Self.writtenTable(file, path, size) {
            self.table = table
        } else {
            table = Self.table(from: try file.bytes(at: 0, upTo: Int(min(size, Self.maxFileBytes)), path: path))
        }
    }

    /// Copies bytes from a place on; returns how many there were, fewer only at the end.
    ///
    /// - Throws: `SystemError` when the file cannot be read.
    func read(
        _ file: borrowing OwnedDescriptor, into target: UnsafeMutableRawBufferPointer, at place: Int64
    ) throws(SystemError) -> Int {
        var filled = 0
        while filled < target.count, let index = table.index(at: place + Int64(filled)) {
            try load(index, from: file)
            let frame = table.frames[index]
            let start = Int(place + Int64(filled) - frame.start)
            let count = min(frame.bytes - start, target.count - filled)
            block.withUnsafeBytes { block in
                UnsafeMutableRawBufferPointer(rebasing: target[filled...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: block[start..<start + count]))
            }
            filled += count
        }
        return filled
    }

    /// A frame was read since this was last asked that is damaged and was not read before.
    func takeDamage() -> Bool {
        defer { hasMetDamage = false }
        return hasMetDamage
    }

    private func load(_ index: Int, from file: borrowing OwnedDescriptor) throws(SystemError) {
        guard present != index else { return }
        present = nil
        let frame = table.frames[index]
        stored = try file.bytes(at: frame.offset, upTo: frame.storedBytes, path: path)
        let isWhole = block.withUnsafeMutableBytes { block in
            stored.withUnsafeBytes { stored in
                decompressor.fill(UnsafeMutableRawBufferPointer(rebasing: block[..<frame.bytes]), from: stored)
            }
        }
        if !isWhole {
            // The lines around it stay where they are.
            for place in 0..<frame.bytes { block[place] = 0x0A }
            if damaged.insert(index).inserted { hasMetDamage = true }
        }
        present = index
    }

    private static func writtenTable(
        _ file: borrowing OwnedDescriptor, _ path: String, _ size: Int64
    ) throws(SystemError) -> FrameTable? {
        let footer = try file.bytes(
            at: max(0, size - Int64(FrameTable.footerBytes)), upTo: FrameTable.footerBytes, path: path)
        guard let count = footer.withUnsafeBytes({ FrameTable.byteCount(footer: $0, fileBytes: size) }) else {
            return nil
        }
        let bytes = try file.bytes(at: size - Int64(count), upTo: count, path: path)
        return bytes.withUnsafeBytes { FrameTable($0, fileBytes: size) }
    }

    private static func table(from bytes: [UInt8]) -> FrameTable {
        var table = FrameTable()
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count,
                let sizes = BlockDecompressor.sizes(UnsafeRawBufferPointer(rebasing: bytes[offset...])),
                table.add(storedBytes: sizes.storedBytes, bytes: sizes.bytes)
            {
                offset += sizes.storedBytes
            }
        }
        return table
    }
}

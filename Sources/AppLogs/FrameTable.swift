// SPDX-License-Identifier: Apache-2.0

/// Where the frames of a compressed segment lie: its seek table, as the Zstandard Seekable Format has it.
///
/// It stands at the end of the file, in a frame that decompressors pass over. Little-endian: magic (4), bytes of the rest (4);
/// for each frame its size compressed and decompressed (4 each); number of frames (4), a descriptor (1, zero: no checksums), a
/// second magic (4). Whoever reads one trusts nothing in it: every frame has at most ``SegmentFile/blockBytes``, and all of
/// them together fill the file.
struct FrameTable: Hashable {
    struct Frame: Hashable {
        /// Place in the file.
        var offset: Int64
        /// Bytes in the file.
        var storedBytes: Int
        /// Place in the segment.
        var start: Int64
        /// Bytes of the segment, at least 1.
        var bytes: Int

        var end: Int64 { start + Int64(bytes) }
    }

    private static let headBytes = 8
    private static let entryBytes = 8
    static let footerBytes = 9
    private static let skippableMagic: UInt32 = 0x184D_2A5E
    private static let seekableMagic: UInt32 = 0x8F92_EAB1
    /// Bytes that a frame of a block can have at most, with room to spare (ZSTD_compressBound).
    static let maxStoredBytes = SegmentFile.blockBytes + 4_096

    private(set) var frames: [Frame] = []

    /// Bytes of the segment.
    var segmentBytes: Int64 { frames.last?.end ?? 0 }
    /// Bytes of all frames in the file.
    var storedBytes: Int64 { frames.last.map { $0.offset + Int64($0.storedBytes) } ?? 0 }

    /// Adds the next frame.
    ///
    /// - Returns: false when no frame can have such sizes.
    @discardableResult
    mutating func add(storedBytes: Int, bytes: Int) -> Bool {
        guard (1...Self.maxStoredBytes).contains(storedBytes), (1...SegmentFile.blockBytes).contains(bytes) else {
            return false
        }
        frames.append(Frame(offset: self.storedBytes, storedBytes: storedBytes, start: segmentBytes, bytes: bytes))
        return true
    }

    /// Number of the frame that has a place in the segment; nil behind the end.
    func index(at place: Int64) -> Int? {
        var (low, high) = (0, frames.count)
        while low < high {
            let middle = (low + high) / 2
            if frames[middle].end <= place { low = middle + 1 } else { high = middle }
        }
        return low < frames.count && place >= 0 ? low : nil
    }

    /// The table as it stands in the file.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        func add(_ number: UInt32) { withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) } }
        add(Self.skippableMagic)
        add(UInt32(frames.count * Self.entryBytes + Self.footerBytes))
        for frame in frames {
            add(UInt32(frame.storedBytes))
            add(UInt32(frame.bytes))
        }
        add(UInt32(frames.count))
        bytes.append(0)
        add(Self.seekableMagic)
        return bytes
    }

    init() {}

    /// Bytes at the end of a file that are its table, by what its last ``footerBytes`` say; nil when they say nothing of one.
    static func byteCount(footer: UnsafeRawBufferPointer, fileBytes: Int64) -> Int? {
        guard footer.count == footerBytes, number(footer, 5) == seekableMagic, footer[4] == 0 else { return nil }
        let count = headBytes + Int(number(footer, 0)) * entryBytes + footerBytes
        return Int64(count) <= fileBytes ? count : nil
    }

    /// Reads a table; nil when it is none, or none of a file of so many bytes.
    init?(_ bytes: UnsafeRawBufferPointer, fileBytes: Int64) {
        let entries = bytes.count - Self.headBytes - Self.footerBytes
        guard entries >= 0, entries % Self.entryBytes == 0, Self.number(bytes, 0) == Self.skippableMagic,
            Self.number(bytes, 4) == UInt32(truncatingIfNeeded: bytes.count - Self.headBytes)
        else { return nil }
        for place in stride(from: Self.headBytes, to: Self.headBytes + entries, by: Self.entryBytes) {
            guard add(storedBytes: Int(Self.number(bytes, place)), bytes: Int(Self.number(bytes, place + 4))) else {
                return nil
            }
        }
        guard storedBytes + Int64(bytes.count) == fileBytes else { return nil }
    }

    private static func number(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}

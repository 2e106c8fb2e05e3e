// SPDX-License-Identifier: Apache-2.0

internal import CZstd

/// Makes frames of blocks. Belongs to one thread at a time.
final class BlockCompressor {
    /// The fastest: on logs it makes within a few percent what level 9 does, in an eighth of the time.
    private static let level: Int32 = 1

    private let context: OpaquePointer?
    private let room: UnsafeMutableRawBufferPointer

    init() {
        context = ZSTD_createCCtx()
        room = .allocate(byteCount: ZSTD_compressBound(SegmentFile.blockBytes), alignment: 16)
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Self.level)
        // Of the contents, so that a disk that gives back something else is noticed.
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    }

    deinit {
        ZSTD_freeCCtx(context)
        room.deallocate()
    }

    /// A frame with at most ``SegmentFile/blockBytes``, valid until the next call; nil when there is no memory.
    func frame(of block: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let count = ZSTD_compress2(context, room.baseAddress, room.count, block.baseAddress, block.count)
        guard ZSTD_isError(count) == 0 else { return nil }
        return UnsafeRawBufferPointer(rebasing: room[..<count])
    }
}

/// Reads frames of blocks, whoever made them: nothing they say makes it write beyond a block. Belongs to one thread at a time.
final class BlockDecompressor {
    private let context = ZSTD_createDCtx()

    deinit { ZSTD_freeDCtx(context) }

    /// Fills a block from a frame.
    ///
    /// - Returns: false when the frame is damaged or has another size.
    func fill(_ block: UnsafeMutableRawBufferPointer, from frame: UnsafeRawBufferPointer) -> Bool {
        ZSTD_decompressDCtx(context, block.baseAddress, block.count, frame.baseAddress, frame.count) == block.count
    }

    /// Sizes of the frame at the beginning of some bytes; nil when there is none that is whole and says its size.
    static func sizes(_ bytes: UnsafeRawBufferPointer) -> (storedBytes: Int, bytes: Int)? {
        let stored = ZSTD_findFrameCompressedSize(bytes.baseAddress, bytes.count)
        guard ZSTD_isError(stored) == 0 else { return nil }
        // Unknown and damaged are the largest numbers that there are.
        let content = ZSTD_getFrameContentSize(bytes.baseAddress, bytes.count)
        guard content <= UInt64(SegmentFile.blockBytes) else { return nil }
        return (stored, Int(content))
    }
}

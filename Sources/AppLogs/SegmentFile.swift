// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem

/// One open segment, as it was written or compressed. Reads say where they read, so several readers never disturb each other;
/// places are those of writing, also in a compressed one.
final class SegmentFile {
    /// Bytes that a reader holds at a time; far more than the longest record, so a block always has whole lines.
    static let blockBytes = 65_536

    let number: UInt64
    /// Blocks read so far; tests prove by it that a search does not read everything.
    private(set) var blocksRead = 0
    private let path: String
    private let descriptor: OwnedDescriptor
    private let frames: CompressedSegment?

    private init(
        number: UInt64, path: String, descriptor: consuming OwnedDescriptor, frames: CompressedSegment? = nil
    ) {
        self.number = number
        self.path = path
        self.descriptor = descriptor
        self.frames = frames
    }

    /// Opens a segment to read; nil when it does not exist (any more).
    static func open(_ number: UInt64, in directory: SegmentDirectory) throws(SystemError) -> SegmentFile? {
        let path = directory.path(of: number)
        do {
            let descriptor = try OwnedDescriptor.open(path, O_RDONLY | O_NOFOLLOW)
            return SegmentFile(number: number, path: path, descriptor: descriptor)
        } catch {
            // The compressed one has its name before the plain one goes.
            if error.errno == ENOENT { return try openCompressed(number, in: directory) }
            throw error
        }
    }

    /// Opens a compressed segment to read, whether the plain one is there or not; nil when it does not exist.
    static func openCompressed(_ number: UInt64, in directory: SegmentDirectory) throws(SystemError) -> SegmentFile? {
        let path = directory.compressedPath(of: number)
        do {
            let descriptor = try OwnedDescriptor.open(path, O_RDONLY | O_NOFOLLOW)
            let frames = try CompressedSegment(descriptor, path: path)
            return SegmentFile(number: number, path: path, descriptor: descriptor, frames: frames)
        } catch {
            if error.errno == ENOENT { return nil }
            throw error
        }
    }

    /// Nothing can be added to it.
    var isCompressed: Bool { frames != nil }

    /// Lines were read as nothing, because what is on the disk is not what was written.
    func takeDamage() -> Bool { frames?.takeDamage() ?? false }

    /// Opens a segment to append, and creates it when it is new.
    static func append(to number: UInt64, in directory: SegmentDirectory) throws(SystemError) -> SegmentFile {
        let path = directory.path(of: number)
        let descriptor = try OwnedDescriptor.open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, mode: 0o600)
        return SegmentFile(number: number, path: path, descriptor: descriptor)
    }

    /// The descriptor's number, for the writer's write(2).
    var descriptorNumber: Int32 { descriptor.rawValue }

    /// Bytes of the segment now (fstat(2)).
    func size() throws(SystemError) -> Int64 {
        if let frames { return frames.table.segmentBytes }
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0 else {
            throw SystemError(operation: "fstat", path: path, errno: errno)
        }
        return Int64(status.st_size)
    }

    /// Cuts the file (ftruncate(2)).
    func truncate(to size: Int64) throws(SystemError) {
        while ftruncate(descriptor.rawValue, off_t(size)) != 0 {
            guard errno == EINTR else { throw SystemError(operation: "ftruncate", path: path, errno: errno) }
        }
    }

    /// Reads into the first `wanted` bytes of a block; returns how many there were, fewer only at the end of the file
    /// (pread(2)).
    func read(_ wanted: Int, at offset: Int64, into block: inout [UInt8]) throws(SystemError) -> Int {
        blocksRead += 1
        let result: Result<Int, SystemError> = block.withUnsafeMutableBytes { bytes in
            let target = UnsafeMutableRawBufferPointer(rebasing: bytes.prefix(wanted))
            do throws(SystemError) {
                if let frames { return .success(try frames.read(descriptor, into: target, at: offset)) }
                return .success(try descriptor.read(into: target, at: offset, path: path))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Offset after the last newline: all complete lines are before it.
    func endOfWholeLines() throws(SystemError) -> Int64 {
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        var end = try size()
        while end > 0 {
            let start = max(0, end - Int64(Self.blockBytes))
            let count = try read(Int(end - start), at: start, into: &block)
            let newline = block.withUnsafeBytes {
                UnsafeRawBufferPointer(rebasing: $0.prefix(count)).lastOffset(of: 0x0A)
            }
            if let newline { return start + Int64(newline) + 1 }
            end = start
        }
        return 0
    }

    /// Reads a block of whole lines that begins at an offset, and stops before `end`.
    ///
    /// - Returns: bytes to use of the block, a whole number of lines; 0 when no line is complete. A block without any
    ///   newline is damage, and is returned whole, to be stepped over.
    func wholeLines(from offset: Int64, to end: Int64, into block: inout [UInt8]) throws(SystemError) -> Int {
        let count = try read(Int(min(Int64(Self.blockBytes), max(0, end - offset))), at: offset, into: &block)
        let newline = block.withUnsafeBytes { UnsafeRawBufferPointer(rebasing: $0.prefix(count)).lastOffset(of: 0x0A) }
        if let newline { return newline + 1 }
        return count == Self.blockBytes ? count : 0
    }
}

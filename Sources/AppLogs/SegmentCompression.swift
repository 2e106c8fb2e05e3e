// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem

/// Puts a compressed file in the place of one segment to which nothing is added any more. Blocks for the time of it.
///
/// The process may end behind any step. Until the compressed file has its name the plain one is the segment; from then on,
/// where both are there, they have the same, and the next compression of the segment goes on with removing the plain one.
/// A file that was not finished has the process's id in its name, and goes when the log is opened to write.
struct SegmentCompression {
    /// Calls the function that gives the compressed file its name, or says no.
    typealias Commit = (_ rename: () -> Bool) -> Bool

    private let directory: SegmentDirectory
    private let number: UInt64
    private let temporary: String

    init(of number: UInt64, in directory: SegmentDirectory) {
        self.directory = directory
        self.number = number
        temporary = directory.temporaryPath(of: number)
    }

    /// All steps.
    ///
    /// - Parameters:
    ///   - isWanted: asked between two blocks; false ends it, and all is as it was.
    ///   - commit: the moment from which on it is not undone.
    /// - Returns: the segment is compressed now.
    /// - Throws: `SystemError`; all is as it was, ENOENT when the segment was deleted meanwhile.
    func run(
        with compressor: BlockCompressor, isWanted: () -> Bool, commit: Commit = { $0() }
    ) throws(SystemError) -> Bool {
        if try isWritten() {
            unlink(directory.path(of: number))
            return true
        }
        do throws(SystemError) {
            guard try write(with: compressor, isWanted: isWanted), try publish(commit) else {
                unlink(temporary)
                return false
            }
        } catch {
            unlink(temporary)
            throw error
        }
        return removePlain()
    }

    /// An earlier process came as far as ``publish(_:)``.
    private func isWritten() throws(SystemError) -> Bool {
        guard let written = try SegmentFile.openCompressed(number, in: directory),
            let plain = try SegmentFile.open(number, in: directory)
        else { return false }
        return try written.size() == plain.size()
    }

    /// Writes the compressed file under its temporary name, down to the disk.
    ///
    /// What cannot be made smaller is compressed all the same, which costs some bytes a block, and nobody tries it again.
    ///
    /// - Returns: false when it is not wanted any more, or is gone.
    func write(with compressor: BlockCompressor, isWanted: () -> Bool) throws(SystemError) -> Bool {
        guard let segment = try SegmentFile.open(number, in: directory), !segment.isCompressed else { return false }
        let size = try segment.size()
        let file = try OwnedDescriptor.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
        var table = FrameTable()
        var block = [UInt8](repeating: 0, count: SegmentFile.blockBytes)
        while table.segmentBytes < size {
            guard isWanted() else { return false }
            var count = try segment.wholeLines(from: table.segmentBytes, to: size, into: &block)
            // A last line without an end, of a segment that a power failure has cut, stays as it is.
            if count == 0 { count = try segment.read(block.count, at: table.segmentBytes, into: &block) }
            let frame = block.withUnsafeBytes { compressor.frame(of: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            guard count > 0, let frame else { return false }
            try file.writeAll(frame)
            table.add(storedBytes: frame.count, bytes: count)
        }
        try file.writeAll(table.bytes)
        guard fdatasync(file.rawValue) == 0 else {
            throw SystemError(operation: "fdatasync", path: temporary, errno: errno)
        }
        return true
    }

    /// Gives the compressed file its name, down to the disk: the plain one may go only afterwards.
    ///
    /// - Returns: false when it may not have the name.
    func publish(_ commit: Commit = { $0() }) throws(SystemError) -> Bool {
        let path = directory.compressedPath(of: number)
        var failure: SystemError?
        let isDone = commit {
            guard rename(temporary, path) == 0 else {
                failure = SystemError(operation: "rename", path: path, errno: errno)
                return false
            }
            return true
        }
        if let failure { throw failure }
        guard isDone else { return false }
        let parent = try OwnedDescriptor.open(directory.path, O_RDONLY | O_DIRECTORY)
        guard fsync(parent.rawValue) == 0 else {
            throw SystemError(operation: "fsync", path: directory.path, errno: errno)
        }
        return true
    }

    /// Removes the plain file.
    ///
    /// - Returns: false when it was gone: the segment was deleted meanwhile, and must not come back.
    private func removePlain() -> Bool {
        if unlink(directory.path(of: number)) == 0 { return true }
        unlink(directory.compressedPath(of: number))
        return false
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// Looks into a pipe without taking anything out (tee(2)), and takes it out later without copying it (splice(2)).
///
/// What is in a pipe survives its readers as long as somebody holds it. A reader that first puts the bytes where they
/// belong and only then takes them out can die at any moment without losing one. Belongs to one thread.
public final class PipePeek {
    private let scratchReader: OwnedDescriptor
    private let scratchWriter: OwnedDescriptor
    private let null: OwnedDescriptor

    /// Opens a pipe for the copies.
    ///
    /// - Throws: `SystemError` (EMFILE, ENFILE).
    public init() throws(SystemError) {
        var scratch = try Pipe()
        guard let writer = scratch.writer.take() else { preconditionFailure("a new pipe has both ends") }
        scratchWriter = writer
        scratchReader = scratch.takeReader()
        null = try OwnedDescriptor.open("/dev/null", O_WRONLY)
    }

    /// Copies what is at the head of a pipe, at most `buffer.count` bytes; what is there stays. Does not block.
    ///
    /// - Returns: how many bytes; 0 when the pipe is empty.
    /// - Throws: `SystemError`.
    public func peek(
        _ pipe: borrowing OwnedDescriptor, into buffer: UnsafeMutableRawBufferPointer
    ) throws(SystemError) -> Int {
        let copied = cls_tee(pipe.rawValue, scratchWriter.rawValue, buffer.count)
        guard copied >= 0 else { throw SystemError(operation: "tee", errno: Int32(-copied)) }
        var filled = 0
        // The whole copy is taken out again, or the next one would begin with the rest of this.
        while filled < copied {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<Int(copied)])
            guard let count = try scratchReader.read(into: rest), count > 0 else { break }
            filled += count
        }
        return filled
    }

    /// What is at the head of a pipe, at most so many bytes, which stay there; none when the pipe is empty. Does not block.
    ///
    /// - Throws: `SystemError`.
    public func bytes(of pipe: borrowing OwnedDescriptor, upTo limit: Int) throws(SystemError) -> [UInt8] {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: limit, alignment: 8)
        defer { memory.deallocate() }
        return Array(memory[..<(try peek(pipe, into: memory))])
    }

    /// Takes so many bytes out of a pipe that has at least as many.
    ///
    /// - Throws: `SystemError`.
    public func discard(_ count: Int, from pipe: borrowing OwnedDescriptor) throws(SystemError) {
        var left = count
        while left > 0 {
            let moved = cls_splice(pipe.rawValue, null.rawValue, left)
            guard moved >= 0 else { throw SystemError(operation: "splice", errno: Int32(-moved)) }
            if moved == 0 { return }
            left -= Int(moved)
        }
    }
}

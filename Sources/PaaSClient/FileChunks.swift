// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOCore

/// A regular file that is read from its beginning, for one reader at a time; closes it at the end of its life.
///
/// `@unchecked Sendable`: the descriptor is set in init, closed in deinit, and read(2) may be called from any thread.
final class FileChunks: @unchecked Sendable {
    /// Bytes that one chunk has at most.
    static let chunkBytes = 256 << 10

    let path: String
    /// Size in bytes when it was opened.
    let size: Int64
    private let descriptor: CInt

    /// Opens a file. Throws `ClientError.file`.
    init(path: String) throws(ClientError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file(path: path, errno: errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .file(path: path, cause: "is not a regular file")
        }
        self.path = path
        self.size = Int64(status.st_size)
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// The next bytes; nil at the end. Blocks on the disk. Throws `ClientError.file`.
    func next() throws(ClientError) -> ByteBuffer? {
        var buffer = ByteBuffer()
        while true {
            var failure: CInt = 0
            let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.chunkBytes) { space in
                let count = read(descriptor, space.baseAddress, Self.chunkBytes)
                failure = count < 0 ? errno : 0
                return max(0, count)
            }
            if count > 0 { return buffer }
            if failure == 0 { return nil }
            guard failure == EINTR else { throw .file(path: path, errno: failure) }
        }
    }
}

/// The bytes of a file as an asynchronous sequence, for one iteration.
struct FileChunkSequence: AsyncSequence, Sendable {
    let file: FileChunks
    /// Called with the bytes handed out so far.
    let progress: @Sendable (Int64) -> Void

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(sequence: self) }

    struct AsyncIterator: AsyncIteratorProtocol {
        let sequence: FileChunkSequence
        private var handedOut: Int64 = 0

        init(sequence: FileChunkSequence) { self.sequence = sequence }

        mutating func next() async throws -> ByteBuffer? {
            guard let chunk = try sequence.file.next() else { return nil }
            handedOut += Int64(chunk.readableBytes)
            sequence.progress(handedOut)
            return chunk
        }
    }
}

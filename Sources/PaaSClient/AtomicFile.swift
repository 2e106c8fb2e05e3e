// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A file that appears under its name only when it is complete. Removed when it was not committed.
///
/// For one writer at a time. Mode 0600.
final class AtomicFile {
    private let path: String
    private let temporaryPath: String
    private var descriptor: CInt

    /// Creates the temporary file beside the final one. Throws `ClientError.file`.
    init(path: String) throws(ClientError) {
        self.path = path
        temporaryPath = "\(path).partial-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .file(path: path, errno: errno) }
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        unlink(temporaryPath)
    }

    /// Appends bytes. Throws `ClientError.file`.
    func write(_ bytes: UnsafeRawBufferPointer) throws(ClientError) {
        var written = 0
        while written < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count >= 0 {
                written += count
            } else if errno != EINTR {
                throw .file(path: path, errno: errno)
            }
        }
    }

    /// Puts the bytes on disk and gives the file its name; nothing may be written afterwards. Throws `ClientError.file`.
    func commit() throws(ClientError) {
        guard fdatasync(descriptor) == 0, rename(temporaryPath, path) == 0 else {
            throw .file(path: path, errno: errno)
        }
        close(descriptor)
        descriptor = -1
    }
}

extension ClientError {
    /// The error of a system call on a file.
    static func file(path: String, errno: CInt) -> ClientError {
        .file(path: path, cause: String(cString: strerror(errno)))
    }
}

// SPDX-License-Identifier: Apache-2.0

public import Glibc

/// The only owner of a file descriptor; closes it when it goes away.
///
/// Not copyable, so that a descriptor is closed exactly once. Every descriptor made here is close-on-exec.
public struct OwnedDescriptor: ~Copyable, Sendable {
    /// The descriptor's number, valid as long as this value lives.
    public let rawValue: Int32

    /// Takes over a descriptor that nobody else closes.
    public init(adopting rawValue: Int32) {
        self.rawValue = rawValue
    }

    deinit { close(rawValue) }

    /// Gives the descriptor up without closing it; the caller closes it.
    public consuming func relinquish() -> Int32 {
        let number = rawValue
        discard self
        return number
    }

    /// Opens a file (open(2)), always with `O_CLOEXEC`.
    ///
    /// - Parameters:
    ///   - path: of the file.
    ///   - flags: `O_RDONLY` and the like.
    ///   - mode: permissions of a file that is created, before the umask.
    /// - Throws: `SystemError`.
    public static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o600) throws(SystemError) -> OwnedDescriptor
    {
        let number = Glibc.open(path, flags | O_CLOEXEC, mode)
        guard number >= 0 else { throw SystemError(operation: "open", path: path, errno: errno) }
        return OwnedDescriptor(adopting: number)
    }

    /// Duplicates the descriptor, close-on-exec (fcntl(2), F_DUPFD_CLOEXEC).
    public borrowing func duplicate() throws(SystemError) -> OwnedDescriptor {
        let number = fcntl(rawValue, F_DUPFD_CLOEXEC, 3)
        guard number >= 0 else { throw SystemError(operation: "fcntl(F_DUPFD_CLOEXEC)", errno: errno) }
        return OwnedDescriptor(adopting: number)
    }

    /// Reads at most `buffer.count` bytes. Nil when a non-blocking descriptor has none now; 0 at the end.
    public borrowing func read(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int? {
        while true {
            let count = Glibc.read(rawValue, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            default: throw SystemError(operation: "read", errno: errno)
            }
        }
    }

    /// Fills a buffer from a place in a file on (pread(2)).
    ///
    /// - Parameters:
    ///   - buffer: what to fill.
    ///   - offset: the place in the file.
    ///   - path: of the file, for errors.
    /// - Returns: how many bytes, fewer than the buffer has room for only at the end of the file.
    public borrowing func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int64, path: String? = nil
    ) throws(SystemError) -> Int {
        var filled = 0
        while filled < buffer.count {
            let count = pread(
                rawValue, buffer.baseAddress.map { $0 + filled }, buffer.count - filled, off_t(offset) + off_t(filled))
            if count == 0 { break }
            if count > 0 {
                filled += count
            } else if errno != EINTR {
                throw SystemError(operation: "pread", path: path, errno: errno)
            }
        }
        return filled
    }

    /// The bytes of a file from a place on, at most so many.
    ///
    /// - Parameters:
    ///   - offset: the place in the file.
    ///   - limit: how many are wanted.
    ///   - path: of the file, for errors.
    public borrowing func bytes(
        at offset: Int64, upTo limit: Int, path: String? = nil
    ) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        var filled = 0
        var failure: SystemError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(SystemError) { filled = try read(into: buffer, at: offset, path: path) } catch { failure = error }
        }
        if let failure { throw failure }
        bytes.removeLast(limit - filled)
        return bytes
    }

    /// Writes all bytes; blocks where the descriptor blocks.
    public borrowing func writeAll(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(rawValue, rest.baseAddress, rest.count)
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            } else if errno != EINTR {
                throw SystemError(operation: "write", errno: errno)
            }
        }
    }

    /// Writes all bytes of an array; blocks where the descriptor blocks.
    public borrowing func writeAll(_ bytes: [UInt8]) throws(SystemError) {
        let failure: SystemError? = bytes.withUnsafeBytes { pointer in
            do throws(SystemError) { try writeAll(pointer) } catch { return error }
            return nil
        }
        if let failure { throw failure }
    }
}

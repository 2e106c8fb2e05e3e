// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// A file of a fixed size that is mapped into memory (mmap(2), MAP_SHARED): what is stored there is in the kernel's
/// hands at once, and the next process finds it, however this one ended. Not after a power failure.
///
/// Its blocks are reserved, because a store for which the disk has no block left is a SIGBUS and not an error.
public final class MappedFile {
    /// The file's contents. Zero where nothing was stored yet.
    public let bytes: UnsafeMutableRawBufferPointer

    /// Maps a file, which is made, or grown to the size, when needed.
    ///
    /// - Parameters:
    ///   - path: in an existing directory.
    ///   - byteCount: above 0.
    /// - Throws: `SystemError`, ENOSPC for a full disk.
    public init(path: String, byteCount: Int) throws(SystemError) {
        let file = try OwnedDescriptor.open(path, O_RDWR | O_CREAT)
        let refusal = posix_fallocate(file.rawValue, 0, off_t(byteCount))
        guard refusal == 0 else { throw SystemError(operation: "posix_fallocate", path: path, errno: refusal) }
        guard let address = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file.rawValue, 0),
            address != UnsafeMutableRawPointer(bitPattern: -1)
        else { throw SystemError(operation: "mmap", path: path, errno: errno) }
        bytes = UnsafeMutableRawBufferPointer(start: address, count: byteCount)
    }

    deinit { munmap(bytes.baseAddress, bytes.count) }

    /// The number at an offset that is a multiple of 8.
    public func number(at offset: Int) -> UInt64 {
        bytes.load(fromByteOffset: offset, as: UInt64.self)
    }

    /// Stores a number at an offset that is a multiple of 8, in one piece, and after every store before this call.
    public func setNumber(_ value: UInt64, at offset: Int) {
        precondition(offset >= 0 && offset % 8 == 0 && offset + 8 <= bytes.count, "outside of the file")
        guard let base = bytes.baseAddress else { return }
        cls_store_release((base + offset).assumingMemoryBound(to: UInt64.self), value)
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

extension OwnedDescriptor {
    /// A sealed memory file with these bytes, at offset 0 (memfd_create(2)): whoever gets it can read and not change it.
    ///
    /// - Throws: `SystemError`.
    public static func sealedMemory(name: String, bytes: [UInt8]) throws(SystemError) -> OwnedDescriptor {
        let number = bytes.withUnsafeBytes { pointer -> Int32 in
            guard let base = pointer.baseAddress else { return -22 }
            return cls_sealed_memfd(name, base, pointer.count)
        }
        guard number >= 0 else { throw SystemError(operation: "memfd_create", path: name, errno: -number) }
        return OwnedDescriptor(adopting: number)
    }
}

extension OwnedDescriptor {
    /// An empty file in memory that nobody else can find (memfd_create(2)).
    ///
    /// - Throws: `SystemError`.
    public static func anonymousFile(name: String) throws(SystemError) -> OwnedDescriptor {
        let number = cls_memfd(name)
        guard number >= 0 else { throw SystemError(operation: "memfd_create", path: name, errno: -number) }
        return OwnedDescriptor(adopting: number)
    }

    /// What can be read now, at most `limit` bytes and the rest of a chunk: of a file everything from its start, of a
    /// non-blocking pipe what is in it. Empty after an error.
    public borrowing func allBytes(limit: Int) -> [UInt8] {
        lseek(rawValue, 0, SEEK_SET)
        var bytes: [UInt8] = []
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_096, alignment: 8)
        defer { chunk.deallocate() }
        while bytes.count < limit {
            do {
                guard let count = try read(into: chunk), count > 0 else { break }
                bytes.append(contentsOf: chunk[..<count])
            } catch {
                break
            }
        }
        return bytes
    }
}

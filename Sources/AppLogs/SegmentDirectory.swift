// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem

/// The segments of one app: files `00000001.log`, `00000002.log`, … in one directory, numbered in the order of writing.
struct SegmentDirectory: Sendable {
    let path: String

    /// Path of a segment.
    func path(of number: UInt64) -> String { path + "/" + Self.name(number) + ".log" }

    /// Path of a segment's index.
    func indexPath(of number: UInt64) -> String { path + "/" + Self.name(number) + ".idx" }

    private static func name(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    }

    /// Bytes of a segment; 0 when it does not exist.
    func size(of number: UInt64) -> Int64 {
        var status = stat()
        return stat(path(of: number), &status) == 0 ? Int64(status.st_size) : 0
    }

    /// Numbers of the segments that exist, ascending; none when the directory does not exist.
    func numbers() throws(SystemError) -> [UInt64] {
        guard let stream = opendir(path) else {
            if errno == ENOENT { return [] }
            throw SystemError(operation: "opendir", path: path, errno: errno)
        }
        defer { closedir(stream) }
        var numbers: [UInt64] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw SystemError(operation: "readdir", path: path, errno: errno) }
                return numbers.sorted()
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let number = Self.number(ofName: name) { numbers.append(number) }
        }
    }

    /// Creates the directory and the one above it, for the owner alone: logs may hold secrets.
    func create() throws(SystemError) {
        if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try SegmentDirectory(path: String(path[..<slash])).create()
            if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        }
        throw SystemError(operation: "mkdir", path: path, errno: errno)
    }

    /// Deletes a segment and its index; they may be gone already. Readers that have it open read on.
    func remove(_ number: UInt64) throws(SystemError) {
        for file in [indexPath(of: number), path(of: number)] where unlink(file) != 0 && errno != ENOENT {
            throw SystemError(operation: "unlink", path: file, errno: errno)
        }
    }

    /// Deletes every segment and the directory, which may be gone already.
    func removeAll() throws(SystemError) {
        for number in try numbers() { try remove(number) }
        guard rmdir(path) != 0, errno != ENOENT else { return }
        throw SystemError(
            operation: "rmdir", path: path, errno: errno, hint: "see what else is in that directory and delete it")
    }

    private static func number(ofName name: String) -> UInt64? {
        guard name.hasSuffix(".log") else { return nil }
        let digits = name.dropLast(4)
        guard digits.utf8.count >= 8, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt64(digits)
    }
}

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

    /// Path of a segment that was compressed.
    func compressedPath(of number: UInt64) -> String { path(of: number) + Self.compressedSuffix }

    /// Path of a compressed segment that this process has not finished.
    func temporaryPath(of number: UInt64) -> String { "\(compressedPath(of: number)).\(getpid())" }

    /// One segment: its files.
    struct Segment: Hashable {
        let number: UInt64
        /// Bytes of the file as it was written; nil when there is none, but only a compressed one.
        var plainBytes: Int64?
        /// Bytes of the compressed file; nil when there is none. Both are there for a moment, and after a crash.
        var compressedBytes: Int64?

        /// Bytes on the disk.
        var bytes: Int64 { (plainBytes ?? 0) + (compressedBytes ?? 0) }
    }

    /// The segments that exist, ascending; none when the directory does not exist.
    func segments() throws(SystemError) -> [Segment] {
        var found: [UInt64: Segment] = [:]
        for name in try names() {
            guard let (number, isCompressed) = Self.segment(ofName: name) else { continue }
            var status = stat()
            // Gone since it was listed.
            guard stat(path + "/" + name, &status) == 0 else { continue }
            var segment = found[number] ?? Segment(number: number)
            if isCompressed {
                segment.compressedBytes = Int64(status.st_size)
            } else {
                segment.plainBytes = Int64(status.st_size)
            }
            found[number] = segment
        }
        return found.values.sorted { $0.number < $1.number }
    }

    /// Bytes that a segment has on the disk; 0 when it does not exist.
    func size(of number: UInt64) -> Int64 {
        [path(of: number), compressedPath(of: number)].reduce(0) { sum, path in
            var status = stat()
            return stat(path, &status) == 0 ? sum + Int64(status.st_size) : sum
        }
    }

    /// The segment is there as it was written.
    func isPlain(_ number: UInt64) -> Bool { access(path(of: number), F_OK) == 0 }

    /// Numbers of the segments that exist, ascending; none when the directory does not exist.
    func numbers() throws(SystemError) -> [UInt64] {
        Set(try names().compactMap { Self.segment(ofName: $0)?.number }).sorted()
    }

    private func names() throws(SystemError) -> [String] {
        guard let stream = opendir(path) else {
            if errno == ENOENT { return [] }
            throw SystemError(operation: "opendir", path: path, errno: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw SystemError(operation: "readdir", path: path, errno: errno) }
                return names
            }
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
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
        for file in [indexPath(of: number), path(of: number), compressedPath(of: number)] { try remove(file) }
    }

    private func remove(_ file: String) throws(SystemError) {
        if unlink(file) != 0, errno != ENOENT { throw SystemError(operation: "unlink", path: file, errno: errno) }
    }

    /// Deletes compressed segments that were not finished, of whatever process.
    func removeTemporaries() throws(SystemError) {
        for name in try names() where Self.isTemporary(name) { try remove(path + "/" + name) }
    }

    /// Deletes every segment and the directory, which may be gone already.
    func removeAll() throws(SystemError) {
        // What compresses may add one more file before it learns that the log goes.
        for round in 1...3 {
            for number in try numbers() { try remove(number) }
            try removeTemporaries()
            if rmdir(path) == 0 || errno == ENOENT { return }
            guard errno == ENOTEMPTY, round < 3 else { break }
        }
        throw SystemError(
            operation: "rmdir", path: path, errno: errno, hint: "see what else is in that directory and delete it")
    }

    private static let compressedSuffix = ".zst"

    /// `00000001.log` or `00000001.log.zst`.
    private static func segment(ofName name: String) -> (number: UInt64, isCompressed: Bool)? {
        let isCompressed = name.hasSuffix(compressedSuffix)
        let plain = isCompressed ? name.dropLast(compressedSuffix.utf8.count) : name[...]
        guard plain.hasSuffix(".log") else { return nil }
        let digits = plain.dropLast(4)
        guard digits.utf8.count >= 8, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt64(digits).map { ($0, isCompressed) }
    }

    /// `00000001.log.zst.4711`.
    private static func isTemporary(_ name: String) -> Bool {
        guard let dot = name.lastIndex(of: "."), Int(name[name.index(after: dot)...]) != nil else { return false }
        return segment(ofName: String(name[..<dot]))?.isCompressed ?? false
    }
}

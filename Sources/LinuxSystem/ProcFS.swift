// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Readers for `/proc`, as proc(5) documents it. A process that is gone reads as nil.
public enum ProcFS {
    /// Identity of this boot.
    public static let bootID: String? = text(of: "/proc/sys/kernel/random/boot_id").map(trimmed)

    /// Release of the running kernel, `6.1.0-28-cloud-amd64`.
    public static var kernelRelease: String { text(of: "/proc/sys/kernel/osrelease").map(trimmed) ?? "unknown" }

    /// The whole of a small file, at most `limit` bytes; nil when it cannot be read.
    public static func text(of path: String, limit: Int = 1 << 20) -> String? {
        bytes(of: path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The whole of a small file, at most `limit` bytes and the rest of a chunk; nil when it cannot be read.
    public static func bytes(of path: String, limit: Int = 1 << 20) -> [UInt8]? {
        guard let descriptor = try? OwnedDescriptor.open(path, O_RDONLY) else { return nil }
        return descriptor.allBytes(limit: limit)
    }

    static func trimmed(_ text: String) -> String {
        String(text.prefix { !$0.isNewline })
    }

    /// Start time of a process in clock ticks since boot.
    public static func startTicks(of pid: Int32) -> UInt64? {
        text(of: "/proc/\(pid)/stat").flatMap(startTicks(inStat:))
    }

    /// Field 22 of a `stat` line. The name, field 2, may contain anything, so fields are counted from its last ')'.
    static func startTicks(inStat line: String) -> UInt64? {
        guard let close = line.lastIndex(of: ")") else { return nil }
        let fields = line[line.index(after: close)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }

    /// Name of a process, `python3`.
    public static func name(of pid: Int32) -> String? {
        text(of: "/proc/\(pid)/comm").map(trimmed)
    }

    /// Children of a process's main thread, oldest first.
    public static func children(of pid: Int32) -> [Int32] {
        guard let text = text(of: "/proc/\(pid)/task/\(pid)/children") else { return [] }
        return text.split(separator: " ").compactMap { Int32($0) }
    }

    /// All process ids that are visible here.
    public static var processIDs: [Int32] {
        names(inDirectory: "/proc").compactMap { Int32($0) }
    }

    /// Inodes of the sockets that a process has open.
    public static func socketInodes(of pid: Int32) -> Set<UInt64> {
        let directory = "/proc/\(pid)/fd"
        var inodes: Set<UInt64> = []
        var buffer = [UInt8](repeating: 0, count: 64)
        for name in names(inDirectory: directory) {
            let length = readlink("\(directory)/\(name)", &buffer, buffer.count)
            guard length > 0 else { continue }
            let target = String(decoding: buffer[..<length], as: UTF8.self)
            guard target.hasPrefix("socket:["), target.hasSuffix("]") else { continue }
            if let inode = UInt64(target.dropFirst(8).dropLast()) { inodes.insert(inode) }
        }
        return inodes
    }

    static func names(inDirectory path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}

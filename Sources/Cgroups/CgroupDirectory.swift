// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem

/// The files of one cgroup, reached through its open directory: a cgroup that was removed and made again under the same
/// name is never taken for the old one.
final class CgroupDirectory: Sendable {
    let path: String
    let descriptor: OwnedDescriptor

    init(path: String) throws {
        self.path = path
        do {
            self.descriptor = try OwnedDescriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        } catch {
            throw CgroupError(.operationFailed, "the cgroup cannot be opened", cause: error)
        }
    }

    /// The contents of a small file; nil when the cgroup does not have it.
    func read(_ name: String) throws -> String? {
        let number = openat(descriptor.rawValue, name, O_RDONLY | O_CLOEXEC)
        if number < 0 && errno == ENOENT { return nil }
        guard number >= 0 else { throw failure("open", name, errno) }
        let file = OwnedDescriptor(adopting: number)
        var bytes: [UInt8] = []
        do {
            try withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { buffer in
                while let count = try file.read(into: buffer), count > 0 { bytes.append(contentsOf: buffer[..<count]) }
            }
        } catch let error as SystemError {
            // Pressure files of a kernel that was booted without psi=1.
            if error.errno == EOPNOTSUPP { return nil }
            throw failure("read", name, error.errno)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The contents of a file that every cgroup of its kind has.
    func require(_ name: String) throws -> String {
        guard let text = try read(name) else { throw failure("open", name, ENOENT) }
        return text
    }

    /// Writes a value in one write(2), as the kernel's files want it.
    func write(_ name: String, _ value: String) throws {
        let number = openat(descriptor.rawValue, name, O_WRONLY | O_CLOEXEC)
        guard number >= 0 else { throw failure("open", name, errno) }
        let file = OwnedDescriptor(adopting: number)
        do {
            try file.writeAll(Array(value.utf8))
        } catch {
            throw failure("write '\(value)' to", name, error.errno)
        }
    }

    /// The cgroup has this file.
    func has(_ name: String) -> Bool { faccessat(descriptor.rawValue, name, F_OK, 0) == 0 }

    /// Names of the cgroups directly below.
    func children() throws -> [String] {
        // A descriptor of its own: closedir(3) closes it, and the position is not shared.
        let number = openat(descriptor.rawValue, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw failure("open", ".", errno) }
        guard let stream = fdopendir(number) else {
            let error = errno
            close(number)
            throw failure("fdopendir", ".", error)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            guard entry.pointee.d_type == UInt8(DT_DIR) else { continue }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Process ids of this cgroup alone.
    func processIDs() throws -> [Int32] {
        try require("cgroup.procs").split(separator: "\n").map { line in
            guard let pid = Int32(line) else { throw malformed("cgroup.procs", "'\(line.prefix(40))' is not a pid") }
            return pid
        }
    }

    func malformed(_ name: String, _ why: String) -> CgroupError {
        KernelFile(path: "\(path)/\(name)", text: "").malformed(why)
    }

    private func failure(_ operation: String, _ name: String, _ errno: Int32) -> CgroupError {
        CgroupError(
            .operationFailed, "a cgroup file could not be used",
            cause: SystemError(operation: operation, path: "\(path)/\(name)", errno: errno))
    }
}

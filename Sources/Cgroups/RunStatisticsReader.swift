// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem

/// Reads a run's statistics again and again: its files stay open, and each look is one pread(2) a file. About a dozen
/// descriptors where the machine counts everything; they close with the reader.
public final class RunStatisticsReader: Sendable {
    private static let names = [
        "cpu.stat", "memory.current", "memory.peak", "memory.max", "memory.events", "pids.current", "pids.peak",
        "pids.events", "io.stat", "cpu.pressure", "memory.pressure", "io.pressure",
    ]
    /// Bytes that ``read(_:)`` needs for its buffer: `io.stat` of some six hundred disks.
    public static let bufferBytes = 65_536

    private let path: String
    private let files: [String: Shared<OwnedDescriptor>]

    /// Opens what there is.
    ///
    /// - Throws: `CgroupError` when the run is gone or a file may not be read.
    public init(_ run: RunCgroup) throws {
        path = run.path
        var files: [String: Shared<OwnedDescriptor>] = [:]
        for name in Self.names {
            let number = openat(run.descriptor, name, O_RDONLY | O_CLOEXEC)
            if number >= 0 {
                files[name] = Shared(OwnedDescriptor(adopting: number))
            } else if errno != ENOENT && errno != EOPNOTSUPP {
                throw Self.failure("open", "\(run.path)/\(name)", errno)
            }
        }
        // Every cgroup has this one.
        guard files["cpu.stat"] != nil else { throw Self.failure("open", run.path + "/cpu.stat", ENOENT) }
        self.files = files
    }

    /// What the run has used until now.
    ///
    /// - Parameter buffer: ``bufferBytes`` of scratch space.
    /// - Throws: `CgroupError`: the run is gone, or a file is not what the kernel documents.
    public func read(_ buffer: UnsafeMutableRawBufferPointer) throws -> RunStatistics {
        try RunStatistics(of: Look(path: path, files: files, buffer: buffer))
    }

    fileprivate static func failure(_ operation: String, _ path: String, _ errno: Int32) -> CgroupError {
        CgroupError(
            .operationFailed, "a run's statistics cannot be read",
            cause: SystemError(operation: operation, path: path, errno: errno))
    }
}

private struct Look: ControllerFiles {
    let path: String
    let files: [String: Shared<OwnedDescriptor>]
    let buffer: UnsafeMutableRawBufferPointer

    func file(_ name: String) throws -> KernelFile? {
        guard let file = files[name] else { return nil }
        while true {
            let count = pread(file.value.rawValue, buffer.baseAddress, buffer.count, 0)
            if count >= 0 {
                let text = String(decoding: UnsafeRawBufferPointer(rebasing: buffer[..<count]), as: UTF8.self)
                let read = KernelFile(path: "\(path)/\(name)", text: text)
                // A file that does not fit would be read wrong, and silently.
                guard count < buffer.count else { throw read.malformed("is longer than \(buffer.count) bytes") }
                return read
            }
            if errno == EOPNOTSUPP { return nil }
            if errno != EINTR { throw RunStatisticsReader.failure("pread", "\(path)/\(name)", errno) }
        }
    }
}

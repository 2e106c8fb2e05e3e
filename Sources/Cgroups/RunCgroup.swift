// SPDX-License-Identifier: Apache-2.0

internal import Glibc
public import LinuxSystem

/// The cgroup of one run: made for it, removed after it.
///
/// Holds the cgroup's directory open. None of the calls blocks for longer than a system call takes.
public final class RunCgroup: Sendable {
    /// The directory's path.
    public let path: String
    /// Inode of the directory: with the boot id it tells this cgroup from one of the same name.
    public let inode: UInt64
    private let files: CgroupDirectory

    /// Opens a cgroup that exists, to adopt a run.
    ///
    /// - Throws: `CgroupError` when there is none.
    public static func existing(path: String) throws -> RunCgroup { try RunCgroup(path: path) }

    init(path: String) throws {
        self.path = path
        self.files = try CgroupDirectory(path: path)
        var status = stat()
        guard fstat(files.descriptor.rawValue, &status) == 0 else {
            throw CgroupError(
                .operationFailed, "the cgroup cannot be identified",
                cause: SystemError(operation: "fstat", path: path, errno: errno))
        }
        self.inode = UInt64(status.st_ino)
    }

    /// Number of the open directory, for `CLONE_INTO_CGROUP`; valid as long as this object lives.
    public var descriptor: Int32 { files.descriptor.rawValue }

    /// Kills every process in it and below, those being forked included (`cgroup.kill`, Linux 5.14).
    public func kill() throws { try files.write("cgroup.kill", "1") }

    /// Stops every process in it where it stands (`cgroup.freeze`); the kernel reports `frozen 1` in `cgroup.events`.
    public func freeze() throws { try files.write("cgroup.freeze", "1") }

    /// Lets frozen processes go on.
    public func thaw() throws { try files.write("cgroup.freeze", "0") }

    /// Somebody else has removed it, which can only be done while nothing lives in it.
    public var isRemoved: Bool {
        var status = stat()
        return stat(path, &status) != 0 ? errno == ENOENT : UInt64(status.st_ino) != inode
    }

    /// Some process lives in it or below; zombies do not count.
    public func isPopulated() throws -> Bool {
        if isRemoved { return false }
        switch try files.require(file: "cgroup.events").value(of: "populated") {
        case 0: return false
        case 1: return true
        default: throw files.malformed("cgroup.events", "has no 'populated' of 0 or 1")
        }
    }

    /// A cgroup below this one, for processes that end with the run and are not the app's. This one keeps its own
    /// processes, because no controller is enabled between the two.
    public func makeChild(_ name: String) throws -> RunCgroup {
        let child = "\(path)/\(name)"
        guard mkdir(child, 0o755) == 0 else {
            throw CgroupError(
                .operationFailed, "a cgroup cannot be made",
                cause: SystemError(operation: "mkdir", path: child, errno: errno))
        }
        return try RunCgroup(path: child)
    }

    /// Every process in it and below is frozen.
    public func isFrozen() throws -> Bool {
        switch try files.require(file: "cgroup.events").value(of: "frozen") {
        case 0: return false
        case 1: return true
        default: throw files.malformed("cgroup.events", "has no 'frozen' of 0 or 1")
        }
    }

    /// A new descriptor of `cgroup.events`: EPOLLPRI when it becomes populated, empty, frozen or thawed. Level of the
    /// truth is ``isPopulated()``; the event only says to look. The caller owns it.
    public func eventsDescriptor() throws -> OwnedDescriptor { try watch("cgroup.events") }

    /// A new descriptor of `memory.events`: EPOLLPRI when one of ``memoryEvents()`` grew. Nil without the `memory`
    /// controller. The caller owns it.
    public func memoryEventsDescriptor() throws -> OwnedDescriptor? {
        guard files.has(MemoryController.eventsName) else { return nil }
        return try watch(MemoryController.eventsName)
    }

    /// How often the run met its memory limits; nil without the `memory` controller.
    public func memoryEvents() throws -> MemoryEvents? { try MemoryController.events(in: files) }

    private func watch(_ name: String) throws -> OwnedDescriptor {
        let number = openat(descriptor, name, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else {
            throw CgroupError(
                .operationFailed, "the cgroup's events cannot be watched",
                cause: SystemError(operation: "open", path: "\(path)/\(name)", errno: errno))
        }
        return OwnedDescriptor(adopting: number)
    }

    /// All process ids in it and below, as this process's pid namespace has them; zombies are not among them.
    public func processIDs() throws -> [Int32] {
        try Self.processIDs(below: files)
    }

    /// All process ids in a cgroup and below; none when there is no such cgroup, or it may not be read.
    public static func processIDs(below path: String) -> [Int32] {
        (try? processIDs(below: CgroupDirectory(path: path))) ?? []
    }

    private static func processIDs(below directory: CgroupDirectory) throws -> [Int32] {
        try directory.processIDs()
            + directory.children().flatMap { try processIDs(below: CgroupDirectory(path: "\(directory.path)/\($0)")) }
    }

    /// What the run has used until now.
    ///
    /// - Throws: `CgroupError` when a file is not what the kernel documents, or the cgroup is gone.
    public func statistics() throws -> RunStatistics { try RunStatistics(of: files) }

    /// Removes it and what is below, bottom up. Done already is done.
    ///
    /// - Throws: `CgroupError` with code `busy` while a process lives in it.
    public func remove() throws { try Self.remove(path) }

    private static func remove(_ path: String) throws {
        if rmdir(path) == 0 || errno == ENOENT { return }
        // ENOTEMPTY or EBUSY: children, or processes.
        if errno == EBUSY || errno == ENOTEMPTY, let directory = try? CgroupDirectory(path: path) {
            for child in try directory.children() { try remove("\(path)/\(child)") }
            if rmdir(path) == 0 || errno == ENOENT { return }
        }
        let cause = SystemError(operation: "rmdir", path: path, errno: errno)
        guard cause.errno == EBUSY else {
            throw CgroupError(.operationFailed, "the cgroup cannot be removed", cause: cause)
        }
        throw CgroupError(.busy, "the cgroup still has processes; kill them first", cause: cause)
    }
}

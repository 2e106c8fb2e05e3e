// SPDX-License-Identifier: Apache-2.0

/// What a run has used; read it before ``RunCgroup/remove()``. Nil means that this machine does not count it.
public struct RunStatistics: Hashable, Sendable {
    /// CPU time.
    public let cpu: CPUStatistics
    /// Memory in use now, in bytes.
    public let memoryBytes: Int64?
    /// Most memory in use at any time, in bytes.
    public let memoryPeakBytes: Int64?
    /// The memory limit in force, in bytes; nil also when there is none.
    public let memoryLimitBytes: Int64?
    /// How often it met its memory limits.
    public let memoryEvents: MemoryEvents?
    /// Processes and threads now.
    public let processes: Int64?
    /// Most processes and threads at any time; Linux 6.1 and later.
    public let processesPeak: Int64?
    /// Times that a fork(2) was refused at the limit.
    public let forksRefused: Int64?
    /// Traffic with block devices.
    public let io: IOStatistics?
    /// How much of the time it waited for a resource.
    public let pressure: Pressures

    /// Above 0 when the kernel's OOM killer has acted in this run. Not a number of processes.
    public var outOfMemoryKills: Int64? { memoryEvents?.kills }

    init(of files: some ControllerFiles) throws {
        cpu = try CPUController.statistics(in: files)
        memoryBytes = try MemoryController.current(in: files)
        memoryPeakBytes = try MemoryController.peak(in: files)
        memoryLimitBytes = try MemoryController.limit(in: files)
        memoryEvents = try MemoryController.events(in: files)
        processes = try PidsController.current(in: files)
        processesPeak = try PidsController.peak(in: files)
        forksRefused = try PidsController.refusals(in: files)
        io = try IOController.statistics(in: files)
        pressure = try Pressures(in: files)
    }
}

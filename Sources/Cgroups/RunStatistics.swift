// SPDX-License-Identifier: Apache-2.0

/// What a run has used; read it before ``RunCgroup/remove()``. Nil means that this machine does not count it.
public struct RunStatistics: Hashable, Sendable {
    /// CPU time.
    public let cpu: CPUStatistics
    /// Memory in use now, in bytes.
    public let memoryBytes: Int64?
    /// Most memory in use at any time, in bytes.
    public let memoryPeakBytes: Int64?
    /// Above 0 when the kernel's OOM killer has acted in this run. Not a number of processes.
    public let outOfMemoryKills: Int64?
    /// Processes and threads now.
    public let processes: Int64?
    /// Most processes and threads at any time.
    public let processesPeak: Int64?

    init(of cgroup: CgroupDirectory) throws {
        cpu = try CPUController.statistics(of: cgroup)
        memoryBytes = try MemoryController.current(in: cgroup)
        memoryPeakBytes = try MemoryController.peak(in: cgroup)
        outOfMemoryKills = try MemoryController.outOfMemoryKills(in: cgroup)
        processes = try PidsController.current(in: cgroup)
        processesPeak = try PidsController.peak(in: cgroup)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// What one run may use; nil is no limit.
public struct CgroupLimits: Hashable, Sendable {
    /// Bytes of memory (`memory.max`), swap excluded: it gets none.
    public var memoryBytes: Int64?
    /// Cores, as a fraction of one (`cpu.max`); at least 0.01.
    public var cpuCores: Double?
    /// Processes and threads (`pids.max`).
    public var processes: Int?

    /// Creates limits.
    public init(memoryBytes: Int64? = nil, cpuCores: Double? = nil, processes: Int? = nil) {
        self.memoryBytes = memoryBytes
        self.cpuCores = cpuCores
        self.processes = processes
    }
}

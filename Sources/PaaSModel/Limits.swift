// SPDX-License-Identifier: Apache-2.0

/// Resource limits of one instance. A missing value means no limit of its own.
public struct Limits: Codable, Hashable, Sendable {
    /// Hard memory limit in bytes (`memory.max`), at least 1 MiB. With it the instance gets no swap.
    public var memoryBytes: Int64?
    /// Memory in bytes above which the instance is slowed down and its memory reclaimed, but never killed
    /// (`memory.high`); at least 1 MiB, and at most `memoryBytes`.
    public var memoryHighBytes: Int64?
    /// CPU time per second of wall time, in cores (`cpu.max`): 0.5 is half a core. At least 0.01.
    public var cpu: Double?
    /// Cores above `cpu` for one period of 100 ms, out of time that was left unused before (`cpu.max.burst`); 0.01 to
    /// `cpu`.
    public var cpuBurst: Double?
    /// Share of the CPU among apps while they compete for it (`cpu.weight`): 1 to 10,000; the kernel's default is 100.
    public var cpuWeight: Int?
    /// Number of processes and threads (`pids.max`), at least 1.
    public var pids: Int?
    /// Share of the disks among apps while they compete for them (`io.weight`): 1 to 10,000; the default is 100.
    public var ioWeight: Int?
    /// Bytes a second read from each disk (`io.max`), at least 4,096.
    public var ioReadBytesPerSecond: Int64?
    /// Bytes a second written to each disk (`io.max`), at least 4,096.
    public var ioWriteBytesPerSecond: Int64?
    /// Read requests a second to each disk (`io.max`), at least 1.
    public var ioReadsPerSecond: Int?
    /// Write requests a second to each disk (`io.max`), at least 1.
    public var ioWritesPerSecond: Int?
    /// Size in bytes of the file system at `/data`, at least 4 MiB. One that is there stays when this is nil.
    public var diskBytes: Int64?

    /// No limits unless given.
    public init(memoryBytes: Int64? = nil, cpu: Double? = nil, pids: Int? = nil, diskBytes: Int64? = nil) {
        self.memoryBytes = memoryBytes
        self.cpu = cpu
        self.pids = pids
        self.diskBytes = diskBytes
    }

    /// Checks every limit against its range.
    ///
    /// - Throws: `ValidationError` for `limits.<name>`.
    public func validate() throws {
        for field in Self.fields { try field.validate(self) }
        if let memoryBytes, let memoryHighBytes, memoryHighBytes > memoryBytes {
            throw ValidationError(
                field: "limits.memoryHighBytes", message: "is above limits.memoryBytes, which would end the app first")
        }
        if let cpuBurst {
            guard let cpu else {
                throw ValidationError(field: "limits.cpuBurst", message: "needs limits.cpu, whose unused time it uses")
            }
            guard cpuBurst <= cpu else {
                throw ValidationError(field: "limits.cpuBurst", message: "is above limits.cpu, the kernel's maximum")
            }
        }
    }

    /// These limits with those of another that are set.
    public func merged(with other: Limits) -> Limits {
        Self.fields.reduce(into: self) { $1.merge(&$0, other) }
    }

    /// No limit is set.
    public var isEmpty: Bool { self == Limits() }
}

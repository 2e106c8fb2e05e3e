// SPDX-License-Identifier: Apache-2.0

/// Resource limits of one instance. A missing value means no limit of its own.
public struct Limits: Codable, Hashable, Sendable {
    /// Hard memory limit in bytes (`memory.max`), at least 1 MiB.
    public var memoryBytes: Int64?
    /// CPU time per second of wall time, in cores (`cpu.max`): 0.5 is half a core. At least 0.01.
    public var cpu: Double?
    /// Number of processes and threads (`pids.max`), at least 1.
    public var pids: Int?
    /// Size of `/data` in bytes, at least 1 MiB.
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
        let mebibyte: Int64 = 1 << 20
        if let memoryBytes, memoryBytes < mebibyte {
            throw ValidationError(field: "limits.memoryBytes", message: "is under 1 MiB, too little for any process")
        }
        if let cpu, !(cpu >= 0.01 && cpu <= 1024) {
            throw ValidationError(field: "limits.cpu", message: "is not between 0.01 and 1024 cores")
        }
        if let pids, !(1...4_194_304).contains(pids) {
            throw ValidationError(field: "limits.pids", message: "is not between 1 and 4194304")
        }
        if let diskBytes, diskBytes < mebibyte {
            throw ValidationError(field: "limits.diskBytes", message: "is under 1 MiB")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// What one run may use; nil is no limit.
public struct CgroupLimits: Hashable, Sendable {
    /// Bytes of memory (`memory.max`), swap excluded: it gets none.
    public var memoryBytes: Int64?
    /// Bytes of memory above which it is slowed down and reclaimed from (`memory.high`).
    public var memoryHighBytes: Int64?
    /// Cores, as a fraction of one (`cpu.max`); at least 0.01.
    public var cpuCores: Double?
    /// Cores above ``cpuCores`` for one period, out of unused time (`cpu.max.burst`); at most ``cpuCores``.
    public var cpuBurstCores: Double?
    /// Weight of the whole app among apps (`cpu.weight`), 1 to 10,000.
    public var cpuWeight: Int?
    /// Processes and threads (`pids.max`).
    public var processes: Int?
    /// Weight of the whole app among apps (`io.weight`), 1 to 10,000.
    public var ioWeight: Int?
    /// Traffic with each disk (`io.max`).
    public var io = IORates()

    /// Creates limits.
    public init(memoryBytes: Int64? = nil, cpuCores: Double? = nil, processes: Int? = nil) {
        self.memoryBytes = memoryBytes
        self.cpuCores = cpuCores
        self.processes = processes
    }

    /// Controllers that these limits need, with the option that asks for each.
    var needed: [(controller: String, option: String)] {
        [
            (MemoryController.name, memoryBytes != nil, "--memory"),
            (MemoryController.name, memoryHighBytes != nil, "--memory-high"),
            (CPUController.name, cpuCores != nil, "--cpu"), (CPUController.name, cpuBurstCores != nil, "--cpu-burst"),
            (CPUController.name, cpuWeight != nil, "--cpu-weight"),
            (PidsController.name, processes != nil, "--pids"), (IOController.name, ioWeight != nil, "--io-weight"),
            (IOController.name, io != IORates(), io.option),
        ].compactMap { $0.1 ? ($0.0, $0.2) : nil }
    }

    /// Puts the limits of the run itself in force.
    ///
    /// - Parameters:
    ///   - replacing: the cgroup may have other limits, and what is not limited now must become free again.
    ///   - disks: what `io.max` is written for.
    func apply(to run: CgroupDirectory, replacing: Bool = false, disks: @autoclosure () -> [Disk] = []) throws {
        try MemoryController.groupOutOfMemoryKills(in: run)
        try MemoryController.apply(self, to: run, replacing: replacing)
        try CPUController.apply(self, to: run, replacing: replacing)
        try run.set("pids.max", processes.map(String.init), else: replacing ? "max" : nil)
        try IOController.apply(io, to: run, replacing: replacing, disks: disks)
    }

    /// Puts the weights in force: on the app's slice, because weights count among siblings only, and the siblings of
    /// a run are runs of the same app.
    func applyWeights(to slice: CgroupDirectory) throws {
        try slice.set("cpu.weight", cpuWeight.map(String.init), else: "100")
        try slice.set("io.weight", ioWeight.map { "default \($0)" }, else: "default 100")
    }
}

/// Rates of traffic with each disk; nil is no limit.
public struct IORates: Hashable, Sendable {
    /// Bytes a second.
    public var readBytes: Int64?
    /// Bytes a second.
    public var writtenBytes: Int64?
    /// Requests a second.
    public var reads: Int?
    /// Requests a second.
    public var writes: Int?

    /// No limits.
    public init() {}

    /// The option of the first one that is set, for messages.
    var option: String {
        if readBytes != nil { return "--io-read-bps" }
        if writtenBytes != nil { return "--io-write-bps" }
        return reads != nil ? "--io-read-iops" : "--io-write-iops"
    }
}

extension CgroupDirectory {
    /// Writes a value, or what stands for none where the cgroup has the file.
    ///
    /// - Parameter unlimited: nil leaves the file alone when there is no value.
    func set(_ name: String, _ value: String?, else unlimited: String?) throws {
        if let value { return try write(name, value) }
        if let unlimited, has(name) { try write(name, unlimited) }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// What one node and the instances on it use, as of one moment: one element of `GET /stats` and `GET /apps/{…}/stats`,
/// and one line of each with `follow=true`. docs/statistics.md explains every field.
///
/// Every key is always present; what the node does not count is null, never 0. Rates are averages since the sample
/// before, whose age is ``intervalSeconds``; of a run that is younger they are averages since its start.
public struct StatsSnapshot: Codable, Hashable, Sendable {
    /// When it was taken.
    public var time: Timestamp
    /// Time that the rates are averages over.
    public var intervalSeconds: Double
    /// The machine.
    public var node: NodeStats
    /// Instances that have a process, in the order of app and slot.
    public var instances: [InstanceStats]

    /// Creates a snapshot.
    public init(time: Timestamp, intervalSeconds: Double, node: NodeStats, instances: [InstanceStats]) {
        self.time = time
        self.intervalSeconds = intervalSeconds
        self.node = node
        self.instances = instances
    }
}

/// Use of a whole machine, by apps and everything else.
public struct NodeStats: Codable, Hashable, Sendable {
    /// The node's name.
    public var name: String
    /// CPUs that are online.
    public var cores: Int
    /// 0 to 100 × cores.
    @Null public var cpuPercent: Double?
    /// Bytes of memory.
    @Null public var memoryBytes: Int64?
    /// Bytes that programs use: all without what is available.
    @Null public var memoryUsedBytes: Int64?
    /// Bytes of swap space that are used.
    @Null public var swapUsedBytes: Int64?
    /// Pressure stall information of the machine.
    public var pressure: PressureStats

    /// Creates a node's statistics.
    public init(
        name: String, cores: Int, cpuPercent: Double?, memoryBytes: Int64?, memoryUsedBytes: Int64?,
        swapUsedBytes: Int64?, pressure: PressureStats
    ) {
        self.name = name
        self.cores = cores
        self.cpuPercent = cpuPercent
        self.memoryBytes = memoryBytes
        self.memoryUsedBytes = memoryUsedBytes
        self.swapUsedBytes = swapUsedBytes
        self.pressure = pressure
    }
}

/// Pressure on three resources; null where the kernel does not count it.
public struct PressureStats: Codable, Hashable, Sendable {
    /// CPU.
    @Null public var cpu: ResourcePressure?
    /// Memory.
    @Null public var memory: ResourcePressure?
    /// Block devices.
    @Null public var io: ResourcePressure?

    /// Creates it.
    public init(cpu: ResourcePressure? = nil, memory: ResourcePressure? = nil, io: ResourcePressure? = nil) {
        self.cpu = cpu
        self.memory = memory
        self.io = io
    }
}

/// How much of the time work waited for a resource.
public struct ResourcePressure: Codable, Hashable, Sendable {
    /// Percent of the time, and the sum.
    public struct Share: Codable, Hashable, Sendable {
        /// Percent of the last 10 seconds.
        public var avg10: Double
        /// Percent of the last minute.
        public var avg60: Double
        /// Percent of the last five minutes.
        public var avg300: Double
        /// Milliseconds in all.
        public var totalMs: Int64

        /// Creates it.
        public init(avg10: Double, avg60: Double, avg300: Double, totalMs: Int64) {
            self.avg10 = avg10
            self.avg60 = avg60
            self.avg300 = avg300
            self.totalMs = totalMs
        }
    }

    /// At least one task waited.
    public var some: Share
    /// All tasks waited at once.
    @Null public var full: Share?

    /// Creates it.
    public init(some: Share, full: Share?) {
        self.some = some
        self.full = full
    }
}

// SPDX-License-Identifier: Apache-2.0

/// What one node counts, for `GET /metrics`: the answer of an agent's `/v1/metrics`. Counters begin at 0 with the agent
/// and never go back while it lives.
public struct NodeMetrics: Codable, Hashable, Sendable {
    /// The agent itself.
    public var agent: ProcessUsage
    /// Instances that run, or have run since the agent began and whose app still exists; by app and slot.
    public var instances: [InstanceMetrics]
    /// Requests by app, of the same apps.
    public var requests: [String: RequestMetrics]
    /// Requests that belong to no app: malformed ones, and those for unknown names. By class of status.
    public var unrouted: [String: Int64]

    /// Gathers them.
    public init(
        agent: ProcessUsage, instances: [InstanceMetrics], requests: [String: RequestMetrics],
        unrouted: [String: Int64]
    ) {
        self.agent = agent
        self.instances = instances
        self.requests = requests
        self.unrouted = unrouted
    }
}

/// What a daemon uses of the machine.
public struct ProcessUsage: Codable, Hashable, Sendable {
    /// See ``ProductVersion``.
    public var version: String
    /// CPU time of all its threads until now.
    public var cpuMicroseconds: Int64
    /// Bytes of memory that it has resident; nil when /proc does not tell.
    public var residentBytes: Int64?
    /// Descriptors that are open; nil when /proc does not tell.
    public var openDescriptors: Int?
    /// How many it may open.
    public var maxDescriptors: UInt64?
    /// When it began; nil when /proc does not tell.
    public var startedAt: Timestamp?

    /// What is always known.
    public init(version: String, cpuMicroseconds: Int64) {
        self.version = version
        self.cpuMicroseconds = cpuMicroseconds
    }
}

/// Why a run ended, in few enough words to be a label.
public enum ExitCause: String, Codable, CaseIterable, Hashable, Sendable {
    /// Stopped, restarted or replaced, as asked.
    case requested
    /// Exit code 0.
    case success
    /// Another exit code.
    case error
    /// A signal that the platform did not send.
    case signal
    /// The kernel's OOM killer acted in it.
    case outOfMemory = "oom"
    /// Its health check failed for good, or it was not ready in time.
    case unhealthy
    /// It could not be started at all.
    case startFailure = "start-failure"
    /// Nobody could learn how it ended.
    case unknown
}

/// What the runs of one slot of an app have used: those that ended while the agent lived, and the one that runs.
/// Nil is what the node does not count.
public struct RunCounters: Codable, Hashable, Sendable {
    /// CPU time.
    public var cpuMicroseconds: Int64 = 0
    /// Time for which a CPU limit held them back.
    public var throttledMicroseconds: Int64?
    /// From block devices.
    public var readBytes: Int64?
    /// To block devices.
    public var writtenBytes: Int64?
    /// `oom_kill` of `memory.events`; one hog can count twice.
    public var oomKills: Int64?
    /// Time in which at least one task waited, by resource: `cpu`, `memory`, `io`.
    public var waitedMicroseconds: [String: Int64] = [:]
    /// Time in which every task waited.
    public var stalledMicroseconds: [String: Int64] = [:]

    /// Nothing yet.
    public init() {}

    /// Adds what another run has used.
    public mutating func add(_ other: RunCounters) {
        func sum(_ one: Int64?, _ two: Int64?) -> Int64? {
            one == nil && two == nil ? nil : (one ?? 0) + (two ?? 0)
        }
        cpuMicroseconds += other.cpuMicroseconds
        throttledMicroseconds = sum(throttledMicroseconds, other.throttledMicroseconds)
        readBytes = sum(readBytes, other.readBytes)
        writtenBytes = sum(writtenBytes, other.writtenBytes)
        oomKills = sum(oomKills, other.oomKills)
        waitedMicroseconds.merge(other.waitedMicroseconds, uniquingKeysWith: +)
        stalledMicroseconds.merge(other.stalledMicroseconds, uniquingKeysWith: +)
    }
}

/// One slot of an app on one node. While a deploy replaces an instance the slot has two, and the figures are sums.
public struct InstanceMetrics: Codable, Hashable, Sendable {
    /// The app's name.
    public var app: AppName
    /// `web.1`.
    public var slot: String
    /// Since the agent began.
    public var counters = RunCounters()
    /// Starts after a run that ended by itself.
    public var restarts: Int64 = 0
    /// Ends of runs by cause; a cause that never was is absent.
    public var exits: [String: Int64] = [:]
    /// Runs that are alive; the figures below are theirs, and nil without one.
    public var running = 0
    /// When the newest run began.
    public var startedAt: Timestamp?
    /// Bytes in use, page cache included.
    public var memoryBytes: Int64?
    /// The hard limit in force.
    public var memoryLimitBytes: Int64?
    /// Most bytes in use at any time of the run.
    public var memoryPeakBytes: Int64?
    /// Processes and threads.
    public var pids: Int64?
    /// The limit.
    public var pidsLimit: Int64?
    /// The limit in cores.
    public var cpuLimit: Double?

    /// A slot of which nothing is known.
    public init(app: AppName, slot: String) {
        self.app = app
        self.slot = slot
    }
}

/// Requests for one app since the router began.
public struct RequestMetrics: Codable, Hashable, Sendable {
    /// Answers by class of status, `2xx`; those that the router gave itself (502, 503, 504) included.
    public var byClass: [String: Int64]
    /// Requests that the app answered, by the time from the request's head to the answer's: each element counts those
    /// up to ``bucketSeconds`` at its index and above the one before; one more element counts the rest.
    public var buckets: [Int64]
    /// Sum of those times.
    public var sumMicroseconds: Int64
    /// Requests that routed instances work on now.
    public var inFlight: Int

    /// Upper bounds of the buckets, seconds.
    public static let bucketSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    /// Gathers them.
    public init(byClass: [String: Int64], buckets: [Int64], sumMicroseconds: Int64, inFlight: Int) {
        self.byClass = byClass
        self.buckets = buckets
        self.sumMicroseconds = sumMicroseconds
        self.inFlight = inFlight
    }
}

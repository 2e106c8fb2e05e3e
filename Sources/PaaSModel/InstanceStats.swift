// SPDX-License-Identifier: Apache-2.0

/// What one instance uses: a row of `paas top`, and an element of `paas top --json`.
public struct InstanceStats: Codable, Hashable, Sendable {
    /// The app's name.
    public var app: AppName
    /// See ``App/id``.
    public var appID: String
    /// The slot, `web.1`.
    public var instance: String
    /// See ``Assignment/instanceID``.
    public var instanceID: String
    /// The node it runs on.
    public var node: String
    /// The release, `v1`.
    public var release: String
    /// See ``InstanceState``.
    public var state: InstanceState
    /// Process id of the app as the host sees it.
    @Null public var pid: Int32?
    /// When the run began.
    public var startedAt: Timestamp
    /// Starts after a run that ended by itself.
    public var restarts: Int

    /// 0 to 100 × cores.
    @Null public var cpuPercent: Double?
    /// CPU time of the run until now.
    @Null public var cpuMs: Int64?
    /// The limit in cores.
    @Null public var cpuLimit: Double?
    /// Share of the limit's periods in which the run had to wait; 0 without a limit.
    @Null public var throttledPercent: Double?
    /// How long the run had to wait until now.
    @Null public var throttledMs: Int64?

    /// Bytes in use, page cache included.
    @Null public var memoryBytes: Int64?
    /// The hard limit in force, bytes.
    @Null public var memoryLimitBytes: Int64?
    /// Percent of the limit.
    @Null public var memoryPercent: Double?
    /// Most bytes in use at any time of the run.
    @Null public var memoryPeakBytes: Int64?
    /// Above 0 when the kernel's OOM killer has acted in this run; not a number of processes.
    @Null public var oomKills: Int64?

    /// Processes and threads.
    @Null public var pids: Int64?
    /// Most at any time of the run.
    @Null public var pidsPeak: Int64?
    /// The limit.
    @Null public var pidsLimit: Int?

    /// Bytes a second from block devices.
    @Null public var readBytesPerSecond: Double?
    /// Bytes a second to block devices.
    @Null public var writeBytesPerSecond: Double?
    /// Bytes read until now.
    @Null public var readBytes: Int64?
    /// Bytes written until now.
    @Null public var writtenBytes: Int64?

    /// How much of the time the run waited for a resource.
    public var pressure = PressureStats()

    /// Requests a second that the router passed on and that are over; null when it does not route to the instance.
    @Null public var requestsPerSecond: Double?
    /// Time that 99 of 100 requests did not exceed, from a request's head to the head of its answer; null without any.
    @Null public var p99Ms: Double?

    /// Values of the last minutes, on request.
    public var history: StatsHistory?

    /// Nothing is known yet of what it uses.
    public init(
        app: AppName, appID: String, instance: String, instanceID: String, node: String, release: String,
        state: InstanceState, pid: Int32?, startedAt: Timestamp, restarts: Int
    ) {
        self.app = app
        self.appID = appID
        self.instance = instance
        self.instanceID = instanceID
        self.node = node
        self.release = release
        self.state = state
        self.pid = pid
        self.startedAt = startedAt
        self.restarts = restarts
    }
}

/// Values of one instance from the last five minutes, oldest first, one for each second in which somebody watched.
/// Columns, not objects: all arrays are of one length.
public struct StatsHistory: Codable, Hashable, Sendable {
    /// When each was taken.
    public var times: [Timestamp] = []
    /// See ``InstanceStats/cpuPercent``.
    public var cpuPercent: [Double?] = []
    /// See ``InstanceStats/memoryBytes``.
    public var memoryBytes: [Int64?] = []
    /// See ``InstanceStats/requestsPerSecond``.
    public var requestsPerSecond: [Double?] = []

    /// No values.
    public init() {}
}

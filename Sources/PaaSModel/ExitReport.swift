// SPDX-License-Identifier: Apache-2.0

/// How one run ended, as the kernel and `paas-init` told it. Exactly one of `code` and `signal` is set, unless the
/// run never started (`startFailure`) or its end could not be learned.
public struct ExitReport: Hashable, Sendable {
    /// Exit code, 0 to 255, when the app exited by itself.
    public var code: Int?
    /// Signal name such as `SIGSEGV`, when a signal ended it.
    public var signal: String?
    /// The kernel wrote, or would have written, a core dump.
    public var coreDumped: Bool
    /// The kernel's OOM killer acted in this run's own cgroup.
    public var oomKilled: Bool
    /// Why the app could not be started at all: the failing stage and the system's error.
    public var startFailure: String?
    /// The platform asked for this end (stop, restart, new release).
    public var requested: Bool
    /// When it ended.
    public var at: Timestamp
    /// Time from start to end in milliseconds.
    public var uptimeMs: Int64
    /// CPU time of the whole run in milliseconds.
    public var cpuMs: Int64
    /// Highest memory use in bytes: `memory.peak`, or where that does not exist the largest resident set of a process.
    public var peakMemoryBytes: Int64?
    /// The memory limit that was in force, in bytes.
    public var memoryLimitBytes: Int64?
    /// When the run first met its memory limit (`max` in `memory.events`); nil when it never did, or nobody counted.
    public var memoryLimitReachedAt: Timestamp?
    /// Most processes and threads at any time (`pids.peak`); nil where the kernel does not tell.
    public var pidsPeak: Int64?
    /// Time in milliseconds for which the CPU limit held the run back (`throttled_usec`); nil without a limit.
    public var throttledMs: Int64?
    /// How much the run waited for resources in its last ten seconds; nil where the kernel does not tell.
    public var pressure: ExitPressure?
    /// What the run was doing when it no longer answered its health check, before it was killed.
    public var hang: HangReport?
    /// One readable sentence.
    public var reason: String
    /// The last log lines before the end, at most 20.
    public var lastLines: [String]

    /// Creates a report.
    public init(
        code: Int? = nil, signal: String? = nil, coreDumped: Bool = false, oomKilled: Bool = false,
        startFailure: String? = nil, requested: Bool = false, at: Timestamp, uptimeMs: Int64 = 0, cpuMs: Int64 = 0,
        peakMemoryBytes: Int64? = nil, memoryLimitBytes: Int64? = nil, memoryLimitReachedAt: Timestamp? = nil,
        pidsPeak: Int64? = nil, throttledMs: Int64? = nil, pressure: ExitPressure? = nil, hang: HangReport? = nil,
        reason: String = "", lastLines: [String] = []
    ) {
        self.code = code
        self.signal = signal
        self.coreDumped = coreDumped
        self.oomKilled = oomKilled
        self.startFailure = startFailure
        self.requested = requested
        self.at = at
        self.uptimeMs = uptimeMs
        self.cpuMs = cpuMs
        self.peakMemoryBytes = peakMemoryBytes
        self.memoryLimitBytes = memoryLimitBytes
        self.memoryLimitReachedAt = memoryLimitReachedAt
        self.pidsPeak = pidsPeak
        self.throttledMs = throttledMs
        self.pressure = pressure
        self.hang = hang
        self.reason = reason
        self.lastLines = lastLines
    }
}

extension ExitReport: Codable {
    /// Writes every field, absent values as null: readers can rely on the keys.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(code, forKey: .code)
        try container.encode(signal, forKey: .signal)
        try container.encode(coreDumped, forKey: .coreDumped)
        try container.encode(oomKilled, forKey: .oomKilled)
        try container.encode(startFailure, forKey: .startFailure)
        try container.encode(requested, forKey: .requested)
        try container.encode(at, forKey: .at)
        try container.encode(uptimeMs, forKey: .uptimeMs)
        try container.encode(cpuMs, forKey: .cpuMs)
        try container.encode(peakMemoryBytes, forKey: .peakMemoryBytes)
        try container.encode(memoryLimitBytes, forKey: .memoryLimitBytes)
        try container.encode(memoryLimitReachedAt, forKey: .memoryLimitReachedAt)
        try container.encode(pidsPeak, forKey: .pidsPeak)
        try container.encode(throttledMs, forKey: .throttledMs)
        try container.encode(pressure, forKey: .pressure)
        try container.encode(hang, forKey: .hang)
        try container.encode(reason, forKey: .reason)
        try container.encode(lastLines, forKey: .lastLines)
    }
}

/// Pressure stall information at the end of a run: shares of its last ten seconds, in percent from 0 to 100, in which it
/// had work and could not go on (Documentation/accounting/psi.rst, `avg10`). "Some": at least one task waited; "full": all.
public struct ExitPressure: Codable, Hashable, Sendable {
    /// Waited for a CPU.
    public var cpuSome: Double?
    /// Waited for memory.
    public var memorySome: Double?
    /// Nothing went on for lack of memory.
    public var memoryFull: Double?
    /// Waited for input or output.
    public var ioSome: Double?
    /// Nothing went on for input or output.
    public var ioFull: Double?

    /// Creates the figures.
    public init(
        cpuSome: Double? = nil, memorySome: Double? = nil, memoryFull: Double? = nil, ioSome: Double? = nil,
        ioFull: Double? = nil
    ) {
        self.cpuSome = cpuSome
        self.memorySome = memorySome
        self.memoryFull = memoryFull
        self.ioSome = ioSome
        self.ioFull = ioFull
    }
}

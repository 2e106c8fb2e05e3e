// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
internal import LinuxSystem
internal import PaaSModel

/// An instance that has a process, and where its counters are.
public struct RunningInstance: Sendable {
    /// What it is; nothing of what it uses.
    let identity: InstanceStats
    let runID: String
    let startedMonotonic: MonotonicInstant
    let cgroup: RunCgroup
}

extension Supervisor {
    /// The instances that have a process, in the order of app and slot.
    public func runningInstances() -> [RunningInstance] {
        instances.values
            .sorted { ($0.app.rawValue, $0.assignment.slot, $0.id) < ($1.app.rawValue, $1.assignment.slot, $1.id) }
            .compactMap { instance in
                guard let run = instance.run, !run.isEnding else { return nil }
                return running(instance, run)
            }
    }

    func running(_ instance: ManagedInstance, _ run: Run) -> RunningInstance {
        var identity = InstanceStats(
            app: instance.app, appID: instance.assignment.appID, instance: instance.assignment.slot,
            instanceID: instance.id, node: "", release: run.assignment.release, state: instance.machine.state,
            pid: run.record.appPID, startedAt: run.record.startedAt, restarts: instance.machine.restarts)
        identity.cpuLimit = run.assignment.spec.limits.cpu
        identity.pidsLimit = run.assignment.spec.limits.pids
        return RunningInstance(
            identity: identity, runID: run.id,
            startedMonotonic: MonotonicInstant(nanoseconds: run.record.startedMonotonic), cgroup: run.cgroup)
    }
}

/// Requests of every instance, as somebody else counts them; the agent's main joins them from the router.
public protocol RequestMeter: Sendable {
    /// The counters now.
    func reading() -> any RequestReading
}

/// Counters of requests at one moment.
public protocol RequestReading: Sendable {
    /// What happened since an earlier moment, by instance id; instances that get no requests are not in it.
    func rates(since earlier: any RequestReading, seconds: Double) -> [String: RequestRates]
}

/// Requests of one instance over some time.
public struct RequestRates: Hashable, Sendable {
    /// Requests that ended, a second.
    public var perSecond: Double
    /// Latency that 99 of 100 did not exceed; nil without requests.
    public var p99: Duration?

    /// Creates rates.
    public init(perSecond: Double, p99: Duration?) {
        self.perSecond = perSecond
        self.p99 = p99
    }
}

/// All counters at one moment. Two of them make a ``StatsSnapshot``, with the averages over the time between them.
struct StatsReading: Sendable {
    struct Run: Sendable {
        let identity: InstanceStats
        let runID: String
        let started: MonotonicInstant
        /// Nil when it could not be read.
        let used: RunStatistics?
    }

    var time: Timestamp
    var clock: MonotonicInstant
    var cpu: CPUTimes?
    var memory: MemoryInfo?
    var pressure: Pressures?
    var runs: [Run]
    var requests: any RequestReading
}

extension StatsReading {
    /// A moment before every run's start: averages since then are those since the start of each.
    var beginning: StatsReading {
        var earlier = self
        earlier.cpu = nil
        earlier.runs = []
        return earlier
    }

    /// What was used between an earlier moment and this one.
    func snapshot(since earlier: StatsReading, node: String) -> StatsSnapshot {
        let seconds = earlier.clock.duration(to: clock).inSeconds
        let before = Dictionary(earlier.runs.map { ($0.runID, $0) }, uniquingKeysWith: { first, _ in first })
        let rates = requests.rates(since: earlier.requests, seconds: seconds)
        return StatsSnapshot(
            time: time, intervalSeconds: seconds, node: nodeStats(since: earlier, seconds: seconds, name: node),
            instances: runs.map { run in
                var stats = run.identity
                stats.node = node
                if let used = run.used {
                    let base = before[run.runID]?.used
                    // A run that is new in this reading has used everything since its start.
                    let span = base == nil ? run.started.duration(to: clock).inSeconds : seconds
                    stats.take(used, since: base, seconds: span)
                }
                stats.take(rates[run.identity.instanceID])
                return stats
            })
    }

    private func nodeStats(since earlier: StatsReading, seconds: Double, name: String) -> NodeStats {
        var percent: Double?
        if let now = cpu?.busy, let before = earlier.cpu?.busy, seconds > 0 {
            percent = max(0, (now - before).inSeconds / seconds * 100)
        }
        return NodeStats(
            name: name, cores: cpu?.cores ?? 0, cpuPercent: percent, memoryBytes: memory?.totalBytes,
            memoryUsedBytes: memory.map { $0.totalBytes - $0.availableBytes },
            swapUsedBytes: memory.map { $0.swapTotalBytes - $0.swapFreeBytes },
            pressure: pressure.map(PressureStats.init) ?? PressureStats())
    }
}

extension InstanceStats {
    /// Fills in what a run has used, and the averages since an earlier look.
    mutating func take(_ used: RunStatistics, since base: RunStatistics?, seconds: Double) {
        cpuMs = Int64(used.cpu.usage.inSeconds * 1000)
        if seconds > 0 {
            cpuPercent = max(0, (used.cpu.usage - (base?.cpu.usage ?? .zero)).inSeconds / seconds * 100)
        }
        if let now = used.cpu.throttling {
            let before = base?.cpu.throttling
            let periods = now.periods - (before?.periods ?? 0)
            let throttled = now.throttledPeriods - (before?.throttledPeriods ?? 0)
            throttledPercent = periods > 0 ? Double(throttled) / Double(periods) * 100 : 0
            throttledMs = Int64(now.throttled.inSeconds * 1000)
        }
        memoryBytes = used.memoryBytes
        memoryLimitBytes = used.memoryLimitBytes
        if let used = used.memoryBytes, let limit = memoryLimitBytes, limit > 0 {
            memoryPercent = Double(used) / Double(limit) * 100
        }
        memoryPeakBytes = used.memoryPeakBytes
        oomKills = used.outOfMemoryKills
        pids = used.processes
        pidsPeak = used.processesPeak
        if let now = used.io {
            readBytes = now.readBytes
            writtenBytes = now.writtenBytes
            if seconds > 0 {
                readBytesPerSecond = Double(now.readBytes - (base?.io?.readBytes ?? 0)) / seconds
                writeBytesPerSecond = Double(now.writtenBytes - (base?.io?.writtenBytes ?? 0)) / seconds
            }
        }
        pressure = PressureStats(used.pressure)
    }

    fileprivate mutating func take(_ requests: RequestRates?) {
        requestsPerSecond = requests?.perSecond
        p99Ms = requests?.p99.map { $0.inSeconds * 1000 }
    }
}

extension PressureStats {
    init(_ pressures: Pressures) {
        self.init(
            cpu: pressures.cpu.map(ResourcePressure.init), memory: pressures.memory.map(ResourcePressure.init),
            io: pressures.io.map(ResourcePressure.init))
    }
}

extension ResourcePressure {
    fileprivate init(_ pressure: Pressure) {
        self.init(some: Share(pressure.some), full: pressure.full.map(Share.init))
    }
}

extension ResourcePressure.Share {
    fileprivate init(_ share: Pressure.Share) {
        self.init(
            avg10: share.average10, avg60: share.average60, avg300: share.average300,
            totalMs: Int64(share.total.inSeconds * 1000))
    }
}

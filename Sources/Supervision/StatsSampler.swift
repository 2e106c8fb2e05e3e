// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
public import LinuxSystem
public import Logging
public import PaaSModel

/// Reads what instances and the machine use, while somebody looks. While nobody does, it has no timer, no descriptor
/// and makes no system call.
///
/// Lives on an event loop of its own: reading the files of some hundred runs takes milliseconds, which neither the
/// supervisor nor the router should wait for.
public actor StatsSampler {
    /// Time between two readings while somebody follows.
    public static let interval = Duration.seconds(1)
    /// A single look averages over at least this time: a few periods of the kernel's CPU limit.
    private static let shortestSpan = Duration.milliseconds(300)
    /// A single look averages since the look before when that is not longer ago.
    private static let longestSpan = Duration.seconds(10)

    private struct Watcher {
        let continuation: AsyncStream<StatsSnapshot>.Continuation
        /// Ticks between two snapshots.
        let every: Int
        var base: StatsReading
        var ticks = 0
    }

    /// The thread this actor lives on.
    public nonisolated let loop: EventLoop
    private let node: String
    private let running: @Sendable () async -> [RunningInstance]
    private let meter: any RequestMeter
    private let logger: Logger
    private var readers: [String: RunStatisticsReader] = [:]
    private var watchers: [Int: Watcher] = [:]
    private var nextWatcher = 0
    private var looks = 0
    private var timer: EventLoop.Timer?
    private var last: StatsReading?
    private var beforeLast: StatsReading?
    private var history = StatsRing()
    /// The last counters of runs that were counted for metrics, by run.
    var lastCounted: [String: RunCounters] = [:]
    /// One buffer for all reads of this thread; as long-lived as the process.
    private let buffer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: RunStatisticsReader.bufferBytes, alignment: 16)

    /// Creates a sampler; nothing is read yet.
    ///
    /// - Parameters:
    ///   - node: the node's name.
    ///   - running: the supervisor's ``Supervisor/runningInstances()``.
    ///   - meter: what the router counted.
    ///   - loop: an event loop that runs; the caller stops it.
    ///   - logger: gets what cannot be read.
    public init(
        node: String, running: @escaping @Sendable () async -> [RunningInstance], meter: any RequestMeter,
        loop: EventLoop, logger: Logger
    ) {
        self.node = node
        self.running = running
        self.meter = meter
        self.loop = loop
        self.logger = logger
    }

    public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    /// Somebody follows, so files are open and a timer runs.
    var isSampling: Bool { timer != nil }

    /// How many follow.
    var followers: Int { watchers.count }

    // MARK: One look

    /// What is used now. Waits a moment when nobody has looked lately: a rate needs two readings.
    ///
    /// - Parameter wanted: with the values of the last minutes that somebody watched.
    public func snapshot(history wanted: Bool = false) async -> StatsSnapshot {
        beginLook()
        defer { endLook() }
        let snapshot: StatsSnapshot
        if timer != nil, let last, let beforeLast {
            snapshot = last.snapshot(since: beforeLast, node: node)
        } else {
            let base = await recentBase()
            let now = await read()
            snapshot = now.snapshot(since: base, node: node)
            if timer == nil { last = now }
        }
        return wanted ? history.added(to: snapshot) : snapshot
    }

    /// Files stay open until ``endLook()``.
    func beginLook() { looks += 1 }

    func endLook() {
        looks -= 1
        rest()
    }

    private func recentBase() async -> StatsReading {
        if let last {
            let age = last.clock.duration(to: .now)
            if age >= Self.shortestSpan && age <= Self.longestSpan { return last }
        }
        let base = await read()
        await withCheckedContinuation { continuation in
            _ = loop.schedule(after: Self.shortestSpan) { continuation.resume() }
        }
        return base
    }

    /// What each run has used on average since its start, as ps(1) tells it. Waits for nothing.
    public func snapshotSinceStart() async -> StatsSnapshot {
        beginLook()
        defer { endLook() }
        let now = await read()
        if timer == nil { last = now }
        return now.snapshot(since: now.beginning, node: node)
    }

    // MARK: Following

    /// A snapshot at once, and one each `seconds`, until the stream is let go. A consumer that is too slow gets the
    /// newest.
    public func snapshots(everySeconds seconds: Int) async -> AsyncStream<StatsSnapshot> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: StatsSnapshot.self, bufferingPolicy: .bufferingNewest(1))
        looks += 1
        continuation.yield(await snapshot())
        looks -= 1
        let id = nextWatcher
        nextWatcher += 1
        continuation.onTermination = { [weak self] _ in
            Task { await self?.removeWatcher(id) }
        }
        let base: StatsReading
        if let last { base = last } else { base = await read() }
        watchers[id] = Watcher(continuation: continuation, every: max(1, seconds), base: base)
        if timer == nil {
            last = base
            arm(after: Self.interval)
        }
        return stream
    }

    private func removeWatcher(_ id: Int) {
        watchers[id] = nil
        rest()
    }

    /// Lets everything go when nobody looks any more.
    private func rest() {
        guard watchers.isEmpty, looks == 0 else { return }
        if let timer { loop.cancel(timer) }
        timer = nil
        beforeLast = nil
        readers.removeAll()
    }

    private func arm(after delay: Duration) {
        let due = MonotonicInstant(nanoseconds: MonotonicInstant.now.nanoseconds + delay.nanoseconds)
        timer = loop.schedule(after: delay) { [weak self] in
            guard let self else { return }
            Task { await self.tick(due) }
        }
    }

    private func tick(_ due: MonotonicInstant) async {
        guard timer != nil else { return }
        // The last watcher may leave during the reading, which would open everything again after it was let go.
        beginLook()
        defer { endLook() }
        let now = await read()
        if let last { history.add(now.snapshot(since: last, node: node)) }
        beforeLast = last
        last = now
        for (id, watcher) in watchers {
            var watcher = watcher
            watcher.ticks += 1
            if watcher.ticks % watcher.every == 0 {
                watcher.continuation.yield(now.snapshot(since: watcher.base, node: node))
                watcher.base = now
            }
            watchers[id] = watcher
        }
        // On the beat, however long the reading took; a beat that was missed is skipped.
        let next = MonotonicInstant(nanoseconds: due.nanoseconds + Self.interval.nanoseconds)
        arm(after: max(.zero, MonotonicInstant.now.duration(to: next)))
    }

    // MARK: Reading

    private func read() async -> StatsReading {
        let instances = await running()
        let alive = Set(instances.map(\.runID))
        for runID in readers.keys where !alive.contains(runID) { readers[runID] = nil }
        return StatsReading(
            time: .now, clock: .now, cpu: .current(), memory: .current(), pressure: nodePressure(),
            runs: instances.compactMap(read), requests: meter.reading())
    }

    private func read(_ instance: RunningInstance) -> StatsReading.Run? {
        StatsReading.Run(
            identity: instance.identity, runID: instance.runID, started: instance.startedMonotonic,
            used: used(by: instance))
    }

    /// What a run has used until now; nil when it cannot be read.
    func used(by instance: RunningInstance) -> RunStatistics? {
        do {
            let reader: RunStatisticsReader
            if let open = readers[instance.runID] {
                reader = open
            } else {
                reader = try RunStatisticsReader(instance.cgroup)
                readers[instance.runID] = reader
            }
            return try reader.read(buffer)
        } catch {
            // It may have ended just now; then it is not in the next reading at all.
            logger.debug(
                "cannot read what a run uses", metadata: ["run": "\(instance.runID)", "error": "\(error)"])
            return nil
        }
    }

    private func nodePressure() -> Pressures? {
        do {
            return try Pressures.ofNode()
        } catch {
            logger.debug("cannot read the machine's pressure", metadata: ["error": "\(error)"])
            return nil
        }
    }
}

extension Duration {
    /// Whole nanoseconds.
    fileprivate var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}

// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import LinuxSystem
import Logging
import PaaSModel
import Testing

@testable import Cgroups
@testable import Supervision

struct StatsReadingTests {
    private func used(cpuMs: Int64, read: Int64 = 0, periods: (Int64, Int64)? = nil) throws -> RunStatistics {
        let throttling = periods.map { "nr_periods \($0.0)\nnr_throttled \($0.1)\nthrottled_usec 5000\n" } ?? ""
        return try RunStatistics(
            of: Files(texts: [
                "cpu.stat": "usage_usec \(cpuMs * 1000)\nuser_usec 0\nsystem_usec 0\n\(throttling)",
                "memory.current": "50\n", "memory.max": "200\n",
                "io.stat": "8:0 rbytes=\(read) wbytes=0 rios=1 wios=0\n",
            ]))
    }

    private func reading(second: Int64, _ used: RunStatistics?, run: String = "r-1") throws -> StatsReading {
        let identity = InstanceStats(
            app: try AppName(validating: "shop"), appID: "a-1", instance: "web.1", instanceID: "i-1", node: "",
            release: "v1", state: .running, pid: 1, startedAt: Timestamp(microseconds: 0), restarts: 0)
        return StatsReading(
            time: Timestamp(microseconds: second * 1_000_000),
            clock: MonotonicInstant(nanoseconds: second * 1_000_000_000), cpu: nil, memory: nil, pressure: nil,
            runs: [.init(identity: identity, runID: run, started: MonotonicInstant(nanoseconds: 0), used: used)],
            requests: Requests(count: second))
    }

    @Test func ratesAreAveragesBetweenTwoReadings() throws {
        let before = try reading(second: 10, used(cpuMs: 1_000, read: 1_000, periods: (100, 10)))
        let after = try reading(second: 12, used(cpuMs: 2_000, read: 5_000, periods: (120, 25)))
        let snapshot = after.snapshot(since: before, node: "n1")
        let instance = try #require(snapshot.instances.first)
        #expect(snapshot.intervalSeconds == 2)
        #expect(instance.node == "n1")
        #expect(instance.cpuPercent == 50)
        #expect(instance.cpuMs == 2_000)
        #expect(instance.throttledPercent == 75)
        #expect(instance.throttledMs == 5)
        #expect(instance.readBytesPerSecond == 2_000)
        #expect(instance.memoryPercent == 25)
        #expect(instance.requestsPerSecond == 1)
        #expect(instance.p99Ms == 7)
    }

    @Test func aRunThatIsNewIsAveragedSinceItsStart() throws {
        let before = try reading(second: 9, used(cpuMs: 9_000), run: "r-0")
        let after = try reading(second: 10, used(cpuMs: 1_000, periods: (4, 1)))
        let instance = try #require(after.snapshot(since: before, node: "n1").instances.first)
        #expect(instance.cpuPercent == 10)
        #expect(instance.throttledPercent == 25)
    }

    @Test func sinceTheBeginningEveryRunIsAveragedSinceItsStart() throws {
        let now = try reading(second: 10, used(cpuMs: 1_000, read: 2_000))
        let snapshot = now.snapshot(since: now.beginning, node: "n1")
        let instance = try #require(snapshot.instances.first)
        #expect(snapshot.intervalSeconds == 0)
        #expect(instance.cpuPercent == 10)
        #expect(instance.readBytesPerSecond == 200)
        #expect(instance.memoryBytes == 50)
    }

    @Test func whatIsNotCountedOrCouldNotBeReadIsUnknown() throws {
        let before = try reading(second: 9, used(cpuMs: 1))
        let instance = try #require(try reading(second: 10, nil).snapshot(since: before, node: "n1").instances.first)
        #expect(instance.cpuPercent == nil)
        #expect(instance.memoryBytes == nil)
        let snapshot = try reading(second: 10, used(cpuMs: 2)).snapshot(since: before, node: "n1")
        #expect(snapshot.instances.first?.pids == nil)
        #expect(snapshot.instances.first?.throttledPercent == nil)
        #expect(snapshot.node.cpuPercent == nil)
    }

    @Test func theRingKeepsFiveMinutesAndForgetsWhoLeft() throws {
        var ring = StatsRing()
        for second in 1...800 {
            let before = try reading(second: Int64(second) - 1, used(cpuMs: 0))
            ring.add(try reading(second: Int64(second), used(cpuMs: 1)).snapshot(since: before, node: "n1"))
        }
        let now = try reading(second: 800, used(cpuMs: 2)).snapshot(
            since: try reading(second: 799, used(cpuMs: 1)), node: "n1")
        let history = try #require(ring.added(to: now).instances.first?.history)
        #expect(history.times.count == StatsRing.capacity)
        #expect(history.times.last == Timestamp(microseconds: 800_000_000))
        #expect(history.cpuPercent.count == history.times.count && history.memoryBytes.count == history.times.count)
        var empty = now
        empty.instances = []
        ring.add(empty)
        #expect(ring.added(to: now).instances.first?.history?.times.isEmpty == true)
    }

    private struct Files: ControllerFiles {
        let texts: [String: String]
        func file(_ name: String) throws -> KernelFile? { texts[name].map { KernelFile(path: name, text: $0) } }
    }
}

/// As many requests as seconds.
private struct Requests: RequestReading, RequestMeter {
    let count: Int64

    func reading() -> any RequestReading { self }

    func rates(since earlier: any RequestReading, seconds: Double) -> [String: RequestRates] {
        let before = (earlier as? Requests)?.count ?? 0
        return ["i-1": RequestRates(perSecond: Double(count - before) / seconds, p99: .milliseconds(7))]
    }
}

@Suite(
    .enabled(if: SupervisorHarness.missing == nil, "needs root, cgroup v2 and paas-init"), .serialized,
    .timeLimit(.minutes(2)))
struct StatsSamplerTests {
    /// A sampler over the runs of a supervisor, and the descriptors that this process has below its cgroups.
    ///
    /// - Parameter beforeReading: runs in the midst of each look, before the files are read.
    private func withSampler(
        beforeReading: @escaping @Sendable () async -> Void = {},
        _ body: (StatsSampler, @escaping @Sendable () -> Int) async throws -> Void
    ) async throws {
        let harness = try SupervisorHarness()
        defer { harness.cleanUp() }
        let agent = try await harness.startAgent()
        let loop = try EventLoop()
        loop.start(threadName: "test-statistics")
        let supervisor = agent.supervisor
        let sampler = StatsSampler(
            node: "n1",
            running: {
                let instances = await supervisor.runningInstances()
                await beforeReading()
                return instances
            }, meter: Requests(count: 0), loop: loop, logger: Logger(label: "test"))
        await supervisor.apply(
            .put(
                revision: 1,
                assignment: Assignment(
                    instanceID: "i-test", appID: "a-test", app: try AppName(validating: "demo"), slot: "web.1",
                    release: "v1", spec: ReleaseSpec(command: .shell("exec sleep 1000")), desired: .running)))
        _ = await agent.status(of: "i-test") { $0.pid != nil }
        let root = harness.cgroupRoot
        try await body(sampler) { Self.descriptors(below: root) }
        await supervisor.apply(.delete(revision: 9, instanceID: "i-test"))
        await supervisor.waitUntilNothingRuns { _ in }
        loop.stopAndJoin()
        agent.abandon()
    }

    private static func descriptors(below root: String) -> Int {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return names.filter { name in
            let target = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")) ?? ""
            return target.hasPrefix(root + "/") && target.hasSuffix("cpu.stat")
        }.count
    }

    @Test func oneLookAveragesOverAMomentAndKeepsNothingOpen() async throws {
        try await withSampler { sampler, descriptors in
            let snapshot = await sampler.snapshot()
            #expect(snapshot.node.cores > 0)
            #expect(snapshot.node.cpuPercent != nil)
            #expect(snapshot.instances.map(\.instanceID) == ["i-test"])
            #expect(snapshot.instances.first?.cpuPercent != nil)
            #expect(snapshot.intervalSeconds >= 0.3)
            #expect(descriptors() == 0)
        }
    }

    @Test func descriptorsAreKeptWhileSomebodyFollowsAndNotLonger() async throws {
        try await withSampler { sampler, descriptors in
            var seen = 0
            for await snapshot in await sampler.snapshots(everySeconds: 1) {
                #expect(snapshot.instances.count == 1)
                seen += 1
                if seen == 2 {
                    #expect(descriptors() == 1)
                    #expect(await sampler.isSampling)
                    break
                }
            }
            // The end of the iteration reaches the sampler as a message; the next question comes after it.
            while await sampler.isSampling { await Task.yield() }
            #expect(descriptors() == 0)
            let history = await sampler.snapshot(history: true).instances.first?.history
            #expect(history?.times.isEmpty == false)
        }
    }

    /// The reading opened them again after the last one had left, and nobody closed them.
    @Test func aReadingUnderWayWhenTheLastOneLeavesKeepsNothingOpen() async throws {
        let gate = Gate()
        try await withSampler(beforeReading: { await gate.pass() }) { sampler, descriptors in
            let stream = await sampler.snapshots(everySeconds: 1)
            let follower = Task { for await _ in stream {} }
            await gate.holdNext()
            follower.cancel()
            while await sampler.followers > 0 { await Task.yield() }
            await gate.release()
            // Until the reading has come to its end; each question is a message behind those before it.
            for _ in 0..<1_000 { _ = await sampler.isSampling }
            #expect(await !sampler.isSampling)
            #expect(descriptors() == 0)
        }
    }
}

/// Holds up whoever passes next.
private actor Gate {
    private var isOpen = true
    private var held: CheckedContinuation<Void, Never>?
    private var waiting: CheckedContinuation<Void, Never>?

    func pass() async {
        guard !isOpen else { return }
        waiting?.resume()
        waiting = nil
        await withCheckedContinuation { held = $0 }
    }

    /// Returns when somebody is held up.
    func holdNext() async {
        isOpen = false
        await withCheckedContinuation { waiting = $0 }
    }

    func release() {
        isOpen = true
        held?.resume()
        held = nil
    }
}

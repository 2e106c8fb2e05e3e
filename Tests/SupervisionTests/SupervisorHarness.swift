// SPDX-License-Identifier: Apache-2.0

import AppLogs
import Cgroups
import FoundationEssentials
import Glibc
import LinuxSystem
import Logging
import PaaSModel
import Sandbox
import Synchronization
import Testing

@testable import Supervision

/// A supervisor of its own on real cgroups with the real `paas-init`, and everything it tells.
final class SupervisorHarness: Sendable {
    /// What these tests need of the machine; nil when it is there.
    static let missing: String? = {
        if geteuid() != 0 { return "needs root" }
        if access(initPath, X_OK) != 0 { return "needs \(initPath)" }
        guard let discovery = try? CgroupDiscovery.current() else { return "needs cgroup v2" }
        return access(discovery.ownDirectory, W_OK) == 0 ? nil : "needs a cgroup v2 that can be written"
    }()

    /// `swift build` puts it beside the test bundle.
    static var initPath: String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return own.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/paas-init"
    }

    let home: String
    let cgroupRoot: String
    private let agents = Mutex<Int>(0)

    init() throws {
        let name = "paas-test-\(getpid())-\(UInt32.random(in: .min ... .max))"
        home = "/tmp/\(name)"
        cgroupRoot = try CgroupDiscovery.current().ownDirectory + "/" + name
    }

    /// A supervisor as an agent makes it at its start. Making another one on the same home is what a restart is; the
    /// earlier one must have been ``Agent/abandon()``ed.
    func startAgent(
        initPath: String = SupervisorHarness.initPath, denialPause: Duration = .seconds(60),
        standbys: Int = Defaults.standbys, stopping: Bool = false
    ) async throws -> Agent {
        let agent = try Agent(
            home: home, cgroupRoot: cgroupRoot, initPath: initPath, denialPause: denialPause, standbys: standbys)
        try await agent.supervisor.restore(stopping: stopping)
        return agent
    }

    /// An instance of the tests' one app.
    static func assignment(
        _ command: String, restart: RestartPolicy = .always, desired: DesiredState = .running, grace: Double = 5,
        lifecycle: LifecycleRules = LifecycleRules()
    ) throws -> Assignment {
        Assignment(
            instanceID: "i-test", appID: "a-test", app: try AppName(validating: "demo"), slot: "web.1", release: "v1",
            spec: ReleaseSpec(
                command: .shell(command), restart: restart, stopGraceSeconds: grace, lifecycle: lifecycle),
            desired: desired)
    }

    /// Runs a test with an agent, and removes the instance and everything else afterwards.
    ///
    /// - Parameter body: returns the agent that is there at the end, when it is another one.
    static func withAgent(
        denialPause: Duration = .seconds(60), standbys: Int = Defaults.standbys,
        _ body: (SupervisorHarness, Agent) async throws -> Agent?
    ) async throws {
        let harness = try SupervisorHarness()
        defer { harness.cleanUp() }
        let first = try await harness.startAgent(denialPause: denialPause, standbys: standbys)
        let last = try await body(harness, first) ?? first
        await last.supervisor.apply(.delete(revision: 9, instanceID: "i-test"))
        await last.supervisor.waitUntilNothingRuns { _ in }
        #expect(harness.runCgroups.isEmpty)
        last.abandon()
    }

    /// Makes the file that the app waits for, and returns once the app has ended. It is not our child.
    static func endApp(_ pid: Int32, byMaking path: String) throws {
        let process = try ProcessHandle(opening: pid)
        #expect(FileManager.default.createFile(atPath: path, contents: nil))
        var ready = pollfd(fd: process.pidfd.rawValue, events: Int16(POLLIN), revents: 0)
        while poll(&ready, 1, -1) < 0 && errno == EINTR {}
    }

    /// Kills every run with its `paas-init`, and returns once all are dead.
    func killEverything() throws {
        let all = try RunCgroup.existing(path: cgroupRoot)
        let events = try all.eventsDescriptor()
        try all.kill()
        var changed = pollfd(fd: events.rawValue, events: Int16(POLLPRI), revents: 0)
        while try all.isPopulated() { poll(&changed, 1, -1) }
    }

    /// Removes what the tests made; every run has ended.
    func cleanUp() {
        try? FileManager.default.removeItem(atPath: home)
        for slice in (try? FileManager.default.contentsOfDirectory(atPath: cgroupRoot)) ?? [] {
            rmdir("\(cgroupRoot)/\(slice)")
        }
        rmdir(cgroupRoot)
    }

    /// Cgroups of runs that exist.
    var runCgroups: [String] {
        let slices = (try? FileManager.default.contentsOfDirectory(atPath: cgroupRoot)) ?? []
        return slices.filter { $0.hasSuffix(".slice") }.flatMap { slice in
            ((try? FileManager.default.contentsOfDirectory(atPath: "\(cgroupRoot)/\(slice)")) ?? [])
                .filter { $0.hasPrefix("r-") }
        }
    }
}

/// One supervisor with its loop.
final class Agent: Sendable {
    let supervisor: Supervisor
    let routes = RecordedRoutes()
    let ports = RecordedPorts()
    let outbox: Outbox
    let logs: LogStore
    private let loop: EventLoop
    /// Of this process alone: several people may run the tests at once.
    static let portRange: ClosedRange<UInt16> = {
        let first = 21_000 + UInt16(getpid() % 80) * 100
        return first...first + 99
    }()

    init(home: String, cgroupRoot: String, initPath: String, denialPause: Duration, standbys: Int) throws {
        for path in [home, home + "/outbox"] { try StateDirectory.makeDirectory(path) }
        loop = try EventLoop()
        loop.start(threadName: "test-supervisor")
        outbox = try Outbox(directory: home + "/outbox")
        logs = LogStore(directory: home + "/logs")
        var configuration = SupervisorConfiguration(
            stateDirectory: home, initPath: initPath, portRange: Self.portRange)
        configuration.defaults.backoffSeconds = 0.02
        configuration.defaults.backoffMaxSeconds = 0.1
        configuration.defaults.drainSeconds = 0.01
        configuration.denialPause = denialPause
        configuration.standbys = standbys
        supervisor = try Supervisor(
            configuration: configuration,
            dependencies: Supervisor.Dependencies(
                cgroups: CgroupTree.prepare(root: cgroupRoot), planner: SandboxPlanner(), logs: logs, routes: routes,
                portHolder: ports, bundles: NoBundles(), prober: AlwaysHealthy(), outbox: outbox,
                logger: Logger(label: "test")),
            loop: loop)
    }

    /// Ends the loop as `kill -9` would end the agent: whatever runs goes on.
    func abandon() {
        loop.stopAndJoin()
    }

    /// Waits until an instance's status fulfils a condition, awakened by every report, and returns it.
    func status(of instanceID: String, where condition: @Sendable (InstanceStatus) -> Bool) async -> InstanceStatus {
        await first { all in all.first { $0.instanceID == instanceID && condition($0) } }
    }

    /// Waits until the statuses of all instances fulfil a condition, awakened by every report, and returns them.
    @discardableResult
    func statuses(where condition: @Sendable ([InstanceStatus]) -> Bool) async -> [InstanceStatus] {
        await first { condition($0) ? $0 : nil }
    }

    private func first<Found>(_ find: @Sendable ([InstanceStatus]) -> Found?) async -> Found {
        for await _ in outbox.additions {
            if let found = find(await supervisor.statuses()) { return found }
        }
        fatalError("the outbox never ends")
    }
}

/// Remembers the last route of each app.
final class RecordedRoutes: RouteSink {
    private let routes = Mutex<[AppName: AppRoute]>([:])
    private let hook = Mutex<(@Sendable (AppRoute?) -> Void)?>(nil)

    /// Does something on the supervisor's thread with every route that is set.
    func whenSet(_ body: @escaping @Sendable (AppRoute?) -> Void) { hook.withLock { $0 = body } }

    func setRoute(_ route: AppRoute?, app: AppName) {
        routes.withLock { $0[app] = route }
        hook.withLock { $0 }?(route)
    }
    func drain(instanceID: String, limit: Duration) async {}
    func removeRecords(ofApp appID: String) {}
    func route(of app: AppName) -> AppRoute? { routes.withLock { $0[app] } }
}

/// Remembers which instance has which port, and which run is open; no port is listened on.
final class RecordedPorts: PortHolder {
    struct State {
        var ports: [String: UInt16] = [:]
        var runs: [String: String] = [:]
        /// Ports that somebody else has.
        var taken: Set<UInt16> = []
        /// What is wrong with every port.
        var failure: SystemError?
        /// How often a port was asked for.
        var asked = 0
    }
    private let state = Mutex(State())
    private let hook = Mutex<(@Sendable () -> Void)?>(nil)

    /// Does something on the supervisor's thread when a port is given up.
    func whenReleased(_ body: @escaping @Sendable () -> Void) { hook.withLock { $0 = body } }

    var now: State { state.withLock { $0 } }

    func fail(with error: SystemError?) { state.withLock { $0.failure = error } }

    func take(_ port: UInt16) { state.withLock { _ = $0.taken.insert(port) } }

    func hold(port: UInt16, instanceID: String) throws {
        try state.withLock { state in
            state.asked += 1
            if let error = state.failure { throw error }
            if state.taken.contains(port) { throw SystemError(operation: "listen", errno: EADDRINUSE) }
            state.ports[instanceID] = port
        }
    }

    func open(instanceID: String, runDirectory: String) { state.withLock { $0.runs[instanceID] = runDirectory } }
    func close(instanceID: String) { state.withLock { $0.runs[instanceID] = nil } }
    func release(instanceID: String) {
        state.withLock { $0.ports[instanceID] = nil }
        hook.withLock { $0 }?()
    }
}

private struct NoBundles: BundleProvider {
    func unpack(bundle sha256: String, into directory: String, userID: UInt32) async throws {
        throw SupervisionError("no bundles in this test", isPermanent: true)
    }
}

private struct AlwaysHealthy: HealthProber {
    func failure(instanceID: String, port: UInt16, path: String, timeout: Duration) async -> String? { nil }
}

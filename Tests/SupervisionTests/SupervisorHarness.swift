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
    func startAgent() async throws -> Agent {
        let agent = try Agent(home: home, cgroupRoot: cgroupRoot)
        try await agent.supervisor.restore()
        return agent
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
    let outbox: Outbox
    let logs: LogStore
    private let loop: EventLoop

    init(home: String, cgroupRoot: String) throws {
        for path in [home, home + "/outbox"] { try StateDirectory.makeDirectory(path) }
        loop = try EventLoop()
        loop.start(threadName: "test-supervisor")
        outbox = try Outbox(directory: home + "/outbox")
        logs = LogStore(directory: home + "/logs")
        var configuration = SupervisorConfiguration(
            stateDirectory: home, initPath: SupervisorHarness.initPath, portRange: 21_000...21_999)
        configuration.backoff = Backoff(base: .milliseconds(20), cap: .milliseconds(100))
        configuration.drainLimit = .milliseconds(10)
        supervisor = try Supervisor(
            configuration: configuration,
            dependencies: Supervisor.Dependencies(
                cgroups: CgroupTree.prepare(root: cgroupRoot), planner: SandboxPlanner(), logs: logs, routes: routes,
                bundles: NoBundles(), prober: AlwaysHealthy(), outbox: outbox, logger: Logger(label: "test")),
            loop: loop)
    }

    /// Ends the loop as `kill -9` would end the agent: whatever runs goes on.
    func abandon() {
        loop.stopAndJoin()
    }

    /// Waits until an instance's status fulfils a condition, awakened by every report, and returns it.
    func status(of instanceID: String, where condition: @Sendable (InstanceStatus) -> Bool) async -> InstanceStatus {
        for await _ in outbox.additions {
            if let status = await supervisor.statuses().first(where: { $0.instanceID == instanceID }), condition(status)
            {
                return status
            }
        }
        fatalError("the outbox never ends")
    }
}

/// Remembers the last route of each app.
final class RecordedRoutes: RouteSink {
    private let routes = Mutex<[AppName: AppRoute]>([:])

    func setRoute(_ route: AppRoute?, app: AppName) { routes.withLock { $0[app] = route } }
    func drain(instanceID: String, limit: Duration) async {}
    func route(of app: AppName) -> AppRoute? { routes.withLock { $0[app] } }
}

private struct NoBundles: BundleProvider {
    func unpack(bundle sha256: String, into directory: String, userID: UInt32) async throws {
        throw SupervisionError("no bundles in this test", isPermanent: true)
    }
}

private struct AlwaysHealthy: HealthProber {
    func failure(port: UInt16, path: String, timeout: Duration) async -> String? { nil }
}

// SPDX-License-Identifier: Apache-2.0

import AppLogs
import Cgroups
import FoundationEssentials
import Glibc
import LinuxSystem
import Logging
import PaaSModel
import ProgramSupport
import Sandbox
import Supervision

/// What both of the agent's programs need of the node: state directory with its lock, cgroups, sandbox, logs, and the
/// event loop's thread.
final class NodeRuntime {
    let outboxDirectory: String
    let planner: SandboxPlanner
    let logs: LogStore
    private let settings: AgentSettings
    private let logger: Logger
    private let lock: Shared<NodeLock>
    private let rootLock: Shared<CgroupRootLock>
    private let cgroups: CgroupTree
    private let loop: EventLoop
    /// Kept until the loop has stopped: its handlers refer to the supervisor unowned.
    private var supervisor: Supervisor?

    /// Prepares the node.
    ///
    /// - Throws: the first thing that is missing, in one sentence: privileges, cgroup v2, paas-init, the lock.
    init(settings: AgentSettings, logger: Logger, lock takeLock: (String) throws -> NodeLock) throws {
        self.settings = settings
        self.logger = logger
        let stateDirectory = settings.home.agent
        outboxDirectory = stateDirectory + "/outbox"
        guard geteuid() == 0 else {
            throw ProgramError("must be run as root for now: it gives every app a uid and namespaces of its own")
        }
        guard access(settings.initPath, X_OK) == 0 else {
            throw ProgramError(
                "there is no program \(settings.initPath); build it with 'swift build', or give --init-path")
        }
        try Self.makePrivateDirectory(outboxDirectory)
        lock = Shared(try takeLock(stateDirectory))
        cgroups = try CgroupTree.prepare(root: settings.cgroupRoot ?? Self.defaultCgroupRoot(of: settings.home))
        rootLock = Shared(try CgroupRootLock(path: cgroups.root))
        var sandbox = SandboxPlanner.Configuration()
        sandbox.allowOff = settings.allowSandboxOff
        sandbox.hiddenDirectories = [settings.home.root, settings.home.runDirectory]
        planner = SandboxPlanner(configuration: sandbox)
        logs = LogStore(directory: stateDirectory + "/logs")
        loop = try EventLoop()
        loop.start(threadName: "supervisor")
    }

    func makeSupervisor(
        routes: any RouteSink, bundles: any BundleProvider, prober: any HealthProber, outbox: Outbox
    ) throws -> Supervisor {
        let configuration = SupervisorConfiguration(
            stateDirectory: settings.home.agent, initPath: settings.initPath, portRange: settings.portRange)
        let supervisor = try Supervisor(
            configuration: configuration,
            dependencies: Supervisor.Dependencies(
                cgroups: cgroups, planner: planner, logs: logs, routes: routes, bundles: bundles, prober: prober,
                outbox: outbox, logger: Logger(label: "supervisor")),
            loop: loop)
        self.supervisor = supervisor
        return supervisor
    }

    /// Ends the supervisor's thread; the apps go on.
    func stopLoop() { loop.stopAndJoin() }

    func makeRunner() -> OneOffRunner {
        OneOffRunner(loop: loop, cgroups: cgroups, initPath: settings.initPath)
    }

    /// What the control plane is told of this node.
    func describe(router: HostPort, socket: String) -> Node {
        Node(
            name: settings.node, connected: true, agentAddress: "unix:\(socket)", routerAddress: "\(router)",
            version: ProductVersion.current,
            capabilities: NodeCapabilities(
                cgroupMode: cgroups.mode.rawValue, cgroupRoot: cgroups.root, controllers: cgroups.controllers,
                kernel: ProcFS.kernelRelease, networks: SandboxPlanner.networks, layers: SandboxProbe.layers()))
    }

    /// Says what was found and what can be enforced here, once.
    func logStart(_ logger: Logger) {
        logger.notice(
            "agent \(ProductVersion.current) starts",
            metadata: [
                "node": "\(settings.node)", "home": "\(settings.home.root)", "kernel": "\(ProcFS.kernelRelease)",
                "api": "\(settings.endpoint)", "router": "\(settings.router)",
            ])
        for line in cgroups.summary { logger.notice("\(line)") }
        let layers = SandboxProbe.layers()
        logger.notice("sandbox layers in force: \(layers.filter(\.enforced).map(\.name).joined(separator: ", "))")
        for layer in layers where !layer.enforced {
            logger.warning("sandbox layer \(layer.name) is not in force: \(layer.detail ?? "reason unknown")")
        }
    }

    /// The path of the agent's socket, with a stale one removed: the lock says that no other agent serves it.
    func prepareSocket() throws -> String {
        try Self.makePrivateDirectory(settings.home.runDirectory)
        let path = settings.home.agentSocket
        guard path.utf8.count <= 107 else {
            throw ProgramError(
                "the path \(path) is longer than the 107 bytes of a Unix socket; choose a shorter --home")
        }
        unlink(path)
        return path
    }

    /// Names who has the router's address.
    func explainTakenAddress(_ address: HostPort) -> ProgramError {
        let sockets = ListeningSockets(ofProcess: getpid())
        let holder = UInt16(exactly: address.port).flatMap { sockets.holder(ofPort: $0) }
        let culprit = holder.map { " by \($0.name) (pid \($0.pid))" } ?? ""
        return ProgramError("\(address) is already used\(culprit); choose another address with --router HOST:PORT")
    }

    /// `…/paas.slice` for the system's home, `…/paas-home-<hash>/paas.slice` for any other, so that agents of several
    /// homes on one machine never take each other's runs for leftovers of their own.
    private static func defaultCgroupRoot(of home: PaaSHome) throws -> String {
        let root = try CgroupDiscovery.current().defaultRoot
        if home == PaaSHome(environment: [:], userID: 0) { return root }
        // FNV-1a, because it must be the same in every run.
        let hash = home.root.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let slash = root.lastIndex(of: "/") ?? root.startIndex
        return root[..<slash] + "/paas-home-" + String(hash, radix: 16) + root[slash...]
    }

    private static func makePrivateDirectory(_ path: String) throws {
        if !FileManager.default.fileExists(atPath: path) {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
    }
}

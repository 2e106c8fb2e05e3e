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
    /// How far each log was sent to its collector.
    let drainDirectory: String
    let planner: SandboxPlanner
    let logs: LogStore
    let accessLogs: LogStore
    let accessLog: AccessLog
    /// As many as an agent can have apps, and some to spare: an id is used again only after all others.
    private static let fewestUserIDs = 1_000
    private let settings: AgentSettings
    private let logger: Logger
    let locks: NodeLocks
    private let cgroups: CgroupTree
    let loop: EventLoop
    /// The sampler's; it sleeps while nobody looks.
    private let statsLoop: EventLoop
    /// Writes the access logs.
    private let accessLoop: EventLoop
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
        drainDirectory = stateDirectory + "/drains"
        guard geteuid() == 0 else {
            throw ProgramError(
                "must be root, of the machine or of a user namespace: it gives every app a uid of its own")
        }
        guard UserIDs.range.count >= Self.fewestUserIDs else {
            throw ProgramError(
                "this user namespace has \(UserIDs.range.count) ids for apps, and \(Self.fewestUserIDs) are needed; give its "
                    + "user more in /etc/subuid and /etc/subgid")
        }
        guard access(settings.initPath, X_OK) == 0 else {
            throw ProgramError(
                "there is no program \(settings.initPath); build it with 'swift build', or give --init-path")
        }
        OpenFileLimit.raise()
        for path in [outboxDirectory, drainDirectory] { try Self.makePrivateDirectory(path) }
        let lock = Shared(try takeLock(stateDirectory))
        cgroups = try CgroupTree.prepare(
            root: settings.cgroupRoot ?? Self.defaultCgroupRoot(of: settings.home), reserve: settings.reserve)
        locks = NodeLocks(home: lock, cgroupRoot: Shared(try CgroupRootLock(path: cgroups.root)))
        var sandbox = SandboxPlanner.Configuration()
        sandbox.allowOff = settings.allowSandboxOff
        sandbox.minimum = settings.minimumSandbox
        sandbox.hiddenDirectories = [settings.home.root, settings.home.runDirectory]
        planner = try SandboxPlanner(configuration: sandbox)
        logs = LogStore(
            directory: stateDirectory + "/logs",
            nodeMaxBytes: settings.logTotalBytes ?? LogStore.standardNodeMaxBytes(of: stateDirectory))
        loop = try EventLoop()
        loop.start(threadName: "supervisor")
        statsLoop = try EventLoop()
        statsLoop.start(threadName: "statistics")
        accessLogs = LogStore(
            directory: stateDirectory + "/access", retention: LogRetention(maxBytes: Defaults.accessLogBytes))
        accessLoop = try EventLoop()
        accessLoop.start(threadName: "access log")
        accessLog = AccessLog(store: accessLogs, loop: accessLoop, logger: Logger(label: "access log"))
    }

    func makeSupervisor(
        routes: any RouteSink, portHolder: any PortHolder, bundles: any BundleProvider, prober: any HealthProber,
        outbox: Outbox
    ) throws -> Supervisor {
        var configuration = SupervisorConfiguration(
            stateDirectory: settings.home.agent, initPath: settings.initPath, portRange: settings.portRange)
        configuration.defaults = settings.lifecycle
        configuration.allowsSandboxOff = settings.allowSandboxOff
        configuration.standbys = settings.standbys
        let supervisor = try Supervisor(
            configuration: configuration,
            dependencies: Supervisor.Dependencies(
                cgroups: cgroups, planner: planner, logs: logs, routes: routes, portHolder: portHolder,
                bundles: bundles, prober: prober,
                outbox: outbox, logger: Logger(label: "supervisor")),
            loop: loop)
        self.supervisor = supervisor
        return supervisor
    }

    func makeSampler(supervisor: Supervisor, meter: some RequestMeter) -> StatsSampler {
        StatsSampler(
            node: settings.node, running: { await supervisor.runningInstances() }, meter: meter, loop: statsLoop,
            logger: Logger(label: "statistics"))
    }

    /// Ends the supervisor's thread and the sampler's; the apps go on.
    func stopLoop() {
        statsLoop.stopAndJoin()
        accessLoop.stopAndJoin()
        loop.stopAndJoin()
    }

    func makeRunner() -> OneOffRunner {
        OneOffRunner(loop: loop, cgroups: cgroups, initPath: settings.initPath)
    }

    /// What the control plane is told of this node.
    func describe(router: HostPort, socket: String) -> Node {
        var capabilities = NodeCapabilities(
            cgroupMode: cgroups.mode.rawValue, cgroupRoot: cgroups.root, controllers: cgroups.controllers,
            kernel: ProcFS.kernelRelease, networks: planner.networks.modes, layers: SandboxProbe.layers())
        capabilities.limits = cgroups.obstacles.map {
            LimitSupport(name: $0.option, enforced: $0.reason == nil, detail: $0.reason)
        }
        let disks = planner.disks.obstacle
        capabilities.limits?.append(LimitSupport(name: "disk", enforced: disks == nil, detail: disks))
        capabilities.appsMemoryBytes = cgroups.ceilings.memoryBytes
        capabilities.appsProcesses = cgroups.ceilings.processes
        return Node(
            name: settings.node, connected: true, agentAddress: "unix:\(socket)", routerAddress: "\(router)",
            version: ProductVersion.current, capabilities: capabilities)
    }

    /// Says what was found and what can be enforced here, once.
    func logStart(_ logger: Logger) {
        logger.notice(
            "agent \(ProductVersion.current) starts",
            metadata: [
                "node": "\(settings.node)", "home": "\(settings.home.root)", "kernel": "\(ProcFS.kernelRelease)",
                "api": "\(settings.endpoint)", "router": "\(settings.router)",
            ])
        if UserIDs.areSubordinate {
            logger.notice(
                "it is root of a user namespace only; see 'Without root' in docs/operations.md",
                metadata: ["uids": "\(UserIDs.range.lowerBound)-\(UserIDs.range.upperBound - 1)"])
        }
        for line in cgroups.summary { logger.notice("\(line)") }
        for mode in NetworkMode.allCases {
            if let reason = planner.networks.reason(against: mode) {
                logger.warning("network mode \(mode.rawValue) cannot be had: \(reason)")
            }
        }
        let layers = SandboxProbe.layers()
        logger.notice("sandbox layers in force: \(layers.filter(\.enforced).map(\.name).joined(separator: ", "))")
        for layer in layers where !layer.enforced {
            let remedy = layer.remedy.map { "; \($0)" } ?? ""
            logger.warning("sandbox layer \(layer.name) is not in force: \(layer.detail ?? "reason unknown")\(remedy)")
        }
        if let refusal = settings.minimumSandbox.refusal(layers: layers) {
            logger.error("no app will be started with --sandbox standard or strict: \(refusal)")
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

    /// Makes a directory below the agent's state, for its owner alone; returns its path.
    func preparePrivateDirectory(_ name: String) throws -> String {
        let path = settings.home.agent + "/" + name
        try Self.makePrivateDirectory(path)
        return path
    }

    /// Names who has an address of the router's.
    func explainTakenAddress(_ address: HostPort, option: String) -> ProgramError {
        let sockets = TCPSockets.listening(ofProcess: getpid())
        let holder = UInt16(exactly: address.port).flatMap { sockets.holder(ofPort: $0) }
        let culprit = holder.map { " by \($0.name) (pid \($0.pid))" } ?? ""
        return ProgramError("\(address) is already used\(culprit); choose another address with \(option) HOST:PORT")
    }

    /// `…/paas.slice` for the system's home, `…/paas-home-<hash>/paas.slice` for any other, so that agents of several
    /// homes on one machine never take each other's runs for leftovers of their own.
    static func defaultCgroupRoot(of home: PaaSHome) throws -> String {
        let root = try CgroupDiscovery.current().defaultRoot
        if home == PaaSHome(environment: [:], userID: 0) { return root }
        let hash = FNV1a.hash(home.root.utf8)
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

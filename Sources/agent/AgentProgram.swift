// SPDX-License-Identifier: Apache-2.0

import AppLogs
import AppNetwork
import Cgroups
import FoundationEssentials
import Glibc
import LinuxSystem
import LogDrain
import Logging
import NIOCore
import NIOPosix
import PaaSClient
import PaaSModel
import ProgramSupport
import Router
import Sandbox
import ServiceLifecycle
import Supervision
import UnixSignals

/// Assembles the agent and runs it as one service group.
struct AgentProgram {
    /// Time for requests in flight when the agent itself ends; the apps go on, so a client can come again.
    private static let shutdownGrace = Duration.seconds(5)

    /// Time for requests in flight and open streams when another agent has taken over.
    private static let handoverGrace = Defaults.drain

    let settings: AgentSettings
    /// Take the place of an agent that runs.
    let replaces: Bool
    /// Sockets of the service manager, or of an earlier run of this process.
    let inherited: HandedSockets

    func run() async throws {
        let logger = Logger(label: "agent")
        let takeover = replaces ? try Takeover(at: settings.home.agentHandoverSocket) : nil
        // The process that this one has executed itself anew for may not have ended yet.
        let mustWait = SelfRestart.isOne()
        let node = try NodeRuntime(settings: settings, logger: logger) {
            mustWait ? try NodeLock(waitingIn: $0) : try NodeLock(directory: $0)
        }
        // The threads that run async code anyway; see Program.
        let group = MultiThreadedEventLoopGroup.singleton
        let network = try AppNetwork(eventLoopGroup: group, logger: Logger(label: "network"))
        let client = try PaaSClient(
            endpoint: settings.endpoint, token: settings.token, caCertificate: settings.caCertificate,
            eventLoopGroup: group)
        let outcome: Result<Void, any Error>
        do {
            try await run(
                node: node, group: group, network: network, client: client, takeover: takeover, logger: logger)
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        try? await client.shutdown()
        // Before the supervisor goes: its handlers must not run without it.
        node.stopLoop()
        network.shutDown()
        // Its end tells the agent that was to be replaced that this one has failed.
        withExtendedLifetime(takeover) {}
        try outcome.get()
        logger.notice("stopped; the apps go on, 'agent stop-apps' stops them")
    }

    private func run(
        node: NodeRuntime, group: MultiThreadedEventLoopGroup, network: AppNetwork, client: PaaSClient,
        takeover: Takeover?, logger: Logger
    ) async throws {
        let table = RouteTable()
        let accessLog = node.accessLog
        let outbox = try Outbox(directory: node.outboxDirectory)
        let supervisor = try node.makeSupervisor(
            routes: RouterRoutes(table: table, accessLog: accessLog), portHolder: HeldPorts(network: network),
            bundles: BundleStore(client: client, planner: node.planner, runner: node.makeRunner()),
            prober: HTTPHealthProber(network: network, eventLoopGroup: group), outbox: outbox)
        node.logStart(logger)
        let handed = adoptSockets(takeover, network)
        try await supervisor.restore()
        await releaseUnknownPorts(of: network, supervisor)

        var routing = settings.routing
        routing.shutdownGrace = Self.shutdownGrace
        let (listening, address) = try listeningSocket(handed.router, node, logger)
        let tls = try makeTLS(handed.tls, node, logger)
        let router = RouterServer(
            configuration: routing, table: table, eventLoopGroup: group, logger: Logger(label: "router"),
            sockets: { network.socket(to: $0.id, on: $1, timeout: $2) },
            listeningSocket: try listening.value.duplicate().relinquish(), tls: tls?.listener, accessLog: accessLog.add)
        let socket = try node.prepareSocket()
        let sampler = node.makeSampler(supervisor: supervisor, meter: RouterTraffic(table: table))
        let departure = Departure()
        // Once another agent has the locks the path is that one's.
        defer { if !departure.hasBegun { unlink(socket) } }
        let api = try AgentAPI(
            logs: node.logs, accessLogs: node.accessLogs,
            metrics: AgentMetrics(sampler: sampler, supervisor: supervisor, table: table),
            sessions: SessionService(supervisor: supervisor, eventLoopGroup: group),
            inspect: { await supervisor.inspect(appID: $0) }
        ).server(
            socket: socket, eventLoopGroup: group, logger: Logger(label: "agent.api"))
        let description = node.describe(router: address, socket: socket)
        let reload = SignalWatch(of: [SIGHUP], evenIgnored: true) { [settings] _ in
            do {
                try settings.reloadLogLevel()
                try tls?.listener.tls.reload()
                logger.notice("configuration read again")
            } catch {
                logger.error("the configuration stays as it was", metadata: ["error": "\(error)"])
            }
        }
        defer { withExtendedLifetime((reload, node)) {} }

        let locks = node.locks
        let sockets: @Sendable () -> [(name: String, socket: Shared<OwnedDescriptor>)] = {
            [(name: Handover.routerSocket, socket: listening)]
                + (tls.map { [(name: Handover.routerTLSSocket, socket: $0.socket)] } ?? [])
                + network.heldSockets.map { (Handover.name(ofPort: $0.port, $0.instanceID), $0.socket) }
        }
        let handover = try HandoverServer(
            path: settings.home.agentHandoverSocket, loop: node.loop,
            actions: HandoverServer.Actions(
                leave: {
                    departure.begin()
                    await supervisor.leave()
                    // What ends after this is in nobody's log: two agents must not write to one.
                    await accessLog.stop()
                    locks.release()
                    return sockets()
                },
                replaced: {
                    network.leavePorts()
                    router.handOver(grace: Self.handoverGrace)
                },
                startAnew: { SelfRestart.run(sockets: sockets()) }), logger: logger)
        var configuration = ServiceGroupConfiguration(
            services: [
                .init(service: SupervisionService(supervisor: supervisor)), .init(service: handover),
                // It returns by itself after a handover, when the last connection is done.
                .init(service: router, successTerminationBehavior: .gracefullyShutdownGroup), .init(service: api),
                .init(service: Readiness(router: router, takeover: takeover, logger: logger)),
                .init(
                    service: LogDrainService(
                        logs: node.logs, directory: node.drainDirectory, node: settings.node,
                        logger: Logger(label: "log-drain"))),
                .init(service: ReportSender(client: client, node: settings.node, outbox: outbox, logger: logger)),
                .init(
                    service: ControlPlaneLink(
                        client: client, node: description, supervisor: supervisor, departure: departure,
                        logger: logger)),
            ], gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "agent.services"))
        configuration.maximumGracefulShutdownDuration = .seconds(8)
        try await ServiceGroup(configuration: configuration).run()
        await accessLog.stop()
    }
}

extension AgentProgram {
    /// Goes on with the ports of apps that were handed over, and returns the router's sockets that there are.
    private func adoptSockets(
        _ takeover: Takeover?, _ network: AppNetwork
    ) -> (router: Shared<OwnedDescriptor>?, tls: Shared<OwnedDescriptor>?) {
        let own = inherited.take()
        var sockets = takeover?.sockets.take() ?? own
        // A service manager that names no socket means its only one.
        let router = sockets.removeValue(forKey: Handover.routerSocket) ?? (own.count == 1 ? own.values.first : nil)
        let tls = sockets.removeValue(forKey: Handover.routerTLSSocket)
        for (name, socket) in sockets {
            guard let (port, instanceID) = Handover.heldPort(name) else { continue }
            network.adopt(socket, port: port, instanceID: instanceID)
        }
        return (router, tls)
    }

    /// Gives up ports of instances that went in the moment of the handover.
    private func releaseUnknownPorts(of network: AppNetwork, _ supervisor: Supervisor) async {
        let known = Set(await supervisor.statuses().map(\.instanceID))
        for held in network.heldSockets where !known.contains(held.instanceID) {
            network.release(instanceID: held.instanceID)
        }
    }

    /// The router's socket and its address: one that was handed over, by another agent or by the service manager, or one
    /// of our own.
    private func listeningSocket(
        _ handed: Shared<OwnedDescriptor>?, _ node: NodeRuntime, _ logger: Logger
    ) throws -> (Shared<OwnedDescriptor>, HostPort) {
        guard let socket = handed else { return (try bind(settings.router, "--router", node), settings.router) }
        let (host, port) = try ListeningSocket.address(of: socket.value)
        let address = HostPort(host: host, port: port)
        if address != settings.router {
            logger.notice(
                "the router listens on the socket that it was given, whatever the setting 'router' says",
                metadata: ["router": "\(address)"])
        }
        return (socket, address)
    }

    /// The router's second socket with its certificates; nil when it is not wanted.
    private func makeTLS(
        _ handed: Shared<OwnedDescriptor>?, _ node: NodeRuntime, _ logger: Logger
    ) throws -> (listener: RouterTLSListener, socket: Shared<OwnedDescriptor>)? {
        guard let address = settings.routerTLS else { return nil }
        let tls: RouterTLS
        if let files = settings.routerCertificate {
            tls = try RouterTLS(certificateFile: files.certificate, keyFile: files.key)
        } else {
            let authority = try LocalAuthority(directory: try node.preparePrivateDirectory("ca"))
            logger.notice(
                "TLS is by a local authority, for development; let clients trust its certificate",
                metadata: ["certificate": "\(authority.certificateFile)"])
            tls = try RouterTLS(issuing: authority.issue)
        }
        let socket = try handed ?? bind(address, "--router-tls", node)
        let listener = RouterTLSListener(
            host: address.host, port: address.port, tls: tls,
            listeningSocket: try socket.value.duplicate().relinquish())
        return (listener, socket)
    }

    private func bind(_ address: HostPort, _ option: String, _ node: NodeRuntime) throws -> Shared<OwnedDescriptor> {
        do throws(SystemError) {
            guard let port = UInt16(exactly: address.port) else {
                throw SystemError(operation: "bind", path: "\(address)", errno: EINVAL)
            }
            return Shared(try ListeningSocket.bind(host: address.host, port: port))
        } catch {
            if error.errno == EADDRINUSE { throw node.explainTakenAddress(address, option: option) }
            throw ProgramError("the router cannot listen on \(address): \(error)")
        }
    }
}

/// Tells whoever waits for it that this agent serves: the service manager, and the agent that it replaces.
private struct Readiness: Service {
    let router: RouterServer
    let takeover: Takeover?
    let logger: Logger

    func run() async throws {
        _ = try await router.boundAddress
        do {
            try takeover?.complete()
        } catch {
            logger.warning("the agent that was replaced has ended already", metadata: ["error": "\(error)"])
        }
        do {
            try ServiceNotification.send("READY=1")
        } catch {
            logger.warning(
                "the service manager cannot be told that the agent is ready", metadata: ["error": "\(error)"])
        }
        try? await gracefulShutdown()
        _ = try? ServiceNotification.send("STOPPING=1")
    }
}

/// `agent stop-apps`: the supervisor alone, without router and control plane.
struct StopAppsProgram {
    let settings: AgentSettings

    func run() async throws {
        let logger = Logger(label: "agent")
        let node = try NodeRuntime(settings: settings, logger: logger) { try NodeLock(waitingIn: $0) }
        let supervisor = try node.makeSupervisor(
            routes: NoRoutes(), portHolder: NoPorts(), bundles: NoBundles(), prober: NoProber(),
            outbox: Outbox(directory: node.outboxDirectory))
        try await supervisor.restore(stopping: true)
        await supervisor.waitUntilNothingRuns { running in
            if !running.isEmpty { StandardError.write("stopping \(running.joined(separator: ", "))") }
        }
        await supervisor.prepareToLeave()
        StandardError.write("no app runs")
    }
}

private struct NoRoutes: RouteSink {
    func setRoute(_ route: AppRoute?, app: AppName) {}
    func drain(instanceID: String, limit: Duration) async {}
    func removeRecords(ofApp appID: String) {}
}

private struct NoPorts: PortHolder {
    func hold(port: UInt16, instanceID: String) throws {}
    func open(instanceID: String, runDirectory: String) {}
    func close(instanceID: String) {}
    func release(instanceID: String) {}
}

private struct NoBundles: BundleProvider {
    func unpack(bundle sha256: String, into directory: String, userID: UInt32) async throws {
        throw ProgramError("nothing is started while apps are being stopped")
    }
}

private struct NoProber: HealthProber {
    func failure(instanceID: String, port: UInt16, path: String, timeout: Duration) async -> String? { nil }
}

/// Lets the supervisor write down what it knows when the agent ends.
private struct SupervisionService: Service {
    let supervisor: Supervisor

    func run() async throws {
        try? await gracefulShutdown()
        await supervisor.prepareToLeave()
    }
}

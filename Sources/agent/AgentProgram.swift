// SPDX-License-Identifier: Apache-2.0

import AppLogs
import AsyncHTTPClient
import Cgroups
import FoundationEssentials
import Glibc
import LinuxSystem
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

    let settings: AgentSettings

    func run() async throws {
        let logger = Logger(label: "agent")
        let node = try NodeRuntime(settings: settings, logger: logger) { try NodeLock(directory: $0) }
        // The threads that run async code anyway; see Program.
        let group = MultiThreadedEventLoopGroup.singleton
        var configuration = HTTPClient.Configuration()
        // An app must not send the agent anywhere: a redirect counts as healthy and is not followed.
        configuration.redirectConfiguration = .disallow
        let http = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
        let client = try PaaSClient(endpoint: settings.endpoint, token: settings.token, eventLoopGroup: group)
        let outcome: Result<Void, any Error>
        do {
            try await run(node: node, group: group, http: http, client: client, logger: logger)
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        try? await client.shutdown()
        try? await http.shutdown()
        // Before the supervisor goes: its handlers must not run without it.
        node.stopLoop()
        try outcome.get()
        logger.notice("stopped; the apps go on, 'agent stop-apps' stops them")
    }

    private func run(
        node: NodeRuntime, group: MultiThreadedEventLoopGroup, http: HTTPClient, client: PaaSClient, logger: Logger
    ) async throws {
        let table = RouteTable()
        let outbox = try Outbox(directory: node.outboxDirectory)
        let supervisor = try node.makeSupervisor(
            routes: RouterRoutes(table: table),
            bundles: BundleStore(client: client, planner: node.planner, runner: node.makeRunner()),
            prober: HTTPHealthProber(client: http), outbox: outbox)
        node.logStart(logger)
        try await supervisor.restore()

        var routing = RouterConfiguration(host: settings.router.host, port: settings.router.port)
        routing.shutdownGrace = Self.shutdownGrace
        let router = RouterServer(
            configuration: routing, table: table, eventLoopGroup: group, logger: Logger(label: "router"), accessLog: nil
        )
        let socket = try node.prepareSocket()
        defer { unlink(socket) }
        let api = try AgentAPI(logs: node.logs).server(
            socket: socket, eventLoopGroup: group, logger: Logger(label: "agent.api"))
        let description = node.describe(router: settings.router, socket: socket)
        let reload = ReloadSignal { [settings] in
            do {
                try settings.reloadLogLevel()
                logger.notice("configuration read again")
            } catch {
                logger.error("the configuration stays as it was", metadata: ["error": "\(error)"])
            }
        }
        defer { withExtendedLifetime((reload, node)) {} }

        var configuration = ServiceGroupConfiguration(
            services: [
                .init(service: SupervisionService(supervisor: supervisor)),
                .init(service: router), .init(service: api),
                .init(service: ReportSender(client: client, node: settings.node, outbox: outbox, logger: logger)),
                .init(
                    service: ControlPlaneLink(
                        client: client, node: description, supervisor: supervisor, logger: logger)),
            ], gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "agent.services"))
        configuration.maximumGracefulShutdownDuration = .seconds(8)
        try await ServiceGroup(configuration: configuration).run()
    }
}

/// `agent stop-apps`: the supervisor alone, without router and control plane.
struct StopAppsProgram {
    let settings: AgentSettings

    func run() async throws {
        let logger = Logger(label: "agent")
        let node = try NodeRuntime(settings: settings, logger: logger) { try NodeLock(waitingIn: $0) }
        let supervisor = try node.makeSupervisor(
            routes: NoRoutes(), bundles: NoBundles(), prober: NoProber(),
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
}

private struct NoBundles: BundleProvider {
    func unpack(bundle sha256: String, into directory: String, userID: UInt32) async throws {
        throw ProgramError("nothing is started while apps are being stopped")
    }
}

private struct NoProber: HealthProber {
    func failure(port: UInt16, path: String, timeout: Duration) async -> String? { nil }
}

/// Lets the supervisor write down what it knows when the agent ends.
private struct SupervisionService: Service {
    let supervisor: Supervisor

    func run() async throws {
        try? await gracefulShutdown()
        await supervisor.prepareToLeave()
    }
}

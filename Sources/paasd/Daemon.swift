// SPDX-License-Identifier: Apache-2.0

import ControlPlane
import Logging
import PaaSModel
import ProgramSupport
import ServiceLifecycle
import UnixSignals

/// The running control plane: one service group over two listeners.
struct Daemon {
    let settings: PaasdSettings
    let common: CommonOptions

    /// Runs until SIGTERM or SIGINT.
    ///
    /// - Throws: `StartupError` or `StoreError` when it cannot start.
    func run() async throws {
        let home = settings.home
        let logger = Logger(label: "paasd")
        try HomeDirectories.prepare(home)
        let lock = try HomeLock(path: home.root + "/paasd/lock", home: home.root)
        let token = try AdminToken.load(path: home.adminToken)
        let store = try SQLiteStore(path: settings.database)
        let service = ControlPlaneService(store: store, bundles: try BundleStore(directory: home.bundles))
        let agents = AgentClient()
        let api = ControlPlaneAPI(service: service, agents: agents)
        let reload = ReloadSignal { self.reload(logger) }
        defer { withExtendedLifetime((lock, reload)) {} }

        let announce: @Sendable (APIServer.Address) async -> Void = { address in
            logger.notice("listening", metadata: ["address": "\(address)", "home": "\(home.root)"])
        }
        let tcp = APIServer.Address.tcp(host: settings.listen.host, port: settings.listen.port)
        var group = ServiceGroupConfiguration(
            services: [
                .init(service: ControlPlaneRunner(service: service, agents: agents, store: store)),
                .init(
                    service: APIServer(
                        .unixSocket(path: home.apiSocket), api: api, rule: .peerCredentials, logger: logger,
                        onListening: announce)),
                .init(service: APIServer(tcp, api: api, rule: .token(token), logger: logger, onListening: announce)),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: Self.quiet)
        // A client that does not read its answer is cut off then.
        group.maximumGracefulShutdownDuration = .seconds(2)
        try await ServiceGroup(configuration: group).run()
        logger.notice("stopped")
    }

    /// The service group's own messages are for its developers.
    private static var quiet: Logger {
        var logger = Logger(label: "paasd.services")
        logger.logLevel = .critical
        return logger
    }

    /// SIGHUP: reads the configuration again. The log level takes effect; what needs a restart is said.
    private func reload(_ logger: Logger) {
        do {
            let new = try PaasdSettings(common: common, listen: nil, store: nil)
            LogBootstrap.level = new.logLevel
            logger.notice("configuration reloaded", metadata: ["log-level": "\(new.logLevel)"])
        } catch {
            logger.error("configuration not reloaded, the old one stays", metadata: ["error": "\(error)"])
        }
    }
}

/// Brings the control plane up, and takes it down after the listeners.
private struct ControlPlaneRunner: Service {
    let service: ControlPlaneService
    let agents: AgentClient
    let store: any KeyValueStore

    func run() async throws {
        do {
            try await service.start()
            try? await gracefulShutdown()
        } catch {
            try? await takeDown()
            throw error
        }
        try await takeDown()
    }

    private func takeDown() async throws {
        service.stop()
        try? await agents.shutdown()
        try store.close()
    }
}

// SPDX-License-Identifier: Apache-2.0

import ControlPlane
import Glibc
import LinuxSystem
import Logging
import NIOPosix
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
        let admin = try AdminToken.load(path: home.adminToken)
        let certificate = try settings.tls.map {
            try APICertificate(chainPath: $0.certificate, keyPath: $0.key)
        }
        let store = try SQLiteStore(path: settings.database)
        let service = ControlPlaneService(store: store, bundles: try BundleStore(directory: home.bundles))
        let tokens = TokenAuthenticator(
            admin: admin, service: service, freeFailures: settings.tokenFailures)
        let agents = AgentClient()
        let api = ControlPlaneAPI(service: service, agents: agents, usage: { .current() })
        let reload = SignalWatch(of: [SIGHUP], evenIgnored: true) { _ in self.reload(logger, certificate) }
        defer { withExtendedLifetime((lock, reload)) {} }

        let (parts, up) = AsyncStream<Void>.makeStream()
        let announce: @Sendable (APIServer.Address) async -> Void = { address in
            logger.notice("listening", metadata: ["address": "\(address)", "home": "\(home.root)"])
            up.yield()
        }
        let tcp = APIServer.Address.tcp(host: settings.listen.host, port: settings.listen.port)
        var group = ServiceGroupConfiguration(
            services: [
                .init(
                    service: ControlPlaneRunner(
                        service: service, agents: agents, store: store, onStarted: { up.yield() })),
                .init(
                    service: APIServer(
                        .unixSocket(path: home.apiSocket), api: api, rule: .peerCredentials, logger: logger,
                        onListening: announce)),
                .init(
                    service: APIServer(
                        tcp, api: api, rule: .token(tokens), certificate: certificate, logger: logger,
                        onListening: announce)),
                // What the control plane and the two listeners say.
                .init(service: Readiness(parts: parts, count: 3, logger: logger)),
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

    /// SIGHUP: reads the configuration and the certificate again. Log level and certificate take effect.
    private func reload(_ logger: Logger, _ certificate: APICertificate?) {
        do {
            let new = try PaasdSettings(
                common: common, tlsCertificate: settings.tls?.certificate, tlsKey: settings.tls?.key)
            try certificate?.reload()
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
    let onStarted: @Sendable () -> Void

    func run() async throws {
        do {
            try await service.start()
            onStarted()
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
        // It waits for whoever still reads, and they need NIO's loops to go on: it must not hold up one of them.
        try await NIOThreadPool.singleton.runIfActive { [store] in try store.close() }
    }
}

/// Tells the service manager when everything is up, and when it goes down.
private struct Readiness: Service {
    /// Something that was to come up is up.
    let parts: AsyncStream<Void>
    /// How many there are.
    let count: Int
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var missing = count
            for await _ in parts {
                missing -= 1
                if missing == 0 { tell("READY=1") }
            }
        }
        tell("STOPPING=1")
    }

    private func tell(_ state: String) {
        do {
            try ServiceNotification.send(state)
        } catch {
            logger.warning("the service manager cannot be told '\(state)'", metadata: ["error": "\(error)"])
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ControlPlane
import FoundationEssentials
import Glibc
import Logging
import PaaSModel
import ProgramSupport
import ServiceLifecycle

/// The control plane's program: reads its settings, puts the services together, and runs them.
struct Paasd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "paasd",
        abstract: "The control plane of Mini PaaS: keeps what should run, and tells agents.",
        discussion: """
            Listens on a Unix socket below its home, for root and its own user, and on a TCP address of this machine, \
            for whoever has the token in the home's file admin.token. It never touches a process: start 'agent' \
            beside it, and use 'paas' to talk to it.
            """,
        version: "paasd \(ProductVersion.current)",
        subcommands: [RunCommand.self, BackupCommand.self, RestoreCommand.self],
        defaultSubcommand: RunCommand.self)
}

/// `paasd run`, the default.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the control plane until SIGTERM (the default).")

    @OptionGroup(title: "Common options")
    var common: CommonOptions

    @Option(help: ArgumentHelp("TCP address of the API. Default: \(Defaults.apiListen).", valueName: "host:port"))
    var listen: String?

    @Option(
        help: ArgumentHelp(
            "Certificate chain for TLS on --listen, PEM; with --tls-key. Needed beyond loopback. SIGHUP reads both again.",
            valueName: "file"))
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("Private key of the certificate, PEM, not readable by everybody.", valueName: "file"))
    var tlsKey: String?

    @Option(
        help: ArgumentHelp(
            "Wrong tokens that one address may send at once before it is answered with 429. Default: 10.",
            valueName: "count"))
    var tokenFailures: String?

    @Option(help: ArgumentHelp("Where state is kept. Default: sqlite: (a file below the home).", valueName: "url"))
    var store: String?

    func run() async throws {
        try await reportingFailure {
            let settings = try PaasdSettings(
                common: common, listen: listen, store: store, tlsCertificate: tlsCertificate, tlsKey: tlsKey,
                tokenFailures: tokenFailures)
            // Nothing that paasd writes is for other users: sockets, database, token, bundles.
            umask(0o077)
            LogBootstrap.bootstrap(level: settings.logLevel, format: settings.logFormat)
            try await Daemon(settings: settings, common: common).run()
        }
    }
}

/// Turns an error into one line on standard error and an exit code.
func reportingFailure(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let error as ConfigurationError {
        StandardError.write("paasd: \(error)")
        throw ExitStatus.usage.exitCode
    } catch {
        StandardError.write("paasd: \(error)")
        throw ExitStatus.failure.exitCode
    }
}

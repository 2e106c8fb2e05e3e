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
        version: "paasd \(ProductVersion.current)")

    @OptionGroup(title: "Common options")
    var common: CommonOptions

    @Option(help: ArgumentHelp("TCP address of the API. Default: \(Defaults.apiListen).", valueName: "host:port"))
    var listen: String?

    @Option(help: ArgumentHelp("Where state is kept. Default: sqlite: (a file below the home).", valueName: "url"))
    var store: String?

    func run() async throws {
        do {
            let settings = try PaasdSettings(common: common, listen: listen, store: store)
            // Nothing that paasd writes is for other users: sockets, database, token, bundles.
            umask(0o077)
            LogBootstrap.bootstrap(level: settings.logLevel, format: settings.logFormat)
            try await Daemon(settings: settings, common: common).run()
        } catch let error as ConfigurationError {
            Self.complain(error)
            throw ExitStatus.usage.exitCode
        } catch {
            Self.complain(error)
            throw ExitStatus.failure.exitCode
        }
    }

    private static func complain(_ error: any Error) {
        let line = Array("paasd: \(error)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
    }
}

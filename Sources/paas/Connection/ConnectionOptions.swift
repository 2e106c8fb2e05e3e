// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import NIOPosix
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// Options of every command that talks to the control plane.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The control plane: http://HOST:PORT, https://HOST:PORT or unix:/PATH. Default: PAAS_URL, else the "
                + "context, else the Unix socket of the home, else http://127.0.0.1:7070.", valueName: "url"))
    var url: String?

    @Option(
        help: ArgumentHelp(
            "Bearer token. Default: PAAS_TOKEN, else the context's; on this machine the token saved in the home.",
            valueName: "token"))
    var token: String?

    @Option(
        help: ArgumentHelp(
            "PEM file of the authority that https is checked against. Default: PAAS_CA_CERTIFICATE, else the system's.",
            valueName: "file"))
    var caCertificate: String?

    @Option(
        help: ArgumentHelp(
            "Control plane by its name in 'paas context list'. Default: PAAS_CONTEXT, else the one in use.",
            valueName: "name"), completion: .contextNames)
    var context: String?

    @OptionGroup var common: CommonOptions

    /// Keys of a configuration file.
    static let keys: Set<String> = ["url", "token", "ca-certificate", "context"]

    /// Takes over what other options say.
    mutating func take(_ other: ConnectionOptions) {
        url = other.url ?? url
        token = other.token ?? token
        caCertificate = other.caCertificate ?? caCertificate
        context = other.context ?? context
        common.home = other.common.home ?? common.home
        common.config = other.common.config ?? common.config
        common.logLevel = other.common.logLevel ?? common.logLevel
        common.logFormat = other.common.logFormat ?? common.logFormat
    }

    /// Decides which control plane it is.
    ///
    /// - Throws: `CommandFailure`, `ConfigurationError` or `ClientError.invalidEndpoint`.
    func resolve() throws -> (choice: ContextChoice, address: ControlPlaneAddress, settings: Settings) {
        let settings = try common.settings(keys: Self.keys)
        let flags = ContextChoice.Flags(url: url, token: token, context: context, home: common.home)
        let choice = try ContextChoice(flags, settings, try ContextFile.read(ContextFile.path(settings.environment)))
        let address = try ControlPlaneAddress(
            url: choice.url, token: choice.token, home: common.resolveHome(settings), files: .system)
        return (choice, address, settings)
    }

    /// Runs a body with a client, and shuts it down afterwards.
    func withClient<Value: Sendable>(_ body: @Sendable (PaaSClient) async throws -> Value) async throws -> Value {
        let (_, address, settings) = try resolve()
        LogBootstrap.bootstrap(
            level: try common.resolveLogLevel(settings), format: try common.resolveLogFormat(settings))
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let client = try PaaSClient(
            endpoint: address.endpoint, token: address.token,
            caCertificate: settings.text("ca-certificate", flag: caCertificate), eventLoopGroup: group)
        do {
            let value = try await body(client)
            try? await client.shutdown()
            return value
        } catch {
            try? await client.shutdown()
            throw error
        }
        // The group's one thread ends with the process; waiting for it would only cost time.
    }
}

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
            "The control plane: http://HOST:PORT, https://HOST:PORT or unix:/PATH. Default: PAAS_URL, else the Unix "
                + "socket of the home, else http://127.0.0.1:7070.", valueName: "url"))
    var url: String?

    @Option(
        help: ArgumentHelp(
            "Bearer token. Default: PAAS_TOKEN; on this machine the token saved in the home.", valueName: "token"))
    var token: String?

    @OptionGroup var common: CommonOptions

    /// Runs a body with a client, and shuts it down afterwards.
    func withClient<Value: Sendable>(_ body: @Sendable (PaaSClient) async throws -> Value) async throws -> Value {
        let settings = try common.settings(keys: ["url", "token"])
        LogBootstrap.bootstrap(
            level: try common.resolveLogLevel(settings), format: try common.resolveLogFormat(settings))
        let address = try ControlPlaneAddress(
            url: settings.text("url", flag: url), token: settings.text("token", flag: token),
            home: common.resolveHome(settings), files: .system)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let client = try PaaSClient(endpoint: address.endpoint, token: address.token, eventLoopGroup: group)
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

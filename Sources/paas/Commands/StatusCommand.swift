// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// `paas status`, `paas ps`.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show all apps, or one in detail.",
        discussion: """
            For one app the exit code is 0 when it runs, 3 when it does not, 4 when there is none. CPU is the average since \
            each instance's start; 'paas top' shows what is used now.

            EXAMPLES
              paas status
              paas status shop
              paas status --watch
              paas status shop --json | jq .lastExit
            """,
        aliases: ["ps"])

    @Argument(help: "Name or id of an app.", completion: .appNames)
    var app: String?

    @Flag(help: "Show it again whenever something happens, until Ctrl-C.")
    var watch = false

    @Flag(help: "Print JSON: an array of apps, or the one app's object. With --watch, one document a line.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let screen = StatusScreen(app: app, json: json, watch: watch)
        let watch = watch
        let last = try await connection.withClient { client in
            watch ? try await interruptible { try await screen.follow(client) } : try await screen.show(client)
        }
        if let last, last.status != .running { throw CommandFailure(.notRunning) }
    }
}

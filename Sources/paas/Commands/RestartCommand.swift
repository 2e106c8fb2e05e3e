// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient

/// `paas restart`.
struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "Replace the running instances by new ones of the same release, without losing a request.",
        discussion: """
            EXAMPLES
              paas restart shop
              paas restart shop --no-wait
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @OptionGroup var wait: WaitOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let (app, wait) = (app, wait)
        try await connection.withClient { client in
            try await interruptible {
                try await AppChange(client: client, name: app, verb: "restart", done: "restarted")
                    .run(wait) { try await $0.restart(app) }
            }
        }
    }
}

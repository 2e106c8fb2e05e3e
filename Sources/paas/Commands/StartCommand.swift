// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient

/// `paas start`.
struct StartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start",
        abstract: "Start a stopped or failed app.",
        discussion: """
            EXAMPLES
              paas start shop
              paas start shop --no-wait
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @OptionGroup var wait: WaitOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let (app, wait) = (app, wait)
        try await connection.withClient { client in
            try await interruptible {
                try await AppChange(client: client, name: app, verb: "start", done: "started")
                    .run(wait) { try await $0.start(app) }
            }
        }
    }
}

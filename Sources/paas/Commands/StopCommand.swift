// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient

/// `paas stop`.
struct StopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Stop an app; its data, releases and logs stay.",
        discussion: """
            EXAMPLES
              paas stop shop
              paas stop shop --no-wait
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @OptionGroup var wait: WaitOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let (app, wait) = (app, wait)
        try await connection.withClient { client in
            try await interruptible {
                try await AppChange(client: client, name: app, verb: "stop", done: "stopped", waitsForStop: true)
                    .run(wait) { try await $0.stop(app) }
            }
        }
    }
}

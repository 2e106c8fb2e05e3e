// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient

/// `paas rollback`.
struct RollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Bring an earlier release of an app back.",
        discussion: """
            EXAMPLES
              paas rollback shop
              paas rollback shop v3
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Argument(help: "The release. Default: the one that served before.", transform: OptionText.release)
    var release: String?

    @OptionGroup var wait: WaitOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let (app, release, wait) = (app, release, wait)
        try await connection.withClient { client in
            try await interruptible {
                try await AppChange(client: client, name: app, verb: "rollback", done: "rolled back")
                    .run(wait) { try await $0.rollback(app, release: release) }
            }
        }
    }
}

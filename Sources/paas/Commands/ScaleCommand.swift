// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel

/// `paas scale`.
struct ScaleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale",
        abstract: "Change how many instances of an app run.",
        discussion: """
            EXAMPLES
              paas scale shop 3
              paas scale shop 0
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Argument(help: "Number of instances, 0 to 100.")
    var count: Int

    @OptionGroup var wait: WaitOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func validate() throws {
        guard (0...Defaults.maxInstances).contains(count) else {
            throw ArgumentParser.ValidationError("COUNT takes 0 to \(Defaults.maxInstances) instances.")
        }
    }

    func run() async throws {
        let (app, count, wait) = (app, count, wait)
        try await connection.withClient { client in
            try await interruptible {
                try await AppChange(client: client, name: app, verb: "scale", done: "scaled")
                    .run(wait) { try await $0.scale(app, instances: count) }
            }
        }
    }
}

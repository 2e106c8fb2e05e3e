// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// `paas destroy`.
struct DestroyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy",
        abstract: "Stop an app and delete it with its data, releases and logs.",
        discussion: """
            Asks first on a terminal; anywhere else --yes is required.

            EXAMPLES
              paas destroy shop
              paas destroy shop --yes
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var wait: WaitOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let (name, wait, yes) = (app, wait, yes)
        guard yes || isatty(STDIN_FILENO) == 1 else {
            throw CommandFailure(
                .usage, "destroy deletes '\(name)' with its data, and there is no terminal to ask on",
                hint: "say so with --yes: paas destroy \(name) --yes")
        }
        try await connection.withClient { client in
            let app = try await namingApp(name, client) { try await client.app(name) }
            guard yes || Self.confirm(app.name.rawValue) else {
                throw CommandFailure(.failure, "nothing was destroyed")
            }
            try await interruptible { try await Self.destroy(app, client, wait) }
        }
    }

    private static func destroy(_ app: App, _ client: PaaSClient, _ wait: WaitOptions) async throws {
        // The control plane waits for at most 300 s.
        let seconds = (wait.waitTimeout ?? WaitOptions.defaultTimeout).inSeconds.rounded(.up)
        do {
            try await client.delete(app.id, waitSeconds: wait.noWait ? nil : Int(min(seconds, 300)))
        } catch is CancellationError {
            OutputStream.error.write("\(app.name) may go on being destroyed; 'paas status \(app.name)' shows it\n")
            throw CommandFailure.interrupted
        }
        OutputStream.standard.write(
            wait.json
                ? try JSONOutput.document(app)
                : wait.noWait ? "\(app.name): destroy is under way\n" : "\(app.name) is destroyed\n")
    }

    private static func confirm(_ name: String) -> Bool {
        OutputStream.error.write("Destroy \(name) with its data, releases and logs? Type its name: ")
        return readLine(strippingNewline: true) == name
    }
}

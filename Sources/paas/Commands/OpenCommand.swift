// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import FoundationEssentials
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// `paas open`.
struct OpenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open",
        abstract: "Open an app in the browser; without a display, print its URL.",
        discussion: """
            EXAMPLES
              paas open shop
              curl -sS "$(paas open shop --print)"
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Flag(name: .customLong("print"), help: "Print the URL, and open nothing.")
    var onlyPrint = false

    @Flag(help: "Print JSON: an array of the app's URLs.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let name = app
        let app = try await connection.withClient { client in
            try await namingApp(name, client) { try await client.app(name) }
        }
        if json { return OutputStream.standard.write(try JSONOutput.document(app.urls)) }
        guard let url = app.urls.first else {
            throw CommandFailure(
                .failure, "\(app.name) has no URL, because no node has joined yet",
                hint: "start an agent on this machine; 'paas doctor' shows the nodes")
        }
        if app.status != .running {
            OutputStream.error.write("\(app.name) is \(app.status.rawValue); 'paas status \(app.name)' tells more\n")
        }
        OutputStream.standard.write(url + "\n")
        guard !onlyPrint, Self.hasDisplay(ProcessInfo.processInfo.environment) else { return }
        let result = try ToolRun(["xdg-open", url])
        guard result.code == 0 else {
            throw CommandFailure(
                .failure, "the browser cannot be opened: \(result.complaint ?? "xdg-open ended with \(result.code)")",
                hint: "open the URL yourself")
        }
    }

    /// A browser that is opened can be seen.
    static func hasDisplay(_ environment: [String: String]) -> Bool {
        ["DISPLAY", "WAYLAND_DISPLAY"].contains { environment[$0]?.isEmpty == false }
    }
}

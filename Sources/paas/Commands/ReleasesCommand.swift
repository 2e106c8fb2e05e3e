// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel

/// `paas releases`.
struct ReleasesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "releases",
        abstract: "List the releases of an app, the newest first.",
        discussion: """
            EXAMPLES
              paas releases shop
              paas releases shop --json
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Flag(help: "Print a JSON array.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let app = app
        let releases = try await connection.withClient { client in
            try await namingApp(app, client) { try await client.releases(app) }
        }
        .sorted { ($0.createdAt, $0.name) > ($1.createdAt, $1.name) }
        let output = OutputStream.standard
        output.write(
            json
                ? try JSONOutput.document(releases)
                : Self.table(releases, isTerminal: output.isTerminal).render(width: output.columns, style: .of(output)))
    }

    static func table(_ releases: [Release], isTerminal: Bool) -> Table {
        var table = Table([
            .init(title: "RELEASE"), .init(title: "STATUS"), .init(title: "CREATED"),
            .init(title: "BUNDLE", dropRank: 1), .init(title: "COMMAND", shrinksTo: 12),
            .init(title: "REASON", shrinksTo: 12, dropRank: 2),
        ])
        table.rows = releases.map { release in
            let tone: Style.Tone =
                switch release.status {
                case .live: .good
                case .failed: .bad
                case .deploying: .warning
                case .superseded: .dim
                }
            return [
                .init(release.name, .bold), .init(release.status.rawValue, tone), .init("\(release.createdAt)"),
                .init(release.bundle.map { String($0.prefix(12)) } ?? "-"),
                .init(DisplayText.forStream(release.command.text, isTerminal: isTerminal)),
                .init(DisplayText.forStream(release.reason ?? "", isTerminal: isTerminal)),
            ]
        }
        return table
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel

/// `paas logs`.
struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Show what an app wrote, and what the platform says about it.",
        discussion: """
            Lines of the app are 'app[web.1]:', lines of the platform 'paas[web.1]:'. On a terminal control characters \
            are shown escaped.

            EXAMPLES
              paas logs shop
              paas logs shop -f
              paas logs shop --since 10m --stream stderr
              paas logs shop --release v3 -n 1000 --json
            """)

    @Argument(help: "Name or id of the app.")
    var app: String

    @Flag(name: .shortAndLong, help: "Go on with new lines until Ctrl-C.")
    var follow = false

    @Option(
        name: [.customShort("n"), .customLong("lines")],
        help: "The newest lines that match, at most 10000. (default: 100)")
    var lines: Int?

    @Option(
        help: ArgumentHelp("Only lines since a time: 10m ago, or RFC 3339.", valueName: "time"),
        transform: OptionText.time)
    var since: Timestamp?

    @Option(
        help: ArgumentHelp("Only lines until a time: 10m ago, or RFC 3339.", valueName: "time"),
        transform: OptionText.time)
    var until: Timestamp?

    @Option(help: "Only this stream.")
    var stream: AppStream?

    @Option(help: ArgumentHelp("Only this release, such as v3.", valueName: "release"), transform: OptionText.release)
    var release: String?

    @Flag(help: "Print one JSON object a line.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    /// The streams that can be chosen.
    enum AppStream: String, CaseIterable, ExpressibleByArgument {
        case stdout, stderr, system
    }

    func validate() throws {
        if let lines, !(0...10_000).contains(lines) {
            throw ArgumentParser.ValidationError("-n takes 0 to 10000 lines.")
        }
        if follow, until != nil {
            throw ArgumentParser.ValidationError("--until ends where -f goes on; use one of them.")
        }
        if let since, let until, until < since {
            throw ArgumentParser.ValidationError("--until is before --since.")
        }
    }

    func run() async throws {
        var parameters = LogParameters()
        // With a time and no number, everything of that time is wanted.
        parameters.limit = lines ?? (since == nil ? nil : 10_000)
        parameters.since = since
        parameters.until = until
        parameters.stream = stream.flatMap { LogLine.Stream(rawValue: $0.rawValue) }
        parameters.release = release
        parameters.follow = follow
        let printer = LogPrinter(app: app, parameters: parameters, json: json)
        try await connection.withClient { client in
            try await interruptible { try await printer.run(client) }
        }
    }
}

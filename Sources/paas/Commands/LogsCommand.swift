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
            are shown escaped. With -f the app may be restarted, deployed again or stopped, and agent and control plane may \
            be restarted: it goes on behind the line that was shown last. With --access, a line is a request: client, \
            method, path without its query, status, bytes of the body, milliseconds, request id, and 'cut' when the \
            answer was cut off.

            EXAMPLES
              paas logs shop
              paas logs shop -f
              paas logs shop --since 10m --stream stderr
              paas logs shop --grep '(?i)timeout|refused' -n 20
              paas logs shop --release v3 -n 1000 --json | jq -r .text
              paas logs shop --since 1d --raw | less -R
              paas logs shop --access -f
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Flag(name: .shortAndLong, help: "Go on with new lines until Ctrl-C.")
    var follow = false

    @Option(
        name: [.customShort("n"), .customLong("lines")],
        help: "The newest lines that match, at most 10000. (default: 100, or all with --since)")
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

    @Flag(help: "The requests that the router answered for the app, and not what the app wrote.")
    var access = false

    @Option(help: ArgumentHelp("Only this release, such as v3.", valueName: "release"), transform: OptionText.release)
    var release: String?

    @Option(
        help: ArgumentHelp(
            "Only lines in which a regular expression is found (Perl's syntax; (?i) ignores case).",
            valueName: "regex"))
    var grep: String?

    @Flag(help: "Print every byte as the app wrote it, control characters too.")
    var raw = false

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
        if access, stream != nil {
            throw ArgumentParser.ValidationError("--access is a log of its own; use it without --stream.")
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
        parameters.limit = lines.map { .newest($0) } ?? (since == nil ? nil : .all)
        parameters.since = since
        parameters.until = until
        parameters.stream = access ? .access : stream.flatMap { LogLine.Stream(rawValue: $0.rawValue) }
        parameters.release = release
        parameters.grep = grep
        parameters.bytes = raw
        parameters.follow = follow
        let printer = LogPrinter(app: app, parameters: parameters, json: json, raw: raw)
        try await connection.withClient { client in
            try await interruptible { try await printer.run(client) }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel

/// `paas events`.
struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Show what happened to an app, or to all apps and nodes.",
        discussion: """
            EXAMPLES
              paas events
              paas events shop -f
              paas events shop -n 1000 --json
            """)

    @Argument(help: "Name or id of an app.", completion: .appNames)
    var app: String?

    @Flag(name: .shortAndLong, help: "Go on with new events until Ctrl-C.")
    var follow = false

    @Option(name: [.customShort("n"), .customLong("lines")], help: "The newest events, at most 10000. (default: 100)")
    var lines: Int?

    @Flag(help: "Print a JSON array; with -f one object a line.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func validate() throws {
        if let lines, !(1...10_000).contains(lines) {
            throw ArgumentParser.ValidationError("-n takes 1 to 10000 events.")
        }
    }

    func run() async throws {
        let (app, lines, json, follow) = (app, lines, json, follow)
        try await connection.withClient { client in
            guard follow else {
                let events = try await naming(client) { try await client.events(app: app, limit: lines) }
                if json { return OutputStream.standard.write(try JSONOutput.document(events)) }
                for event in events { try Self.write(event, json: false) }
                return
            }
            try await interruptible {
                var last: Int64?
                var stream = try await naming(client) { try await client.followEvents(app: app, limit: lines) }
                while true {
                    do {
                        for try await event in stream {
                            last = max(last ?? 0, event.id)
                            try Self.write(event, json: json)
                        }
                    } catch let error as ClientError where error.isTransient {}
                    stream = try await reconnect(client, since: last)
                }
            }
        }
    }

    private func reconnect(_ client: PaaSClient, since last: Int64?) async throws -> NDJSONStream<Event> {
        var pause = Duration.milliseconds(200)
        while true {
            try await Task.sleep(for: pause)
            do {
                return try await naming(client) {
                    try await client.followEvents(app: app, since: last, limit: last == nil ? lines : 10_000)
                }
            } catch ClientError.problem(let problem) where problem.status == 410 && last != nil {
                // So long away that some are gone, or the store is another one: go on with the newest.
                OutputStream.error.write("paas: some events are missing here: they are no longer kept\n")
                return try await naming(client) { try await client.followEvents(app: app, limit: lines) }
            } catch let error as ClientError where error.isTransient {
                pause = min(pause * 2, .seconds(5))
            }
        }
    }

    private func naming<Value: Sendable>(_ client: PaaSClient, _ body: () async throws -> Value) async throws -> Value {
        guard let app else { return try await body() }
        return try await namingApp(app, client, body)
    }

    private static func write(_ event: Event, json: Bool) throws {
        let output = OutputStream.standard
        output.write(
            json
                ? try JSONOutput.line(event)
                : EventFormatter.text(event, isTerminal: output.isTerminal, style: .of(output)) + "\n")
    }
}

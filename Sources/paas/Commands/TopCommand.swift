// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// `paas top`.
struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Show what every instance uses, again and again.",
        discussion: """
            CPU% is 0 to 100 for each core. THROTTLED% is the share of 100 ms periods in which the CPU limit made it wait. \
            PSI is the share of the last 10 s in which something of it waited for CPU, memory or a disk. P99 is the time \
            that 99 of 100 requests did not exceed until their answer began. '-' is what this node does not count.

            KEYS
              q quit   up, down choose an instance   c, m, p, i, n or left, right sort   r reverse

            Where standard output is no terminal the table is printed once.

            EXAMPLES
              paas top
              paas top --sort memory -n 10
              paas top --once --json | jq '.[] | {app, cpuPercent}'
            """)

    @Flag(help: "Print the table once, without the full screen.")
    var once = false

    @Option(
        help: ArgumentHelp("Time between two refreshes, whole seconds. (default: 1s)", valueName: "duration"),
        transform: OptionText.duration)
    var interval: Duration?

    @Option(help: "Order of the rows, the greatest first.")
    var sort = TopSort.cpu

    @Option(name: [.customShort("n"), .customLong("rows")], help: "At most so many rows.")
    var rows: Int?

    @Flag(help: "Print a JSON array of instances, once.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func validate() throws {
        if let interval {
            let seconds = interval.inSeconds
            guard (1...3_600).contains(seconds), seconds == seconds.rounded() else {
                throw ArgumentParser.ValidationError("--interval takes whole seconds from 1s to 1h.")
            }
        }
        if let rows, rows < 1 { throw ArgumentParser.ValidationError("-n takes at least 1 row.") }
    }

    func run() async throws {
        let (sort, rows, json) = (sort, rows, json)
        let seconds = Int((interval ?? .seconds(1)).inSeconds)
        let output = OutputStream.standard
        // A dumb terminal has no screen to draw on.
        let isFullScreen = output.isTerminal && !once && !json && Style.hasScreen()
        try await connection.withClient { client in
            guard isFullScreen else { return try Self.printOnce(try await client.stats(), sort, rows, json: json) }
            try await interruptible {
                try await TopSession(client: client, sort: sort, limit: rows, intervalSeconds: seconds).run()
            }
        }
    }

    private static func printOnce(_ snapshots: [StatsSnapshot], _ sort: TopSort, _ limit: Int?, json: Bool) throws {
        let output = OutputStream.standard
        let sorted = sort.sorted(snapshots.flatMap(\.instances))
        let rows = limit.map { Array(sorted.prefix($0)) } ?? sorted
        if json { return output.write(try JSONOutput.document(rows)) }
        let style = Style.of(output)
        if output.isTerminal {
            for snapshot in snapshots {
                let width = output.columns ?? 80
                output.write(
                    NodeLine(stats: snapshot.node).line(width: width).render(width: width, style: style) + "\n")
            }
        }
        output.write(TopTable.table(rows).render(width: output.columns, style: style))
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// The table of `paas status`.
enum AppTable {
    /// The columns of contract.md; on a narrow terminal those that say least go first.
    static let columns: [Table.Column] = [
        .init(title: "NAME", shrinksTo: 12), .init(title: "STATUS"),
        .init(title: "INSTANCES", alignsRight: true, dropRank: 2), .init(title: "PORT", alignsRight: true),
        .init(title: "RESTARTS", alignsRight: true), .init(title: "UPTIME", alignsRight: true),
        .init(title: "CPU", alignsRight: true, dropRank: 4), .init(title: "MEMORY", alignsRight: true, dropRank: 3),
        .init(title: "RELEASE", dropRank: 1),
    ]

    /// The apps in the order of their names.
    ///
    /// - Parameter usage: what they use, by id; an app that is not in it shows `-`.
    static func table(_ apps: [App], usage: [String: AppUsage] = [:], now: Timestamp) -> Table {
        var table = Table(columns)
        table.rows = apps.sorted { $0.name < $1.name }.map { app in
            [
                .init(app.name.rawValue, .bold), status(app), .init("\(app.instancesReady)/\(app.instances)"),
                .init(app.port.map(String.init) ?? "-"), .init(String(app.restarts)), .init(uptime(app, now)),
                .init(usage[app.id]?.cpuText ?? "-"), .init(usage[app.id]?.memoryText ?? "-"), .init(app.release),
            ]
        }
        return table
    }

    /// The status, or `crash-looping`, which says more than `restarting`.
    static func status(_ app: App) -> Table.Cell {
        if app.crashLooping, app.status != .stopped { return .init("crash-looping", .bad) }
        switch app.status {
        case .running: return .init("running", app.instancesReady < app.instances ? .warning : .good)
        case .pending, .restarting: return .init(app.status.rawValue, .warning)
        case .failed: return .init("failed", .bad)
        case .stopped: return .init("stopped", .dim)
        }
    }

    static func uptime(_ app: App, _ now: Timestamp) -> String {
        guard app.status == .running, let start = app.startedAt else { return "-" }
        return Duration.seconds(max(0, start.seconds(until: now))).shortText
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// The list of all apps.
struct AppsPage {
    struct Row {
        let name: String
        let status: String
        let statusText: String
        let reason: String?
        let restarts: Int
        let instances: String
        let release: String
        let startedAt: PageTime?

        init(_ app: App) {
            name = app.name.rawValue
            status = app.status.rawValue
            statusText = app.crashLooping ? "crash-looping" : app.status.rawValue
            reason = app.status == .running ? nil : app.reason
            restarts = app.restarts
            instances = app.desired == .stopped ? "–" : "\(app.instancesReady) of \(app.instances)"
            release = app.release
            startedAt = app.status == .running ? app.startedAt.map { PageTime($0) } : nil
        }
    }

    let headline: String
    let attention: String?
    let hasApps: Bool
    let apps: [Row]
    /// Who looks may make apps.
    let creates: Bool
    let events: PageEvents

    init(apps: [App], events: [Event], nodes: [Node], creates: Bool) {
        self.apps = apps.map(Row.init)
        hasApps = !apps.isEmpty
        self.creates = creates
        headline = Self.headline(apps)
        let ill = apps.filter { $0.status == .failed || $0.crashLooping }.map(\.name.rawValue)
        let lost = nodes.filter { !$0.connected }.map { "node \($0.name) is not connected" }
        let troubles =
            (ill.isEmpty
                ? [] : ["\(ill.prefix(5).joined(separator: ", ")) \(ill.count == 1 ? "needs" : "need") a look"])
            + (nodes.isEmpty && !apps.isEmpty ? ["no node is connected"] : lost)
        attention = troubles.isEmpty ? nil : troubles.joined(separator: "; ")
        self.events = PageEvents(events, apps: Set(apps.map(\.name.rawValue)), isOfOneApp: false)
    }

    /// `3 apps, all running`.
    static func headline(_ apps: [App]) -> String {
        guard !apps.isEmpty else { return "No apps yet" }
        let total = apps.count == 1 ? "1 app" : "\(apps.count) apps"
        let running = apps.count { $0.status == .running }
        if running == apps.count { return apps.count == 1 ? "1 app, running" : "\(total), all running" }
        let others = [AppStatus.failed, .restarting, .pending, .stopped].compactMap { status in
            let count = apps.count { $0.status == status }
            return count == 0 ? nil : "\(count) \(status.rawValue)"
        }
        return "\(total): " + ((running == 0 ? [] : ["\(running) running"]) + others).joined(separator: ", ")
    }
}

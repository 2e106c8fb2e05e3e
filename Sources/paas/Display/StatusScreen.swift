// SPDX-License-Identifier: Apache-2.0

internal import PaaSClient
internal import PaaSModel

/// What `paas status` shows, once or again and again.
struct StatusScreen: Sendable {
    let app: String?
    let json: Bool
    let watch: Bool

    /// Shows it once; returns the app when it was about one.
    func show(_ client: PaaSClient) async throws -> App? {
        let output = OutputStream.standard
        guard let name = app else {
            async let wanted = AppUsage.of(client)
            let apps = try await client.apps()
            let usage = try await wanted
            let sorted = apps.sorted { $0.name < $1.name }
            output.write(
                json
                    ? try encode(sorted.map { AppWithUsage(app: $0, usage: usage[$0.id]) })
                    : clearing + text(apps, usage))
            return nil
        }
        let app = try await namingApp(name, client) { try await client.app(name) }
        async let wanted = AppUsage.of(client, app: app.id)
        guard !json else {
            output.write(try encode(AppWithUsage(app: app, usage: try await wanted[app.id])))
            return app
        }
        async let instances = client.instances(app.id)
        async let events = client.events(app: app.id, limit: 10)
        let details = AppDetails(
            app: app, instances: try await instances, events: try await events, usage: try await wanted[app.id])
        output.write(
            clearing
                + details.render(now: .now, width: output.columns, style: .of(output), isTerminal: output.isTerminal))
        return app
    }

    /// Shows it at every event, at most once a second, until cancelled.
    func follow(_ client: PaaSClient) async throws -> App? {
        _ = try await show(client)
        var last = try await client.events(app: app, limit: 1).last?.id
        while true {
            do {
                for try await event in try await client.followEvents(app: app, since: last ?? 0, limit: 1) {
                    if let seen = last, event.id <= seen { continue }
                    last = event.id
                    // A burst of events is one change to the eye: what came meanwhile is skipped by its id.
                    try await Task.sleep(for: .seconds(1))
                    _ = try await show(client)
                    last = max(event.id, try await client.events(app: app, limit: 1).last?.id ?? 0)
                }
            } catch let error as ClientError where error.isTransient {
                OutputStream.error.write("paas: \(DisplayText.escaped(error.description)); trying again\n")
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// Home, and clear to the end of the screen: no flicker, and the scroll-back stays.
    private var clearing: String { watch && OutputStream.standard.isTerminal ? "\u{1B}[H\u{1B}[2J" : "" }

    private func text(_ apps: [App], _ usage: [String: AppUsage]) -> String {
        guard !apps.isEmpty else { return "There are no apps yet; 'paas deploy' makes one.\n" }
        let output = OutputStream.standard
        return AppTable.table(apps, usage: usage, now: .now).render(width: output.columns, style: .of(output))
    }

    private func encode(_ value: some Encodable) throws -> String {
        watch ? try JSONOutput.line(value) : try JSONOutput.document(value)
    }
}

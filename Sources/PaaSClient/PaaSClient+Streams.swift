// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// Events and logs.
extension PaaSClient {
    /// Events, oldest first.
    ///
    /// - Parameters:
    ///   - app: name or id; nil is events of all apps and nodes.
    ///   - since: only events with a greater id.
    ///   - limit: at most so many: without `since` the newest, with it the oldest after it; nil is 100.
    public func events(app: String? = nil, since: Int64? = nil, limit: Int? = nil) async throws -> [Event] {
        try await exchange(Call(target: Self.eventsTarget(app, since: since, limit: limit, follow: false)))
    }

    /// The same events, then every new one as it happens. Throws at once when the app is not there.
    ///
    /// Resume after a lost connection with the last event's id as `since`.
    public func followEvents(
        app: String? = nil, since: Int64? = nil, limit: Int? = nil
    ) async throws -> NDJSONStream<Event> {
        try await stream(
            Call(target: Self.eventsTarget(app, since: since, limit: limit, follow: true)), of: Event.self)
    }

    /// Log lines of an app, oldest first.
    public func logs(_ app: String, _ parameters: LogParameters = LogParameters()) async throws
        -> NDJSONStream<LogLine>
    {
        try await stream(Call(target: Self.path(app) + "/logs" + parameters.query), of: LogLine.self)
    }

    /// What nodes and instances use now, one element for each node.
    ///
    /// - Parameters:
    ///   - app: name or id; nil is every instance.
    ///   - history: with the values of the last minutes that somebody watched.
    ///   - sinceStart: averages since each run's start, which take no moment to measure.
    ///   - timeout: how long to wait for the answer.
    public func stats(
        app: String? = nil, history: Bool = false, sinceStart: Bool = false, timeout: Duration = .seconds(30)
    ) async throws -> [StatsSnapshot] {
        let query = PercentEncoding.query([
            ("history", history ? "true" : nil), ("since", sinceStart ? "start" : nil),
        ])
        return try await exchange(Call(target: (app.map(Self.path) ?? "") + "/stats" + query, timeout: timeout))
    }

    /// The same again and again, one snapshot of one node at a time.
    ///
    /// - Parameters:
    ///   - app: only this one; nil is all.
    ///   - intervalSeconds: seconds between two snapshots of a node, 1 to 3600.
    public func followStats(app: String? = nil, intervalSeconds: Int = 1) async throws -> NDJSONStream<StatsSnapshot> {
        let query = PercentEncoding.query([("follow", "true"), ("interval", "\(intervalSeconds)")])
        return try await stream(
            Call(target: (app.map(Self.path) ?? "") + "/stats" + query), of: StatsSnapshot.self)
    }

    private static func eventsTarget(_ app: String?, since: Int64?, limit: Int?, follow: Bool) -> String {
        (app.map(path) ?? "") + "/events"
            + PercentEncoding.query([
                ("since", since.map(String.init)), ("limit", limit.map(String.init)), ("follow", follow ? "true" : nil),
            ])
    }
}

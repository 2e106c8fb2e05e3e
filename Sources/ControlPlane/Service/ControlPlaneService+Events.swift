// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Which events somebody wants.
struct EventQuery: Hashable, Sendable {
    /// Only those of this app, by identity.
    var appID: String?
    /// Only those after this one.
    var since: Int64?
    /// Only those before this one.
    var before: Int64?
    /// At most so many; without `since` the newest, with it the oldest after it.
    var limit: Int
}

extension ControlPlaneService {
    /// Events, oldest first, and the revision at which they were read.
    func events(_ query: EventQuery) async throws -> (events: [Event], revision: Int64) {
        var found: [Event] = []
        let descending = query.since == nil
        var after = (query.since ?? query.before).map(StoreKey.event)
        var revision: Int64?
        while found.count < query.limit {
            let range = KeyRange(prefix: StoreKey.events, after: after, limit: 500, descending: descending)
            let page = try await store.read([range])
            revision = revision ?? page.revision
            var entries = page.ranges[0][...]
            if !descending, let before = query.before.map(StoreKey.event) {
                entries = entries.prefix { $0.key < before }
            }
            for entry in entries where found.count < query.limit {
                if let event = try Self.event(entry.key, entry.value, appID: query.appID) { found.append(event) }
            }
            guard entries.count == 500 else { break }
            after = page.ranges[0].last?.key
        }
        let position: Int64
        if let revision { position = revision } else { position = try await store.revision() }
        return (descending ? found.reversed() : found, position)
    }

    /// Every event after this one is kept; 0 stands for "from the oldest there is".
    ///
    /// - Throws: `Problem` 410 when some are gone, or when the id is yet to come, as after a restore.
    func requireEvents(after since: Int64) async throws {
        guard since > 0 else { return }
        let ends = try await store.read(
            [false, true].map { KeyRange(prefix: StoreKey.events, limit: 1, descending: $0) })
        func id(_ entries: [KeyValue]) -> Int64 {
            entries.first.flatMap { Int64($0.key.dropFirst(StoreKey.events.count)) } ?? 0
        }
        let (oldest, newest) = (id(ends.ranges[0]), id(ends.ranges[1]))
        guard since + 1 >= oldest, since <= newest else { throw Problem.historyGone(min(oldest - 1, newest)) }
    }

    /// Emits events as they come, beginning with those that the query finds; returns when the task is cancelled
    /// or the service group shuts down.
    func followEvents(_ query: EventQuery, emit: (Event) async throws -> Void) async throws {
        var query = query
        var (present, revision) = try await events(query)
        while true {
            for event in present {
                try await emit(event)
                query.since = event.id
            }
            do {
                for try await changes in store.watch([StoreKey.events], after: revision).untilShutdown() {
                    for change in changes {
                        guard let value = change.value,
                            let event = try Self.event(change.key, value, appID: query.appID),
                            event.id > query.since ?? 0
                        else { continue }
                        try await emit(event)
                        query.since = event.id
                    }
                }
                return
            } catch StoreError.compacted {
                // A reader so slow that the history went past it: read on from the events themselves.
                query.limit = Int(EventRecord.retention)
                query.since = query.since ?? 0
                (present, revision) = try await events(query)
            }
        }
    }

    /// Decodes an event unless it is of another app. Records are JSON with sorted keys, so `appID` comes first, and
    /// those of other apps need no decoding.
    private static func event(_ key: String, _ value: [UInt8], appID: String?) throws -> Event? {
        if let appID, !value.starts(with: "{\"appID\":\"\(appID)\"".utf8) { return nil }
        return try RecordCoding.decode(EventRecord.self, key: key, value).event
    }
}

// SPDX-License-Identifier: Apache-2.0

public import PaaSModel
internal import Synchronization

/// The brain: turns commands and reports into transactions, and lets the reconciler decide what follows.
///
/// Every change reads the apps it concerns, applies itself, lets the reconciler settle, and commits all of it, its
/// events included, in one transaction. Nothing polls: a timer exists only while a rollout is in progress.
public final class ControlPlaneService: Sendable {
    let store: any KeyValueStore
    let bundles: BundleStore
    let presence = NodePresence()
    let timers: RolloutTimers
    let documentCache = AppDocumentCache()
    private let gate = CommandGate()
    private let lastEventID = Mutex<Int64?>(nil)

    /// Creates the service; ``start()`` brings it up.
    ///
    /// - Parameters:
    ///   - store: desired state and history.
    ///   - bundles: where bundles lie.
    ///   - deployTimeout: how long a rollout may take.
    public init(store: any KeyValueStore, bundles: BundleStore, deployTimeout: Duration = Defaults.deployTimeout) {
        self.store = store
        self.bundles = bundles
        self.timers = RolloutTimers(timeout: deployTimeout)
    }

    /// Picks up what an earlier process left: rollouts in progress get their timers, apps are reconciled.
    ///
    /// - Throws: `StoreError`.
    public func start() async throws {
        try await reconcileAll()
        await collectBundles()
    }

    /// Ends the timers of rollouts; ``start()`` of the next process arms them again.
    public func stop() { timers.cancelAll() }

    /// What a change works on.
    struct Change {
        /// The apps it loaded, by id; the change edits them, and may add new ones.
        var states: [String: AppState] = [:]
        /// Events to store, oldest first.
        var events: [EventRecord] = []
        /// Further operations.
        var operations: [StoreOperation] = []
        /// Further conditions.
        var comparisons: [Comparison] = []
        /// All nodes, as the API shows them.
        var nodes: [String: Node]
        /// The time of the change.
        let now: Timestamp
        /// When the loaded keys were last written.
        fileprivate(set) var modRevisions: [String: Int64] = [:]

        /// The revision of an app's record, its ETag.
        func modRevision(ofApp id: String) -> Int64? { modRevisions[StoreKey.app(id)] }

        /// Adds an event about an app.
        mutating func add(_ event: Event?, appID: String?) {
            guard var event else { return }
            event.by = event.by ?? Principal.current?.name
            events.append(EventRecord(appID: appID, event: event))
        }
    }

    /// An app with what its view needs.
    struct Snapshot {
        var state: AppState
        var nodes: [String: Node]
        /// The revision that last wrote the app's record.
        var modRevision: Int64
        /// The revision at which it was read.
        var revision: Int64
    }

    /// Runs one change alone and commits it.
    ///
    /// - Parameters:
    ///   - load: ids of the apps to load; asked inside the gate.
    ///   - body: edits the change.
    /// - Returns: the body's result and the apps after reconciliation, with their revisions.
    /// - Throws: what the body throws; `Problem.conflict` when the store changed from outside again and again.
    func change<Result: Sendable>(
        load: @escaping @Sendable () async throws -> [String],
        _ body: @escaping @Sendable (inout Change) throws -> Result
    ) async throws -> (result: Result, after: [String: Snapshot]) {
        try await gate.run { [self] in
            for _ in 0..<3 {
                var change = try await loadChange(try await load())
                let before = change.states
                let result = try body(&change)
                if let after = try await commit(change, before: before) { return (result, after) }
            }
            throw Problem.conflict
        }
    }

    private func loadChange(_ ids: [String]) async throws -> Change {
        let ids = Array(Set(ids))
        let ranges = ids.flatMap { id in
            [StoreKey.app(id), StoreKey.releases(id), StoreKey.instances(id)].map { KeyRange(prefix: $0) }
        }
        let found = try await store.read(ranges + [KeyRange(prefix: StoreKey.nodes)])
        var change = Change(nodes: try nodes(found.ranges.last ?? []), now: .now)
        for entry in found.ranges.dropLast().joined() { change.modRevisions[entry.key] = entry.modRevision }
        for (index, id) in ids.enumerated() {
            change.states[id] = try AppState(
                app: found.ranges[index * 3].first { $0.key == StoreKey.app(id) },
                releases: found.ranges[index * 3 + 1],
                instances: found.ranges[index * 3 + 2])
        }
        return change
    }

    /// Reconciles and commits; nil when a comparison failed.
    private func commit(_ change: Change, before: [String: AppState]) async throws -> [String: Snapshot]? {
        var change = change
        var operations: [StoreOperation] = []
        let summaries = change.nodes.values.map { Reconciler.NodeSummary(name: $0.name, connected: $0.connected) }
        for (id, state) in change.states.sorted(by: { $0.key < $1.key }) {
            var settled = state
            let late = state.app.map { timers.hasPassed(appID: id, rollout: $0.rollout.id) } ?? false
            let events = Reconciler.settle(&settled, nodes: summaries, deadlinePassed: late, now: change.now)
            for event in events { change.add(event, appID: id) }
            change.states[id] = settled
            let empty = AppState(app: nil, releases: [:], instances: [:])
            operations += try settled.operations(from: before[id] ?? empty)
        }
        operations += change.operations
        operations += try await eventOperations(change.events)
        let touched = Set(operations.map(\.key))
        let comparisons =
            change.comparisons
            + change.modRevisions.filter { touched.contains($0.key) }
            .map { Comparison.modRevision(key: $0.key, equals: $0.value) }
        guard let revision = try await store.transaction(comparisons, operations) else {
            lastEventID.withLock { $0 = nil }
            return nil
        }
        if operations.contains(where: { $0.isDeletion && $0.key.hasPrefix(StoreKey.allReleases) }) {
            Task { await collectBundles() }
        }
        for (id, state) in change.states {
            timers.update(state.app, id: id) { [weak self] in await self?.deadlinePassed(appID: id) }
        }
        return change.states.mapValues { state in
            let key = state.app.map { StoreKey.app($0.id) } ?? ""
            return Snapshot(
                state: state, nodes: change.nodes,
                modRevision: touched.contains(key) ? revision : change.modRevisions[key] ?? revision,
                revision: revision)
        }
    }

    /// Gives events their ids and keeps their number bounded.
    private func eventOperations(_ events: [EventRecord]) async throws -> [StoreOperation] {
        guard !events.isEmpty else { return [] }
        var last = lastEventID.withLock { $0 } ?? 0
        if last == 0 {
            let newest = try await store.read([KeyRange(prefix: StoreKey.events, limit: 1, descending: true)])
            last = newest.ranges[0].first.flatMap { Int64($0.key.dropFirst(StoreKey.events.count)) } ?? 0
        }
        var operations: [StoreOperation] = []
        for var record in events {
            last += 1
            record.event.id = last
            operations.append(try .put(StoreKey.event(last), record))
            if last > EventRecord.retention {
                operations.append(.delete(key: StoreKey.event(last - EventRecord.retention)))
            }
        }
        let newest = last
        lastEventID.withLock { $0 = newest }
        return operations
    }

    private func deadlinePassed(appID: String) async {
        // A store that fails here fails the next command too, which then says so; the timer stays passed.
        _ = try? await change(load: { [appID] }) { _ in }
    }

    /// Reconciles every app: after a start, and when a node came or went.
    func reconcileAll() async throws {
        _ = try await change(load: { [store] in
            let apps = try await store.read([KeyRange(prefix: StoreKey.apps)])
            return apps.ranges[0].map { String($0.key.dropFirst(StoreKey.apps.count)) }
        }) { _ in }
    }

    /// Decodes nodes and fills in who is connected.
    func nodes(_ entries: [KeyValue]) throws -> [String: Node] {
        try Self.nodes(entries, connected: presence.connected)
    }

    /// Decodes nodes, of which these are connected.
    static func nodes(_ entries: [KeyValue], connected: Set<String>) throws -> [String: Node] {
        var result: [String: Node] = [:]
        for entry in entries {
            var node = try RecordCoding.decode(Node.self, entry)
            node.connected = connected.contains(node.name)
            result[node.name] = node
        }
        return result
    }
}

extension AppState {
    /// Decodes an app from its entries.
    init(app: KeyValue?, releases: [KeyValue], instances: [KeyValue]) throws {
        self.init(
            app: try app.map { try RecordCoding.decode(AppRecord.self, $0) }, releases: [:], instances: [:])
        for entry in releases {
            let release = try RecordCoding.decode(ReleaseRecord.self, entry)
            self.releases[release.number] = release
        }
        for entry in instances {
            let instance = try RecordCoding.decode(InstanceRecord.self, entry)
            self.instances[instance.id] = instance
        }
    }
}

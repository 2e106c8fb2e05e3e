// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

extension ControlPlaneService {
    /// The identity of an app given by name or id.
    ///
    /// - Throws: `Problem` 404.
    func resolve(_ name: String) async throws -> String {
        if let entry = try await store.get(StoreKey.name(name)) {
            return try RecordCoding.decode(String.self, entry)
        }
        guard try await store.get(StoreKey.app(name)) != nil else { throw Problem.appNotFound(name) }
        return name
    }

    /// The name of an app given by identity.
    ///
    /// - Throws: `Problem` 404.
    func name(of id: String) async throws -> AppName {
        guard let entry = try await store.get(StoreKey.app(id)) else { throw Problem.appNotFound(id) }
        return try RecordCoding.decode(AppRecord.self, entry).name
    }

    /// All apps in the order of their names.
    func apps() async throws -> [App] { try await documents().map(\.app) }

    /// All apps in the order of their names, with their JSON.
    func documents() async throws -> [AppDocument] {
        let connected = presence.connected
        if let list = documentCache.list(revision: try await store.revision(), connected: connected) { return list }
        let found = try await store.read(
            [StoreKey.apps, StoreKey.allReleases, StoreKey.instances, StoreKey.nodes].map { KeyRange(prefix: $0) })
        documentCache.forget(allBut: Set(found.ranges[0].map(Self.id(of:))))
        let list = try documents(found.ranges, connected: connected)
        documentCache.keep(list, revision: found.revision, connected: connected)
        return list
    }

    /// Some apps in the order of their names.
    ///
    /// - Parameter after: only those behind this name.
    func documents(after: String?, limit: Int) async throws -> [AppDocument] {
        let names = try await store.read(
            [KeyRange(prefix: StoreKey.names, after: after.map(StoreKey.name), limit: limit)])
        let ids = try names.ranges[0].map { try RecordCoding.decode(String.self, $0) }
        let found = try await store.read(
            ids.flatMap { id in
                [StoreKey.app(id), StoreKey.releases(id), StoreKey.instances(id)].map { KeyRange(prefix: $0) }
            } + [KeyRange(prefix: StoreKey.nodes)]
        ).ranges
        func joined(_ offset: Int) -> [KeyValue] { ids.indices.flatMap { found[$0 * 3 + offset] } }
        return try documents([joined(0), joined(1), joined(2), found.last ?? []], connected: presence.connected)
    }

    /// Apps as the API shows them, given the entries of apps, releases, instances and nodes.
    private func documents(_ entries: [[KeyValue]], connected: Set<String>) throws -> [AppDocument] {
        let nodes = try Self.nodes(entries[3], connected: connected)
        let nodeState = AppDocument.NodeState(revisions: entries[3].map(\.modRevision), connected: connected.sorted())
        let releases = Dictionary(grouping: entries[1]) { Self.owner(of: $0.key) }
        let instances = Dictionary(grouping: entries[2]) { Self.owner(of: $0.key) }
        return try entries[0].compactMap { entry in
            let id = Self.id(of: entry)
            let own = (releases: releases[id] ?? [], instances: instances[id] ?? [])
            let basis = AppDocument.Basis(
                revisions: ([entry] + own.releases + own.instances).map(\.modRevision), nodes: nodeState)
            return try documentCache.document(ofApp: id, basis: basis) {
                var state = try AppState(app: entry, releases: [], instances: own.instances)
                // A view needs one release, and an app may have a hundred.
                let current = state.app.map { $0.serving?.release ?? $0.target.release }
                if let current, let release = own.releases.first(where: { $0.key == StoreKey.release(id, current) }) {
                    state.releases[current] = try RecordCoding.decode(ReleaseRecord.self, release)
                }
                return AppStatusDerivation.view(of: state, nodes: nodes)
            }
        }.sorted { $0.app.name < $1.app.name }
    }

    private static func id(of entry: KeyValue) -> String { String(entry.key.dropFirst(StoreKey.apps.count)) }

    /// `/releases/a-1/0000000001` → `a-1`.
    private static func owner(of key: String) -> String {
        String(key.split(separator: "/").dropFirst().first ?? "")
    }

    /// One app by name or id.
    ///
    /// - Throws: `Problem` 404.
    func app(_ name: String) async throws -> TaggedApp {
        try tagged(try await snapshot(name))
    }

    /// Everything about one app, as of one revision.
    func snapshot(_ name: String) async throws -> Snapshot {
        let id = try await resolve(name)
        let found = try await store.read(
            [StoreKey.app(id), StoreKey.releases(id), StoreKey.instances(id), StoreKey.nodes].map {
                KeyRange(prefix: $0)
            })
        // It may have been destroyed since its name was resolved.
        guard let entry = found.ranges[0].first(where: { $0.key == StoreKey.app(id) }) else {
            throw Problem.appNotFound(name)
        }
        let state = try AppState(app: entry, releases: found.ranges[1], instances: found.ranges[2])
        return Snapshot(
            state: state, nodes: try nodes(found.ranges[3]), modRevision: entry.modRevision,
            revision: found.revision)
    }

    /// What the newest release fixes, its rollout failed or not.
    ///
    /// - Throws: `Problem` 404.
    func newestSpec(_ name: String) async throws -> ReleaseSpec {
        let state = try await snapshot(name).state
        guard let spec = state.app.flatMap({ state.releases[$0.latestRelease] })?.spec else {
            throw Problem.appNotFound(name)
        }
        return spec
    }

    /// Releases, newest first, and the revision at which they were read.
    func releases(_ name: String) async throws -> (releases: [Release], revision: Int64) {
        let snapshot = try await snapshot(name)
        return (snapshot.state.releases.values.sorted { $0.number > $1.number }.map(\.view), snapshot.revision)
    }

    /// Instances by slot, those on their way out included, and the revision at which they were read.
    func instances(_ name: String) async throws -> (instances: [Instance], revision: Int64) {
        let snapshot = try await snapshot(name)
        let sorted = snapshot.state.instances.values.sorted {
            ($0.slot, $0.generation, $0.id) < ($1.slot, $1.generation, $1.id)
        }
        return (sorted.map(\.view), snapshot.revision)
    }

    /// All nodes in the order of their names.
    func allNodes() async throws -> [Node] {
        let found = try await store.read([KeyRange(prefix: StoreKey.nodes)])
        return try nodes(found.ranges[0]).values.sorted { $0.name < $1.name }
    }
}

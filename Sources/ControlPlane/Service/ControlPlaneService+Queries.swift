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

    /// All apps in the order of their names.
    func apps() async throws -> [App] {
        let found = try await store.read(
            [StoreKey.apps, "/releases/", StoreKey.instances, StoreKey.nodes].map { KeyRange(prefix: $0) })
        let nodes = try nodes(found.ranges[3])
        let releases = Dictionary(grouping: found.ranges[1]) { Self.owner(of: $0.key) }
        let instances = Dictionary(grouping: found.ranges[2]) { Self.owner(of: $0.key) }
        return try found.ranges[0].compactMap { entry in
            let id = String(entry.key.dropFirst(StoreKey.apps.count))
            let state = try AppState(app: entry, releases: releases[id] ?? [], instances: instances[id] ?? [])
            return AppStatusDerivation.view(of: state, nodes: nodes)
        }.sorted { $0.name < $1.name }
    }

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
        return Snapshot(state: state, nodes: try nodes(found.ranges[3]), modRevision: entry.modRevision)
    }

    /// Releases, newest first.
    func releases(_ name: String) async throws -> [Release] {
        try await snapshot(name).state.releases.values.sorted { $0.number > $1.number }.map(\.view)
    }

    /// Instances by slot, those on their way out included.
    func instances(_ name: String) async throws -> [Instance] {
        try await snapshot(name).state.instances.values.sorted {
            ($0.slot, $0.generation) < ($1.slot, $1.generation)
        }.map(\.view)
    }

    /// All nodes in the order of their names.
    func allNodes() async throws -> [Node] {
        let found = try await store.read([KeyRange(prefix: StoreKey.nodes)])
        return try nodes(found.ranges[0]).values.sorted { $0.name < $1.name }
    }
}

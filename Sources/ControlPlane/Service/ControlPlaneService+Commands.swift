// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

extension ControlPlaneService {
    /// An app as the API shows it, with the revision that its ETag carries.
    struct TaggedApp: Sendable {
        var app: App
        var revision: Int64
    }

    /// Creates an app.
    ///
    /// - Parameters:
    ///   - body: the request's body, an `AppSpec`.
    ///   - once: a repetition of the same request answers with the app that the first one made.
    ///   - scope: what is open to who asks; `deploy` creates only its own app.
    /// - Throws: `Problem` 400, 403, 409 or 422, `ValidationError`, `StoreError`.
    func create(body: [UInt8], once: OnceOnly? = nil, scope: TokenScope = .admin) async throws -> TaggedApp {
        let patch = try AppPatch(json: body)
        guard let name = patch.spec.name else {
            throw ValidationError(field: "name", message: "is required; choose 1 to 63 of a-z, 0-9 and '-'")
        }
        if case .deploy(let own) = scope, own != name { throw Problem.scopeExceeded(scope) }
        let spec = try patch.applied(to: nil)
        try requireBundle(spec)
        let instances = patch.instances(present: nil)
        let id = RandomID.app()
        return try await carriedOutOnce(once, id: id) { [store] in
            guard try await store.get(StoreKey.name(name.rawValue)) == nil else { throw Problem.nameTaken(name) }
            return []
        } body: { change in
            let state = AppState.create(id: id, name: name, spec: spec, instances: instances, now: change.now)
            change.add(state.event(.created, now: change.now, "created"), appID: id)
            change.states[id] = state
            change.comparisons.append(.absent(key: StoreKey.name(name.rawValue)))
        }
    }

    /// Changes an app by a merge patch: a new release when the spec changes, a scale when only `instances` does.
    ///
    /// - Parameters:
    ///   - redeploy: makes a new release even when nothing changes, and starts a stopped app.
    ///   - ifMatch: the revision that the app must still have.
    /// - Throws: `Problem` 400, 404, 412 or 422, `ValidationError`, `StoreError`.
    func patch(_ name: String, body: [UInt8], redeploy: Bool, ifMatch: Int64?) async throws -> TaggedApp {
        let patch = try AppPatch(json: body)
        return try await command(name, ifMatch: ifMatch) { [self] state, change in
            guard let app = state.app else { return nil }
            if let wanted = patch.spec.name, wanted != app.name {
                throw ValidationError(field: "name", message: "may not change; deploy under the new name instead")
            }
            // The newest release is what the user edited last, even when its rollout failed.
            let base = state.releases[app.latestRelease]?.spec
            let spec = try patch.applied(to: base)
            let instances = patch.instances(present: app.target.instances)
            if spec != base || redeploy {
                try requireBundle(spec)
                state.deploy(spec, instances: instances, start: redeploy, now: change.now)
            } else {
                state.scale(to: instances, now: change.now)
            }
            return nil
        }
    }

    /// Starts a stopped or failed app.
    func start(_ name: String, ifMatch: Int64?, once: OnceOnly? = nil) async throws -> TaggedApp {
        try await command(name, ifMatch: ifMatch, once) { state, change in
            let before = state.app?.rollout.id
            state.start(now: change.now)
            return state.app?.rollout.id == before
                ? nil : state.event(.starting, now: change.now, "starting, as asked")
        }
    }

    /// Stops an app; it stays known.
    func stop(_ name: String, ifMatch: Int64?, once: OnceOnly? = nil) async throws -> TaggedApp {
        try await command(name, ifMatch: ifMatch, once) { state, change in state.stop(now: change.now) }
    }

    /// Replaces every instance by a new one.
    func restart(_ name: String, ifMatch: Int64?, once: OnceOnly? = nil) async throws -> TaggedApp {
        try await command(name, ifMatch: ifMatch, once) { state, change in
            state.restart(now: change.now)
            return state.event(.restarting, now: change.now, "restarting, as asked")
        }
    }

    /// Changes the number of instances.
    ///
    /// - Throws: `ValidationError` when it is out of range; see ``patch(_:body:redeploy:ifMatch:)``.
    func scale(_ name: String, to instances: Int, ifMatch: Int64?, once: OnceOnly? = nil) async throws -> TaggedApp {
        guard (0...Defaults.maxInstances).contains(instances) else {
            throw ValidationError(field: "instances", message: "is not between 0 and \(Defaults.maxInstances)")
        }
        return try await command(name, ifMatch: ifMatch, once) { state, change in
            state.scale(to: instances, now: change.now)
            return nil
        }
    }

    /// Rolls an earlier release out again; nil for the one that was live before.
    func rollback(
        _ name: String, to release: String?, ifMatch: Int64?, once: OnceOnly? = nil
    ) async throws -> TaggedApp {
        try await command(name, ifMatch: ifMatch, once) { state, change in
            try state.rollback(to: release, now: change.now)
            return nil
        }
    }

    /// Destroys an app. Its name is free when this returns.
    ///
    /// - Parameter wait: how long to wait until agents have confirmed that every instance is removed; nil not at all.
    /// - Throws: `Problem` 404, 412, or 504 when the wait was too short; the removal then goes on.
    func destroy(_ name: String, ifMatch: Int64?, wait: Duration?) async throws {
        let id = try await resolve(name)
        _ = try await change(load: { [id] }) { change in
            guard var state = change.states[id], state.app != nil else { throw Problem.appNotFound(name) }
            try Self.check(ifMatch, change, id)
            change.add(state.destroy(now: change.now), appID: id)
            change.states[id] = state
        }
        if let wait { try await waitUntilRemoved(id, for: wait) }
    }

    /// One command on one app, in one transaction.
    private func command(
        _ name: String, ifMatch: Int64?, _ once: OnceOnly? = nil,
        _ body: @escaping @Sendable (inout AppState, Change) throws -> Event?
    ) async throws -> TaggedApp {
        let id = try await resolve(name)
        return try await carriedOutOnce(once, id: id) {
            [id]
        } body: { change in
            guard var state = change.states[id], state.app != nil else { throw Problem.appNotFound(name) }
            try Self.check(ifMatch, change, id)
            change.add(try body(&state, change), appID: id)
            change.states[id] = state
        }
    }

    private static func check(_ ifMatch: Int64?, _ change: Change, _ id: String) throws {
        guard let ifMatch, change.modRevision(ofApp: id) != ifMatch else { return }
        throw Problem.stale
    }

    private func requireBundle(_ spec: ReleaseSpec) throws {
        guard let bundle = spec.bundle, !bundles.contains(bundle) else { return }
        throw Problem.bundleMissing(bundle)
    }

    func tagged(_ snapshot: Snapshot?) throws -> TaggedApp {
        guard let snapshot, let view = AppStatusDerivation.view(of: snapshot.state, nodes: snapshot.nodes) else {
            throw Problem.internalError
        }
        return TaggedApp(app: view, revision: snapshot.modRevision)
    }

    private func waitUntilRemoved(_ id: String, for limit: Duration) async throws {
        let prefix = StoreKey.instances(id)
        let removed = try await withThrowingTaskGroup(of: Bool.self) { [store] group in
            group.addTask {
                let present = try await store.read([KeyRange(prefix: prefix, limit: 1)])
                guard !present.ranges[0].isEmpty else { return true }
                for try await _ in store.watch([prefix], after: present.revision) {
                    if try await store.read([KeyRange(prefix: prefix, limit: 1)]).ranges[0].isEmpty { return true }
                }
                return false
            }
            group.addTask {
                try await Pause.sleep(for: limit)
                return false
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
        guard removed else { throw Problem.removalUnconfirmed(limit.shortText) }
    }

    static func hex(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}

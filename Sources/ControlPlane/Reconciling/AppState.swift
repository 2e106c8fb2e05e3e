// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Everything that is stored about one app: what the pure parts of the control plane work on.
struct AppState: Hashable, Sendable {
    /// Nil once the app was destroyed; its instances stay until their agents have removed them.
    var app: AppRecord?
    /// By number.
    var releases: [Int: ReleaseRecord]
    /// By id.
    var instances: [String: InstanceRecord]

    /// Instances whose assignments stand, lowest slot first, older generations first.
    var assigned: [InstanceRecord] {
        instances.values.filter { !$0.retired }.sorted {
            ($0.slot, $0.generation, $0.id) < ($1.slot, $1.generation, $1.id)
        }
    }

    /// Assigned instances of the generation that should serve, lowest slot first.
    var targetInstances: [InstanceRecord] {
        guard let target = app?.target else { return [] }
        return assigned.filter { $0.generation == target.number }
    }

    /// The release that serves, or should while none does.
    var currentRelease: ReleaseRecord? {
        guard let app else { return nil }
        return releases[app.serving?.release ?? app.target.release]
    }

    /// What agents are asked for, by instance id.
    var assignments: [String: Assignment] {
        guard let app else { return [:] }
        var result: [String: Assignment] = [:]
        for instance in instances.values where !instance.retired {
            guard let release = releases[instance.release] else { continue }
            result[instance.id] = Assignment(
                instanceID: instance.id, appID: app.id, app: app.name, slot: instance.name, release: release.name,
                spec: release.spec, desired: instance.desired)
        }
        return result
    }
}

extension AppState {
    /// The store's changes that lead from an earlier state of the same app to this one.
    func operations(from old: AppState) throws -> [StoreOperation] {
        var result: [StoreOperation] = []
        if let app, app != old.app {
            result.append(try .put(StoreKey.app(app.id), app))
            if old.app == nil { result.append(try .put(StoreKey.name(app.name.rawValue), app.id)) }
        } else if app == nil, let gone = old.app {
            result.append(.delete(key: StoreKey.app(gone.id)))
            result.append(.delete(key: StoreKey.name(gone.name.rawValue)))
        }
        if let appID = (app ?? old.app)?.id {
            for (number, release) in releases.sorted(by: { $0.key < $1.key }) where release != old.releases[number] {
                result.append(try .put(StoreKey.release(appID, number), release))
            }
            for number in old.releases.keys.sorted() where releases[number] == nil {
                result.append(.delete(key: StoreKey.release(appID, number)))
            }
        }
        result += try instanceOperations(from: old)
        result += try assignmentOperations(from: old)
        return result
    }

    private func instanceOperations(from old: AppState) throws -> [StoreOperation] {
        var result: [StoreOperation] = []
        for (id, instance) in instances.sorted(by: { $0.key < $1.key }) where instance != old.instances[id] {
            result.append(try .put(StoreKey.instance(instance.appID, id), instance))
            if old.instances[id] == nil { result.append(try .put(StoreKey.owner(id), instance.appID)) }
        }
        for (id, instance) in old.instances.sorted(by: { $0.key < $1.key }) where instances[id] == nil {
            result.append(.delete(key: StoreKey.instance(instance.appID, id)))
            result.append(.delete(key: StoreKey.owner(id)))
        }
        return result
    }

    private func assignmentOperations(from old: AppState) throws -> [StoreOperation] {
        let (before, after) = (old.assignments, assignments)
        var result: [StoreOperation] = []
        for (id, assignment) in after.sorted(by: { $0.key < $1.key }) where assignment != before[id] {
            guard let instance = instances[id] else { continue }
            result.append(try .put(StoreKey.assignment(instance.node, id), assignment))
        }
        for id in before.keys.sorted() where after[id] == nil {
            guard let instance = old.instances[id] else { continue }
            result.append(.delete(key: StoreKey.assignment(instance.node, id)))
        }
        return result
    }
}

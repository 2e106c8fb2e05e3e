// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

extension Reconciler {
    /// Applies actions until there are none, and returns the events that they caused, oldest first.
    static func settle(
        _ state: inout AppState, nodes: [NodeSummary], deadlinePassed: Bool = false, now: Timestamp
    ) -> [Event] {
        var events: [Event] = []
        // Each round brings the state nearer to its end; the bound only guards against a mistake in the rules.
        for _ in 0..<16 {
            let actions = actions(for: state, nodes: nodes, deadlinePassed: deadlinePassed)
            guard !actions.isEmpty else { break }
            for action in actions {
                if let event = state.apply(action, now: now) { events.append(event) }
            }
        }
        return events
    }
}

extension AppState {
    /// Carries out one action of the reconciler; returns the event that people should see, if any.
    mutating func apply(_ action: ReconcileAction, now: Timestamp) -> Event? {
        switch action {
        case .create(let slot, let node):
            guard let app else { return nil }
            self.app?.node = node
            let id = RandomID.instance()
            instances[id] = InstanceRecord(
                id: id, appID: app.id, slot: slot, generation: app.target.number, release: app.target.release,
                node: node, now: now)
        case .retire(let id): instances[id]?.retired = true
        case .forget(let id): instances[id] = nil
        case .setDesired(let id, let desired): instances[id]?.desired = desired
        case .wait(let message): app?.rollout.message = message
        case .promote:
            makeTargetLive(now: now)
            let rollout = app?.rollout.id
            app?.promotedRollout = rollout
        case .succeed: return succeed(now: now)
        case .fail(let reason): return fail(reason: reason, now: now)
        case .adopt:
            makeTargetLive(now: now)
            return event(.ready, now: now, "\(app?.rollout.release ?? "the release") is ready after all")
        }
        return nil
    }

    private mutating func succeed(now: Timestamp) -> Event? {
        app?.rollout.phase = .succeeded
        app?.rollout.message = nil
        guard let app else { return nil }
        let instances = app.target.instances == 1 ? "1 instance" : "\(app.target.instances) instances"
        let what = "\(app.rollout.release) runs with \(instances)"
        switch app.rollout.kind {
        case .deploy, .rollback: return event(.deployed, now: now, what)
        case .restart, .start: return event(.ready, now: now, "\(app.rollout.kind.rawValue) done: \(what)")
        case .scale: return event(.scaled, now: now, what)
        }
    }

    private mutating func makeTargetLive(now: Timestamp) {
        guard let target = app?.target else { return }
        let unchanged = app?.serving?.release == target.release
        for id in instances.keys { instances[id]?.carriedFrom = nil }
        app?.serving = target
        for (number, release) in releases where number != target.release {
            if release.status == .live || release.status == .deploying { releases[number]?.status = .superseded }
        }
        if releases[target.release]?.status != .live || !unchanged {
            releases[target.release]?.liveAt = now
        }
        releases[target.release]?.status = .live
        releases[target.release]?.reason = nil
    }

    private mutating func fail(reason: String, now: Timestamp) -> Event? {
        guard var app else { return nil }
        let event = event(
            app.rollout.kind == .deploy || app.rollout.kind == .rollback ? .deployFailed : .failed, now: now,
            "\(app.rollout.kind.rawValue) of \(app.rollout.release) failed: \(reason)")
        app.rollout.phase = .failed
        app.rollout.message = reason
        takeBack(to: app.serving)
        if var release = releases[app.target.release], release.status == .deploying {
            release.status = release.liveAt == nil ? .failed : .superseded
            release.reason = reason
            releases[release.number] = release
        }
        if let serving = app.serving, serving.number != app.target.number {
            let stillThere = instances.values.contains {
                !$0.retired && $0.generation == serving.number && $0.desired == .running
            }
            if stillThere || app.desired == .stopped { app.target = serving }
        }
        self.app = app
        return event
    }

    /// Instances that were carried over go back to what serves; their agents then have the earlier limits in force.
    mutating func takeBack(to serving: AppRecord.Generation?) {
        for (id, instance) in instances where instance.generation == app?.target.number {
            guard let from = instance.carriedFrom, from.generation == serving?.number else { continue }
            instances[id]?.generation = from.generation
            instances[id]?.release = from.release
            instances[id]?.carriedFrom = nil
        }
    }

    func event(_ kind: Event.Kind, now: Timestamp, instance: String? = nil, _ message: String) -> Event {
        Event(
            time: now, kind: kind, app: app?.name.rawValue, instance: instance, release: app?.rollout.release,
            message: message)
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Decides what has to happen to an app: a pure function from its state and the nodes to actions.
///
/// Level-triggered: it looks at what is, never at what happened, so a lost message or a restart of `paasd` changes
/// nothing. Applying the actions and asking again ends with no action (see ``settle(_:nodes:deadlinePassed:now:)``).
///
/// A rollout is start-first: a new generation of instances is created beside the old one, which is retired only when
/// every new instance is ready; it has succeeded when the router sends nothing more to the old ones. When one of the new
/// instances fails, ends before it was ready, or the deadline passes, the new
/// generation is retired and the old one stays; where nothing served before, the new one stays and is retried by
/// its agent.
enum Reconciler {
    /// What the reconciler knows of a node.
    struct NodeSummary: Hashable, Sendable {
        var name: String
        var connected: Bool
    }

    /// The next actions; empty when the app is as it should be, or waits for an agent.
    ///
    /// - Parameter deadlinePassed: the time of the rollout in progress is over.
    static func actions(for state: AppState, nodes: [NodeSummary], deadlinePassed: Bool) -> [ReconcileAction] {
        var actions = state.instances.values.filter { $0.status.state == .removed }.map(\.id).sorted()
            .map(ReconcileAction.forget)
        let assigned = state.assigned.filter { $0.status.state != .removed }
        guard let app = state.app else {
            return actions + assigned.map { .retire(instanceID: $0.id) }
        }
        switch app.desired {
        case .stopped:
            actions += stopping(app, assigned)
        case .running:
            let obsolete = assigned.filter { isObsolete($0, app) }
            actions += obsolete.map { .retire(instanceID: $0.id) }
            let waiting = deadlinePassed ? nil : leaving(state, app, nodes).map(waitingToLeave)
            actions += running(app, assigned.filter { !isObsolete($0, app) }, nodes, deadlinePassed, waiting)
        }
        return actions
    }

    private static func stopping(_ app: AppRecord, _ assigned: [InstanceRecord]) -> [ReconcileAction] {
        guard app.rollout.phase != .progressing || app.hasPromotedTarget else {
            return [.fail(reason: "the app was stopped before \(app.rollout.release) was ready")]
        }
        // What serves has nothing to wait for any more.
        let ending: [ReconcileAction] = app.rollout.phase == .progressing ? [.succeed] : []
        var slots: Set<Int> = []
        return ending
            + assigned.compactMap { instance in
                let isKept = instance.generation == app.target.number && instance.slot <= app.target.instances
                if !isKept || !slots.insert(instance.slot).inserted {
                    return .retire(instanceID: instance.id)
                }
                return instance.desired == .stopped ? nil : .setDesired(instanceID: instance.id, .stopped)
            }
    }

    /// Neither of the target generation nor of the one that goes on serving until the target is ready.
    private static func isObsolete(_ instance: InstanceRecord, _ app: AppRecord) -> Bool {
        if instance.generation == app.target.number { return instance.slot > app.target.instances }
        let servesMeanwhile = app.rollout.phase == .progressing && instance.generation == app.serving?.number
        return !servesMeanwhile || instance.desired == .stopped
    }

    /// The first instance that is on its way out and may still get requests, as far as is known.
    private static func leaving(_ state: AppState, _ app: AppRecord, _ nodes: [NodeSummary]) -> InstanceRecord? {
        state.instances.values.filter { instance in
            // One that starts may serve before it learns that it is to go.
            [.running, .starting, .restarting].contains(instance.status.state)
                && (instance.retired || isObsolete(instance, app))
                && nodes.contains { $0.name == instance.node && $0.connected }
        }.min { ($0.slot, $0.id) < ($1.slot, $1.id) }
    }

    private static func waitingToLeave(_ instance: InstanceRecord) -> String {
        "waiting for \(instance.name) of \(ReleaseRecord.name(instance.release)) to leave the router"
    }

    /// - Parameter leaving: what a target that serves waits for; nil for nothing.
    private static func running(
        _ app: AppRecord, _ assigned: [InstanceRecord], _ nodes: [NodeSummary], _ deadlinePassed: Bool,
        _ leaving: String?
    ) -> [ReconcileAction] {
        var actions: [ReconcileAction] = []
        var slots: [Int: InstanceRecord] = [:]
        for instance in assigned where instance.generation == app.target.number {
            if slots[instance.slot] == nil {
                slots[instance.slot] = instance
                if instance.desired == .stopped { actions.append(.setDesired(instanceID: instance.id, .running)) }
            } else {
                actions.append(.retire(instanceID: instance.id))
            }
        }
        let missing = (0..<app.target.instances).map { $0 + 1 }.filter { slots[$0] == nil }
        if let node = app.node ?? choose(nodes) {
            actions += missing.map { .create(slot: $0, node: node) }
        }
        let instances = slots.values.sorted { $0.slot < $1.slot }
        let ready = missing.isEmpty && instances.allSatisfy { $0.status.state == .running && $0.hasItsRelease }
        guard app.rollout.phase == .progressing else {
            let serves = app.serving?.number == app.target.number
            return ready && !serves && !instances.isEmpty ? actions + [.adopt] : actions
        }
        if app.hasPromotedTarget {
            guard let leaving else { return actions + [.succeed] }
            return leaving == app.rollout.message ? actions : actions + [.wait(message: leaving)]
        }
        if let reason = instances.lazy.compactMap(failure).first { return actions + [.fail(reason: reason)] }
        if ready { return actions + [.promote] }
        let waiting = waitingFor(instances, missing: missing, nodes)
        if deadlinePassed {
            let limit = Defaults.deployTimeout.shortText
            return actions + [.fail(reason: "not ready within \(limit): \(waiting)")]
        }
        return waiting == app.rollout.message ? actions : actions + [.wait(message: waiting)]
    }

    /// The node of a new app: a connected one, if there is any. All instances go there, since they share `/data`.
    private static func choose(_ nodes: [NodeSummary]) -> String? {
        nodes.min { ($0.connected ? 0 : 1, $0.name) < ($1.connected ? 0 : 1, $1.name) }?.name
    }

    /// Why a rollout cannot succeed with this instance; nil while it still may.
    private static func failure(_ instance: InstanceRecord) -> String? {
        let status = instance.status
        if !instance.hasItsRelease, let refusal = status.refusal,
            refusal.release == ReleaseRecord.name(instance.release)
        {
            return "\(instance.name): \(refusal.reason)"
        }
        let exited = status.lastExit.map { !$0.requested } ?? false
        guard status.state == .failed || (!instance.wasReady && exited) else { return nil }
        let exit = status.lastExit.map { $0.startFailure ?? $0.reason }
        // After an exit the exit's own reason says why; the state's may only say when the next start is.
        let reason = status.state == .failed ? status.reason ?? exit : exit ?? status.reason
        return "\(instance.name): \(reason.flatMap { $0.isEmpty ? nil : $0 } ?? "it ended before it was ready")"
    }

    private static func waitingFor(
        _ instances: [InstanceRecord], missing: [Int], _ nodes: [NodeSummary]
    ) -> String {
        if let instance = instances.first(where: { $0.status.state == .running && !$0.hasItsRelease }) {
            return "waiting for the limits of \(instance.name) to be changed"
        }
        guard let instance = instances.first(where: { $0.status.state != .running }) else {
            return nodes.isEmpty
                ? "waiting for a node: no agent has registered; start one with 'agent'"
                : "creating web.\(missing.first ?? 1)"
        }
        let connected = nodes.contains { $0.name == instance.node && $0.connected }
        guard connected else { return "waiting for node '\(instance.node)': its agent is not connected" }
        if let reason = instance.status.reason, !reason.isEmpty { return reason }
        switch instance.status.state {
        case .pending: return "waiting for node '\(instance.node)' to start \(instance.name)"
        case .starting: return "waiting for \(instance.name) to be ready"
        case .restarting: return "waiting for \(instance.name), which is being restarted"
        case .stopping, .stopped, .running, .failed, .removed:
            return "waiting for \(instance.name), which is \(instance.status.state.rawValue)"
        }
    }
}

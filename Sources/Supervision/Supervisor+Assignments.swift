// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import LinuxSystem
internal import Logging
public import PaaSModel

extension Supervisor {
    /// Makes this node what a message of the assignment stream says.
    public func apply(_ message: AssignmentMessage) {
        guard !hasLeft else { return }
        switch message {
        case .snapshot(_, let appIDs, let assignments):
            for assignment in assignments { apply(assignment) }
            let wanted = Set(assignments.map(\.instanceID))
            for instance in instances.values where !wanted.contains(instance.id) { remove(instance) }
            let existing = Set(appIDs)
            for appID in knownAppIDs where !existing.contains(appID) { purge(appID: appID) }
        case .put(_, let assignment):
            apply(assignment)
        case .delete(_, let instanceID):
            guard let instance = instances[instanceID] else { return confirmRemoval(of: instanceID) }
            remove(instance)
        case .appDeleted(_, let appID):
            purge(appID: appID)
        }
    }

    /// The status of every instance, in the order of app and slot.
    public func statuses() -> [InstanceStatus] {
        instances.values
            .sorted { ($0.app.rawValue, $0.assignment.slot, $0.id) < ($1.app.rawValue, $1.assignment.slot, $1.id) }
            .map(\.status)
    }

    private func apply(_ assignment: Assignment) {
        let instance: ManagedInstance
        if let known = instances[assignment.instanceID] {
            instance = known
            instance.assignment.desired = assignment.desired
            takeLimits(of: assignment, for: instance)
        } else {
            instance = ManagedInstance(
                assignment: assignment, machine: InstanceMachine(policy: assignment.spec.restart), since: .now,
                recordFile: directory.recordFile(of: assignment.instanceID))
            instances[assignment.instanceID] = instance
            publishRoute(ofApp: assignment.app)
        }
        feed(.want(assignment.desired == .running ? .running : .stopped), to: instance)
    }

    /// There is nothing of this instance here; the control plane may still wait to hear so.
    private func confirmRemoval(of instanceID: String) {
        handIn(
            dependencies.outbox.makeReport(
                status: InstanceStatus(instanceID: instanceID, state: .removed, since: .now), events: []))
    }

    private func remove(_ instance: ManagedInstance) {
        feed(.want(.removed), to: instance)
    }

    /// Apps that have anything on this node.
    private var knownAppIDs: Set<String> {
        Set(instances.values.map(\.assignment.appID)).union(users.appIDs)
    }

    /// Removes what an app leaves behind, once the last of its instances is gone.
    private func purge(appID: String) {
        purgeRequested.insert(appID)
        killSessions(ofApp: appID)
        for instance in instances.values where instance.assignment.appID == appID { remove(instance) }
        finishPurge(ofApp: appID)
    }

    /// Does the purge of an app that has no instance left; called again whenever one is forgotten.
    func finishPurge(ofApp appID: String) {
        guard !hasLeft, purgeRequested.contains(appID) else { return }
        guard !instances.values.contains(where: { $0.assignment.appID == appID }),
            !sessions.values.contains(where: { $0.appID == appID }), diskTurns[appID] == nil
        else { return }
        purgeRequested.remove(appID)
        ledger.forget(appID: appID)
        do {
            try directory.removeApp(appID)
            logWriters[appID] = nil
            if let timer = logExpiries.removeValue(forKey: appID) { loop.cancel(timer) }
            try dependencies.logs.remove(appID)
            dependencies.routes.removeRecords(ofApp: appID)
            try users.release(appID: appID)
        } catch {
            dependencies.logger.error(
                "cannot remove the data of a destroyed app", metadata: ["app": "\(appID)", "error": "\(error)"])
        }
    }
}

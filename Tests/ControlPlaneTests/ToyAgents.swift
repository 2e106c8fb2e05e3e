// SPDX-License-Identifier: Apache-2.0

import PaaSModel

@testable import ControlPlane

/// Agents without processes: they bring instances a step nearer to what their assignments say.
struct ToyAgents {
    /// Releases whose instances never get ready.
    var broken: Set<Int> = []
    /// Releases that do not start at all.
    var unstartable: Set<Int> = []
    /// Releases whose limits cannot be put in force on an instance that runs.
    var refused: Set<Int> = []

    /// Advances one instance by one step.
    func step(_ instance: inout InstanceRecord, now: Timestamp) {
        let wantsRun = !instance.retired && instance.desired == .running
        switch (instance.status.state, wantsRun) {
        case (.pending, true), (.stopped, true), (.restarting, true):
            if unstartable.contains(instance.release) {
                instance.status.state = .failed
                instance.status.reason = "program not found"
            } else {
                instance.status.state = .starting
            }
        case (.starting, true):
            if broken.contains(instance.release) {
                instance.status.state = .restarting
                instance.status.restarts += 1
                instance.status.lastExit = ExitReport(code: 1, at: now, reason: "exited with code 1")
            } else {
                instance.status.state = .running
                instance.status.release = ReleaseRecord.name(instance.release)
                instance.wasReady = true
            }
        case (.running, true): takeLimits(&instance)
        case (.failed, true), (.removed, _), (.stopping, true): break
        case (.running, false), (.starting, false): instance.status.state = .stopping
        case (.stopping, false), (.pending, false), (.restarting, false), (.failed, false), (.stopped, false):
            instance.status.state = instance.retired ? .removed : .stopped
        }
        // An agent that is told to run something while it stops it starts it again afterwards.
        if instance.status.state == .stopping, wantsRun { instance.status.state = .stopped }
    }

    private func takeLimits(_ instance: inout InstanceRecord) {
        let name = ReleaseRecord.name(instance.release)
        if refused.contains(instance.release) {
            instance.status.refusal = LimitsRefusal(release: name, reason: "no controller 'memory'")
        } else {
            instance.status.release = name
            instance.status.refusal = nil
        }
    }

    /// Lets reconciler and agents take turns until nothing changes; the number of rounds, or nil without an end.
    func converge(_ state: inout AppState, deadlinePassed: Bool = false, rounds: Int = 200) -> Int? {
        let nodes = [Reconciler.NodeSummary(name: "n1", connected: true)]
        for round in 0..<rounds {
            let before = state
            _ = Reconciler.settle(&state, nodes: nodes, deadlinePassed: deadlinePassed, now: .epoch)
            for id in state.instances.keys.sorted() {
                if var instance = state.instances[id] {
                    step(&instance, now: .epoch)
                    // Crash loops have no end of their own.
                    if broken.contains(instance.release) {
                        instance.status.restarts = min(instance.status.restarts, 5)
                        if instance.status.restarts == 5, instance.status.state == .starting {
                            instance.status.state = .restarting
                        }
                    }
                    state.instances[id] = instance
                }
            }
            if state == before { return round }
        }
        return nil
    }
}

extension Timestamp {
    static let epoch = Timestamp(microseconds: 0)
}

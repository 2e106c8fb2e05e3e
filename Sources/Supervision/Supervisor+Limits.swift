// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import Cgroups
internal import Logging
internal import PaaSModel

extension Supervisor {
    /// Takes a release that differs from the present one in limits only: the process that runs gets them, without a
    /// restart, and the next start has them anyway.
    ///
    /// The instance keeps its release, and says why, when this node cannot enforce one of the new limits.
    func takeLimits(of assignment: Assignment, for instance: ManagedInstance) {
        guard instance.assignment.release != assignment.release else {
            // The control plane has taken a change back that was refused.
            instance.refusal = nil
            return
        }
        guard instance.assignment.spec.differsOnlyInLiveLimits(from: assignment.spec) else {
            return takeSameSpec(assignment, for: instance)
        }
        let before = instance.assignment
        let changes = assignment.spec.limits.changes(from: before.spec.limits)
        do {
            if let run = instance.run, !run.isEnding {
                try dependencies.cgroups.change(
                    run.cgroup, app: run.assignment.app.rawValue, from: CgroupLimits(run.assignment.spec.limits),
                    to: CgroupLimits(assignment.spec.limits))
            }
        } catch {
            instance.refusal = LimitsRefusal(release: assignment.release, reason: "\(error)")
            dependencies.logger.warning(
                "cannot change limits", metadata: ["app": "\(instance.app)", "error": "\(error)"])
            return report(instance, [event(.warning, instance, "limits stay as they were: \(error)")])
        }
        adopt(assignment, for: instance)
        systemLine("limits changed without a restart: \(changes)", of: instance)
        report(instance, [event(.limitsChanged, instance, "limits changed without a restart: \(changes)")])
    }

    /// The control plane went back to a release that asks for what is in force already.
    private func takeSameSpec(_ assignment: Assignment, for instance: ManagedInstance) {
        guard instance.assignment.spec == assignment.spec else { return }
        adopt(assignment, for: instance)
        report(instance)
    }

    private func adopt(_ assignment: Assignment, for instance: ManagedInstance) {
        instance.assignment.release = assignment.release
        instance.assignment.spec = assignment.spec
        instance.refusal = nil
        if let run = instance.run {
            run.assignment = instance.assignment
            if let writer = logWriter(of: assignment) {
                run.capture.relabel(run.source, into: writer, at: .now)
            }
        }
        save(instance)
        remakeStandby(of: instance)
    }
}

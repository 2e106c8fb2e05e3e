// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
internal import PaaSModel

/// What the supervisor knows of one instance.
///
/// `@unchecked Sendable`: handlers and timers capture it, and every one of them runs inside the supervisor's
/// `assumeIsolated`; nothing else ever gets hold of it.
final class ManagedInstance: @unchecked Sendable {
    var assignment: Assignment
    var machine: InstanceMachine
    var run: Run?
    /// The next run.
    var standby: Standby?
    /// When it was last started again after an end that nobody had asked for.
    var lastRestart: MonotonicInstant?
    var lastExit: ExitReport?
    /// When the machine entered its state.
    var since: Timestamp
    /// A run of this instance has been ready once.
    var everReady = false
    /// What it waits for, or why it failed.
    var reason: String?
    /// The last change of limits that could not be made while it runs.
    var refusal: LimitsRefusal?
    /// Where ``record`` is written.
    var recordFile: RecordFile
    /// See ``InstanceRecord/lastReport``.
    var lastReport: AgentReport?
    /// See ``InstanceRecord/interrupted``.
    var interrupted: InstanceState?
    /// What its sandbox has denied.
    var denials = DenialTally()
    /// How long the next pause is.
    var nextPause = Duration.zero
    /// The pause before the next start.
    var pauseTimer: EventLoop.Timer?
    /// The event that is being dealt with, and those that came up meanwhile; see ``Supervisor/feed(_:to:note:)``.
    var waitingEvents: [(InstanceMachine.Event, note: String?)] = []
    /// Its run ended while no agent lived; so may have those of all the others.
    var endedUnseen = false
    /// Grows with every start; a start that waited for a bundle looks whether it is still wanted.
    var startNumber = 0

    init(assignment: Assignment, machine: InstanceMachine, since: Timestamp, recordFile: RecordFile) {
        self.assignment = assignment
        self.recordFile = recordFile
        self.machine = machine
        self.since = since
    }

    var id: String { assignment.instanceID }
    var app: AppName { assignment.app }

    /// The next run has begun, although the end of the one before is not dealt with yet.
    var nextHasBegun: Bool { standby?.hasBegun ?? false }

    /// The part that is written down.
    var record: InstanceRecord {
        InstanceRecord(
            assignment: assignment, goal: machine.goal, state: machine.state, restarts: machine.restarts,
            failures: machine.failures, everReady: everReady, lastExit: lastExit, run: run?.record,
            standby: standby?.run.record, lastReport: lastReport, interrupted: interrupted,
            denials: denials.isEmpty ? nil : denials)
    }

    /// The part that the control plane is told.
    var status: InstanceStatus {
        var status = InstanceStatus(instanceID: id, state: machine.state, since: since)
        status.port = run.map { Int($0.record.port) }
        status.pid = run?.record.appPID
        status.restarts = machine.restarts
        status.startedAt = run?.record.startedAt
        status.crashLooping = machine.isCrashLooping
        status.reason = reason
        status.lastExit = lastExit
        status.release = assignment.release
        status.refusal = refusal
        return status
    }
}

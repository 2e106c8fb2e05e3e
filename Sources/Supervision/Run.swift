// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import Cgroups
internal import LinuxSystem
internal import PaaSModel

/// One start of an instance, alive or just ended, with everything the supervisor holds of it. Spawned and adopted
/// runs are the same.
///
/// `@unchecked Sendable`: handlers and timers capture it, and every one of them runs inside the supervisor's
/// `assumeIsolated`; nothing else ever gets hold of it.
final class Run: @unchecked Sendable {
    /// What is written down of it.
    var record: RunRecord
    let assignment: Assignment
    /// `paas-init`; nil for a run that ended while no agent lived.
    let process: Shared<ProcessHandle>?
    let cgroup: RunCgroup
    /// The read sides of the FIFOs.
    let stdout: Shared<OwnedDescriptor>
    let stderr: Shared<OwnedDescriptor>
    /// Whose lines the log gets.
    let source: LogSource
    /// Carries a start failure of `paas-init`; nil once it told, or for an adopted run.
    var startFailureReader: Shared<OwnedDescriptor>?

    var startFailure: String?
    var startFailureIsPermanent = false
    var stopSignal: StopSignal?
    var graceExpired = false
    var unhealthyReason: String?
    /// `cgroup.events`, held open while the cgroup is not empty.
    var cgroupEvents: Shared<OwnedDescriptor>?
    /// The cgroup was told to die after the end of `paas-init`, and is not empty yet.
    var isEnding = false

    var registrations: [EventLoop.Registration] = []
    var startFailureRegistration: EventLoop.Registration?
    var timers: [TimerPurpose: EventLoop.Timer] = [:]

    enum TimerPurpose: Hashable { case grace, probe, startTimeout, flushPartials }

    /// Pause before the next readiness probe; doubles from 20 ms up to the contract's second.
    var probePause = Duration.milliseconds(20)
    var failedProbes = 0

    init(
        record: RunRecord, assignment: Assignment, process: Shared<ProcessHandle>?, cgroup: RunCgroup,
        stdout: Shared<OwnedDescriptor>, stderr: Shared<OwnedDescriptor>,
        startFailureReader: Shared<OwnedDescriptor>? = nil
    ) {
        self.record = record
        self.assignment = assignment
        self.process = process
        self.cgroup = cgroup
        self.stdout = stdout
        self.stderr = stderr
        self.startFailureReader = startFailureReader
        self.source = LogSource(
            instanceID: assignment.instanceID, instance: assignment.slot, release: assignment.release)
    }

    var id: String { record.runID }

    /// Time since the start, on the monotonic clock.
    var uptime: Duration {
        MonotonicInstant(nanoseconds: record.startedMonotonic).duration(to: .now)
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import Cgroups
internal import LinuxSystem
internal import PaaSModel
internal import Sandbox

/// One start of an instance, alive or just ended, with everything the supervisor holds of it. Spawned and adopted
/// runs are the same.
///
/// `@unchecked Sendable`: handlers and timers capture it, and every one of them runs inside the supervisor's
/// `assumeIsolated`; nothing else ever gets hold of it.
final class Run: @unchecked Sendable {
    /// What is written down of it.
    var record: RunRecord
    /// What the instance is; its release changes with limits that are changed while it runs.
    var assignment: Assignment
    /// `paas-init`; nil for a run that ended while no agent lived.
    let process: Shared<ProcessHandle>?
    let cgroup: RunCgroup
    /// The read sides of the FIFOs.
    let stdout: Shared<OwnedDescriptor>
    let stderr: Shared<OwnedDescriptor>
    /// The read side of the FIFO by which `paas-init` tells the end of the app, and then waits to be killed.
    let ended: Shared<OwnedDescriptor>
    /// The read side of the FIFO that tells what its sandbox denies; nil where nothing is told: without a filter, or for a
    /// run of an agent that knew nothing of it.
    let denials: Shared<OwnedDescriptor>?
    /// Brings the output into the log.
    let capture: RunCapture
    /// An earlier agent started it.
    let isAdopted: Bool
    /// Carries a start failure of `paas-init`; nil once it told, or for an adopted run.
    var startFailureReader: Shared<OwnedDescriptor>?

    var startFailure: String?
    var startFailureIsPermanent = false
    var stopSignal: StopSignal?
    var graceExpired = false
    var unhealthyReason: String?
    /// `memory.events`, held open until the limit was met.
    var memoryEvents: Shared<OwnedDescriptor>?
    var memoryRegistration: EventLoop.Registration?
    /// What it was doing when it hung.
    var hang: HangReport?
    /// The tool that carries its traffic, where this agent has started it.
    var egressTool: Shared<ProcessHandle>?
    /// Why it could not be started; `paas-init` then gives up.
    var egressFailure: String?
    /// `cgroup.events`, held open while the cgroup is not empty.
    var cgroupEvents: Shared<OwnedDescriptor>?
    /// How `paas-init` itself ended; nil while it lives, or when it ended without an agent.
    var initStatus: ProcessHandle.ExitStatus?
    /// How the app ended, once that was read.
    var exitRecord: ExitRecord?
    /// Steps at the end of the run that had to be tried again.
    var failedSteps = 0
    var failureIsTold = false
    /// The cgroup was told to die after the end of `paas-init`, and is not empty yet.
    var isEnding = false

    /// Its output cannot be read now; told once.
    var captureFails = false

    var registrations: [EventLoop.Registration] = []
    /// Of the FIFOs; none while their reading pauses.
    var outputRegistrations: [LogLine.Stream: EventLoop.Registration] = [:]
    /// Somebody was told that its lines are dropped.
    var hasToldDrops = false
    var startFailureRegistration: EventLoop.Registration?
    var endedRegistration: EventLoop.Registration?
    var denialRegistration: EventLoop.Registration?
    var timers: [TimerPurpose: EventLoop.Timer] = [:]

    enum TimerPurpose: Hashable {
        case grace, kill, probe, startTimeout, flushPartials, tellDropped, outputPause, freeze, retry, denials
    }

    /// Pause before the next readiness probe; grows by a quarter, so that an app which took long is found late by a quarter
    /// of that at most, up to the contract's second.
    var probePause = Duration.milliseconds(4)
    var failedProbes = 0

    init(
        record: RunRecord, assignment: Assignment, process: Shared<ProcessHandle>?, cgroup: RunCgroup,
        stdout: Shared<OwnedDescriptor>, stderr: Shared<OwnedDescriptor>, ended: Shared<OwnedDescriptor>,
        denials: Shared<OwnedDescriptor>?, capture: RunCapture, startFailureReader: Shared<OwnedDescriptor>? = nil,
        isAdopted: Bool = false
    ) {
        self.record = record
        self.assignment = assignment
        self.process = process
        self.cgroup = cgroup
        self.stdout = stdout
        self.stderr = stderr
        self.ended = ended
        self.denials = denials
        self.startFailureReader = startFailureReader
        self.capture = capture
        self.isAdopted = isAdopted
    }

    var id: String { record.runID }

    /// Whose lines the log gets.
    var source: LogSource {
        LogSource(instanceID: assignment.instanceID, instance: assignment.slot, release: assignment.release)
    }

    /// It has a network namespace of its own, which only its connector leads into.
    var hasOwnNetwork: Bool { (record.network ?? .host) != .host }

    /// Time since the start, on the monotonic clock.
    var uptime: Duration {
        MonotonicInstant(nanoseconds: record.startedMonotonic).duration(to: .now)
    }
}

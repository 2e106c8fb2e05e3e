// SPDX-License-Identifier: Apache-2.0

public import LinuxSystem
public import PaaSModel

/// What the agent writes down of one run, so that its successor can adopt it.
public struct RunRecord: Codable, Hashable, Sendable {
    /// Name of the run and of its cgroup, unique for all time.
    public var runID: String
    /// Path of the run's cgroup.
    public var cgroup: String
    /// Inode of that directory: a cgroup of the same name made later has another one.
    public var cgroupInode: UInt64
    /// `paas-init`; nil until it was started.
    public var process: ProcessIdentity?
    /// The app itself, as the host sees it; nil until `paas-init` has started it.
    public var appPID: Int32?
    /// The app's PORT.
    public var port: UInt16
    /// The network it has; nil in a record of an agent that knew only the host's.
    public var network: NetworkMode?
    /// Start on the wall clock.
    public var startedAt: Timestamp
    /// Start on CLOCK_MONOTONIC of this boot.
    public var startedMonotonic: Int64
    /// It has been ready.
    public var ready: Bool
    /// It was asked to stop.
    public var stopRequested: Bool
    /// The time between stop signal and kill is over.
    public var graceExpired: Bool?
    /// The boot in which it was started; see `ProcessIdentity`.
    public var bootID: String?
    /// When it first met its memory limit, as far as an agent has seen it.
    public var memoryLimitReachedAt: Timestamp?

    /// Whatever it left outside of files may still be there.
    var isOfThisBoot: Bool { bootID != nil && bootID == ProcFS.bootID }
}

/// What the agent writes down of one instance.
public struct InstanceRecord: Codable, Hashable, Sendable {
    /// The last assignment.
    public var assignment: Assignment
    /// See ``InstanceMachine``.
    public var goal: InstanceMachine.Goal?
    /// See ``InstanceMachine``.
    public var state: InstanceState
    /// See ``InstanceMachine``.
    public var restarts: Int
    /// See ``InstanceMachine``.
    public var failures: Int
    /// A run of this instance has been ready once.
    public var everReady: Bool
    /// How the last run ended.
    public var lastExit: ExitReport?
    /// The run that lives, or lived when this was written.
    public var run: RunRecord?
    /// The run that waits for the end of this one; see `Standby`. It may be gone, or may have begun.
    public var standby: RunRecord?
    /// The report of the last change, written down with it and only then handed to the outbox: an agent that dies in
    /// between is followed by one that hands it in.
    public var lastReport: AgentReport?
    /// Its state when `agent stop-apps` stopped it, although it should run: what the next agent begins with, whether or
    /// not the control plane is there.
    public var interrupted: InstanceState?
    /// What its sandbox has denied; nil for nothing.
    var denials: DenialTally?

    /// As `agent stop-apps` sees it: nothing is wanted, and what was is remembered.
    func interrupting() -> InstanceRecord {
        guard goal == .running else { return self }
        var record = self
        record.goal = .stopped
        record.interrupted = state
        return record
    }

    /// As the next agent sees it: wanted again, and in the state that it had, unless its run is still on its way out.
    func resuming() -> InstanceRecord {
        guard let interrupted else { return self }
        var record = self
        record.goal = .running
        record.interrupted = nil
        if run == nil { record.state = interrupted }
        return record
    }
}

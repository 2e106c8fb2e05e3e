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
    /// Start on the wall clock.
    public var startedAt: Timestamp
    /// Start on CLOCK_MONOTONIC of this boot.
    public var startedMonotonic: Int64
    /// It has been ready.
    public var ready: Bool
    /// It was asked to stop.
    public var stopRequested: Bool
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
}

// SPDX-License-Identifier: Apache-2.0

/// The defaults of contract.md, in one place.
public enum Defaults {
    /// Time between the stop signal and the kill of the whole cgroup.
    public static let stopGrace = Duration.seconds(30)
    /// Time a deploy waits for readiness.
    public static let deployTimeout = Duration.seconds(60)
    /// Time an instance keeps its open requests after it left the route table.
    public static let drain = Duration.seconds(30)
    /// First wait before a restart; doubles up to ``backoffCap``.
    public static let backoffBase = Duration.seconds(1)
    /// Longest wait before a restart, before jitter.
    public static let backoffCap = Duration.seconds(60)
    /// A run that lasted this long was healthy: the back-off starts over and the next restart is at once.
    public static let healthyAfter = Duration.seconds(60)
    /// Time between two probes while a deploy waits.
    public static let startProbeInterval = Duration.seconds(1)
    /// Time between two probes of a running app that has a health path.
    public static let probeInterval = Duration.seconds(10)
    /// How long one probe may take.
    public static let probeTimeout = Duration.seconds(5)
    /// Probes that must fail in a row before an instance counts as unhealthy.
    public static let probeFailures = 3
    /// Consecutive failed runs after which an app is shown as crash-looping.
    public static let crashLoopThreshold = 3
    /// Runs of a node that are made before they are needed.
    public static let standbys = 64
    /// Time the router waits for the first byte of an answer.
    public static let firstByteTimeout = Duration.seconds(30)
    /// Size of one log segment in bytes; an app keeps ``logSegments`` of them.
    public static let logSegmentBytes = 10 << 20
    /// Number of log segments kept per app.
    public static let logSegments = 10
    /// Bytes of an app's access log.
    public static let accessLogBytes: Int64 = 16 << 20
    /// Bytes a second that an app may print whose lines are dropped beyond.
    public static let logDropRate: Int64 = 4 << 20
    /// Address of the control plane's API.
    public static let apiListen = "127.0.0.1:7070"
    /// Address of the router.
    public static let routerListen = "127.0.0.1:8080"
    /// Ports that the agent hands to apps.
    public static let portRange: ClosedRange<UInt16> = 20_000...29_999
    /// Log lines kept in an exit report.
    public static let exitReportLines = 20
    /// Instances that one app may have.
    public static let maxInstances = 100
    /// Longest bundle upload in bytes.
    public static let maxBundleBytes: Int64 = 2 << 30
}

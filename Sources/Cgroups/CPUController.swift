// SPDX-License-Identifier: Apache-2.0

/// The `cpu` controller, and `cpu.stat`, whose basic fields every cgroup has even without it.
enum CPUController {
    static let name = "cpu"
    private static let periodMicroseconds = 100_000

    /// The kernel takes no quota under 1 ms.
    static func maximum(cores: Double) -> String {
        let quota = max(1_000, Int((cores * Double(periodMicroseconds)).rounded()))
        return "\(quota) \(periodMicroseconds)"
    }

    static func apply(_ limits: CgroupLimits, to cgroup: CgroupDirectory, replacing: Bool) throws {
        // A burst above the quota is EINVAL, in whichever order the two change; so the old one goes first.
        if replacing, cgroup.has("cpu.max.burst") { try cgroup.write("cpu.max.burst", "0") }
        try cgroup.set("cpu.max", limits.cpuCores.map(maximum), else: replacing ? "max" : nil)
        if let cores = limits.cpuBurstCores { try cgroup.write("cpu.max.burst", burst(cores: cores)) }
    }

    /// Microseconds that may be saved up; no more than one period's quota.
    static func burst(cores: Double) -> String { "\(max(1, Int((cores * Double(periodMicroseconds)).rounded())))" }

    static func statistics(in files: some ControllerFiles) throws -> CPUStatistics {
        let file = try files.require(file: "cpu.stat")
        let values = try file.flatKeyed()
        func number(_ key: Substring) throws -> Int64 { try file.value(of: key, in: values) }
        // The controller adds its three fields together.
        let hasThrottling = ["nr_periods", "nr_throttled", "throttled_usec"].contains { values[$0] != nil }
        return CPUStatistics(
            usage: .microseconds(try number("usage_usec")), user: .microseconds(try number("user_usec")),
            system: .microseconds(try number("system_usec")),
            throttling: !hasThrottling
                ? nil
                : CPUThrottling(
                    periods: try number("nr_periods"), throttledPeriods: try number("nr_throttled"),
                    throttled: .microseconds(try number("throttled_usec"))))
    }
}

/// CPU time of all processes of a run, those that have ended included.
public struct CPUStatistics: Hashable, Sendable {
    /// In all.
    public let usage: Duration
    /// In user mode.
    public let user: Duration
    /// In the kernel.
    public let system: Duration
    /// What a CPU limit did to it; nil without the `cpu` controller.
    public let throttling: CPUThrottling?
}

/// What `cpu.max` did to a run (kernel: cgroup-v2, "cpu.stat"). All zero without a limit.
public struct CPUThrottling: Hashable, Sendable {
    /// Periods of the limit (100 ms each) in which the run wanted CPU time.
    public let periods: Int64
    /// Those of them in which it used its quota up and had to wait.
    public let throttledPeriods: Int64
    /// How long it waited, summed over CPUs.
    public let throttled: Duration
}

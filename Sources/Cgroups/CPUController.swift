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

    static func apply(cores: Double, to cgroup: CgroupDirectory) throws {
        try cgroup.write("cpu.max", maximum(cores: cores))
    }

    static func statistics(of cgroup: CgroupDirectory) throws -> CPUStatistics {
        let name = "cpu.stat"
        guard let file = FlatKeyedFile(try cgroup.require(name)) else {
            throw cgroup.malformed(name, "is not a list of names and numbers")
        }
        func microseconds(_ key: Substring) throws -> Duration {
            guard let value = file[key] else { throw cgroup.malformed(name, "has no '\(key)'") }
            return .microseconds(value)
        }
        return CPUStatistics(
            usage: try microseconds("usage_usec"), user: try microseconds("user_usec"),
            system: try microseconds("system_usec"), throttled: file["throttled_usec"].map { .microseconds($0) })
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
    /// Time that a CPU limit kept it waiting; nil without the `cpu` controller.
    public let throttled: Duration?
}

// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// How the CPUs of the whole machine have spent their time since boot (proc_stat(5)).
public struct CPUTimes: Hashable, Sendable {
    /// CPUs that are online.
    public let cores: Int
    /// Time with work, summed over CPUs; waiting for a disk is no work.
    public let busy: Duration

    /// Now; nil when `/proc/stat` cannot be read or is not as documented.
    public static func current() -> CPUTimes? {
        ProcFS.text(of: "/proc/stat").flatMap { CPUTimes($0, ticksPerSecond: Int64(sysconf(Int32(_SC_CLK_TCK)))) }
    }

    /// `cpu  user nice system idle iowait irq softirq steal guest guest_nice`, and a line for each CPU.
    init?(_ text: String, ticksPerSecond: Int64) {
        let lines = text.split(separator: "\n").prefix { $0.hasPrefix("cpu") }
        guard let sum = lines.first, sum.hasPrefix("cpu "), lines.count > 1 else { return nil }
        let ticks = sum.split(separator: " ").dropFirst().map { Int64($0) }
        // The times of guests are part of user and nice.
        guard ticks.count >= 8, let values = Array(ticks.prefix(8)) as? [Int64], ticksPerSecond > 0 else { return nil }
        cores = lines.count - 1
        let busyTicks = values.reduce(0, +) - values[3] - values[4]
        busy = .milliseconds(busyTicks * 1_000 / ticksPerSecond)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Memory of the whole machine (proc_meminfo(5)), in bytes.
public struct MemoryInfo: Hashable, Sendable {
    /// All of it that the kernel manages.
    public let totalBytes: Int64
    /// An estimate of what new programs can have without swapping.
    public let availableBytes: Int64
    /// All swap space.
    public let swapTotalBytes: Int64
    /// Swap space that is not used.
    public let swapFreeBytes: Int64

    /// Now; nil when `/proc/meminfo` cannot be read or lacks a line.
    public static func current() -> MemoryInfo? { ProcFS.text(of: "/proc/meminfo").flatMap(MemoryInfo.init) }

    /// `MemTotal:        2048 kB`, a line for each. Nil when one of the four is missing.
    init?(_ text: String) {
        var values: [Substring: Int64] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count == 3, fields[2] == "kB", let value = Int64(fields[1]) else { continue }
            values[fields[0]] = value * 1024
        }
        guard let total = values["MemTotal:"], let available = values["MemAvailable:"],
            let swapTotal = values["SwapTotal:"], let swapFree = values["SwapFree:"]
        else { return nil }
        (totalBytes, availableBytes, swapTotalBytes, swapFreeBytes) = (total, available, swapTotal, swapFree)
    }
}

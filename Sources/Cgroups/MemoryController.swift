// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem

/// The `memory` controller.
enum MemoryController {
    static let name = "memory"

    /// Sets both limits, the soft one first: where they are lowered it reclaims without killing.
    static func apply(_ limits: CgroupLimits, to cgroup: CgroupDirectory, replacing: Bool) throws {
        let unlimited = replacing ? "max" : nil
        try cgroup.set("memory.high", limits.memoryHighBytes.map(String.init), else: unlimited)
        try cgroup.set("memory.max", limits.memoryBytes.map(String.init), else: unlimited)
        guard limits.memoryBytes != nil || limits.memoryHighBytes != nil else {
            return try cgroup.set("memory.swap.max", nil, else: unlimited)
        }
        if cgroup.has("memory.swap.max") {
            // The default is "max": the app would grow into swap instead of meeting its limit.
            try cgroup.write("memory.swap.max", "0")
        } else if hasSwap(ProcFS.text(of: "/proc/swaps") ?? "") {
            throw CgroupError(
                .controllerMissing,
                "a memory limit would not hold: this machine swaps, and its kernel does not count swap per cgroup; boot "
                    + "with swapaccount=1, switch swap off (swapoff -a), or deploy with '--memory none'")
        }
    }

    /// The kernel's OOM killer ends the whole run and not one process of it, limit or no limit.
    static func groupOutOfMemoryKills(in cgroup: CgroupDirectory) throws {
        if cgroup.has("memory.oom.group") { try cgroup.write("memory.oom.group", "1") }
    }

    /// proc_swaps(5) has a heading and one line for each swap area.
    static func hasSwap(_ swaps: String) -> Bool { swaps.split(separator: "\n").count > 1 }

    static func current(in files: some ControllerFiles) throws -> Int64? {
        try files.file("memory.current")?.number()
    }

    /// Linux 5.19 and later.
    static func peak(in files: some ControllerFiles) throws -> Int64? { try files.file("memory.peak")?.number() }

    /// The limit in force; nil when there is none.
    static func limit(in files: some ControllerFiles) throws -> Int64? { try files.file("memory.max")?.limit() }

    static let eventsName = "memory.events"

    static func events(in files: some ControllerFiles) throws -> MemoryEvents? {
        guard let file = try files.file(eventsName) else { return nil }
        let values = try file.flatKeyed()
        func number(_ key: Substring) throws -> Int64 { try file.value(of: key, in: values) }
        return MemoryEvents(
            high: try number("high"), max: try number("max"), outOfMemory: try number("oom"),
            kills: try number("oom_kill"))
    }
}

/// How often a run met its memory limits (kernel: cgroup-v2, "memory.events"); hierarchical, so its children count.
public struct MemoryEvents: Hashable, Sendable {
    /// Times that it was slowed down at `memory.high`.
    public let high: Int64
    /// Times that it was about to pass `memory.max`, and memory was reclaimed.
    public let max: Int64
    /// Times that an allocation was about to fail at the limit.
    public let outOfMemory: Int64
    /// Above 0 when the kernel's OOM killer has acted. Not a count of processes: one hog under `memory.oom.group` can
    /// give 2.
    public let kills: Int64
}

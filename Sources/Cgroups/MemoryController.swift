// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem

/// The `memory` controller.
enum MemoryController {
    static let name = "memory"

    /// Sets the hard limit. Without `memory.high`, which throttles for ever where this is meant to kill.
    static func apply(bytes: Int64, to cgroup: CgroupDirectory) throws {
        try cgroup.write("memory.max", String(bytes))
        if cgroup.has("memory.swap.max") {
            // The default is "max": the app would grow into swap instead of meeting its limit.
            try cgroup.write("memory.swap.max", "0")
        } else if hasSwap(ProcFS.text(of: "/proc/swaps") ?? "") {
            throw CgroupError(
                .controllerMissing,
                "a memory limit would not hold: this machine swaps, and its kernel does not count swap per cgroup; boot "
                    + "with swapaccount=1, switch swap off (swapoff -a), or deploy without --memory")
        }
    }

    /// The kernel's OOM killer ends the whole run and not one process of it, limit or no limit.
    static func groupOutOfMemoryKills(in cgroup: CgroupDirectory) throws {
        if cgroup.has("memory.oom.group") { try cgroup.write("memory.oom.group", "1") }
    }

    /// proc_swaps(5) has a heading and one line for each swap area.
    static func hasSwap(_ swaps: String) -> Bool { swaps.split(separator: "\n").count > 1 }

    static func current(in cgroup: CgroupDirectory) throws -> Int64? { try cgroup.value(in: "memory.current") }

    /// Linux 5.19 and later.
    static func peak(in cgroup: CgroupDirectory) throws -> Int64? { try cgroup.value(in: "memory.peak") }

    /// Not a count of processes: one hog under `memory.oom.group` can give 2.
    static func outOfMemoryKills(in cgroup: CgroupDirectory) throws -> Int64? {
        try cgroup.value(of: "oom_kill", in: "memory.events")
    }
}

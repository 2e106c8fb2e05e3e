// SPDX-License-Identifier: Apache-2.0

/// The `pids` controller; it counts threads.
enum PidsController {
    static let name = "pids"

    static func apply(processes: Int, to cgroup: CgroupDirectory) throws {
        try cgroup.write("pids.max", String(processes))
    }

    static func current(in cgroup: CgroupDirectory) throws -> Int64? { try cgroup.value(in: "pids.current") }

    /// Linux 6.1 and later.
    static func peak(in cgroup: CgroupDirectory) throws -> Int64? { try cgroup.value(in: "pids.peak") }
}

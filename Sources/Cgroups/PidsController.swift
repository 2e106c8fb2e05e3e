// SPDX-License-Identifier: Apache-2.0

/// The `pids` controller; it counts threads.
enum PidsController {
    static let name = "pids"

    static func current(in files: some ControllerFiles) throws -> Int64? { try files.file("pids.current")?.number() }

    /// Linux 6.1 and later.
    static func peak(in files: some ControllerFiles) throws -> Int64? { try files.file("pids.peak")?.number() }

    /// The limit in force; nil when there is none.
    static func limit(in files: some ControllerFiles) throws -> Int64? { try files.file("pids.max")?.limit() }

    /// Times that a fork(2) was refused at the limit.
    static func refusals(in files: some ControllerFiles) throws -> Int64? {
        try files.file("pids.events")?.value(of: "max")
    }
}

// SPDX-License-Identifier: Apache-2.0

/// What tells a process apart from every other one, on this boot and on any other: the boot id, the pid, and the
/// process's start time in clock ticks since boot (proc(5), `stat` field 22).
public struct ProcessIdentity: Codable, Hashable, Sendable {
    /// `/proc/sys/kernel/random/boot_id`.
    public let bootID: String
    /// The pid, in the pid namespace of the reader.
    public let pid: Int32
    /// Start time in clock ticks since boot.
    public let startTicks: UInt64

    /// Creates an identity.
    public init(bootID: String, pid: Int32, startTicks: UInt64) {
        self.bootID = bootID
        self.pid = pid
        self.startTicks = startTicks
    }

    /// The identity of the process that has this number now; nil when there is none.
    public static func current(of pid: Int32) -> ProcessIdentity? {
        guard let bootID = ProcFS.bootID, let startTicks = ProcFS.startTicks(of: pid) else { return nil }
        return ProcessIdentity(bootID: bootID, pid: pid, startTicks: startTicks)
    }
}

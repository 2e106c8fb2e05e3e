// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem

/// What is kept from all apps together, so that the agent, the control plane and the machine's own programs always
/// have something to live on: a hog without a limit of its own is ended by the kernel, and not one of them.
///
/// CPU needs no reserve: apps together have one cgroup's share of it, so the agent waits its turn and no longer.
public struct NodeReserve: Hashable, Sendable {
    /// Bytes of memory.
    public var memoryBytes: Int64
    /// Processes and threads.
    public var processes: Int64

    /// Creates a reserve.
    public init(memoryBytes: Int64, processes: Int64) {
        self.memoryBytes = memoryBytes
        self.processes = processes
    }

    /// A twentieth of this machine, of memory at least 64 MiB and at most 1 GiB, of processes at least 256.
    public static func standard() -> NodeReserve {
        let memory = (machineMemoryBytes ?? 0) / 20
        return NodeReserve(
            memoryBytes: min(max(memory, 64 << 20), 1 << 30), processes: max(machineProcesses / 20, 256))
    }

    /// Memory of the machine; nil when `/proc/meminfo` does not say.
    static var machineMemoryBytes: Int64? { MemoryInfo.current()?.totalBytes }

    /// Processes and threads that the kernel can have.
    static var machineProcesses: Int64 {
        ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"]
            .compactMap { ProcFS.text(of: $0).flatMap { Int64($0.prefix { $0.isNumber }) } }.min() ?? 32_768
    }
}

/// The limits of all apps together that are in force.
public struct NodeCeilings: Hashable, Sendable {
    /// Bytes of memory; nil when not limited.
    public private(set) var memoryBytes: Int64?
    /// Processes and threads; nil when not limited.
    public private(set) var processes: Int64?
    /// Why one of them is not in force.
    public private(set) var missing: [String: String] = [:]

    init() {}

    /// Writes the ceilings to the platform's root. A controller that is not there is no error: then nothing can be
    /// reserved, and `missing` says so.
    static func putInForce(
        _ reserve: NodeReserve, on root: CgroupDirectory, missing: [String: String]
    ) throws -> NodeCeilings {
        var ceilings = NodeCeilings()
        if let total = NodeReserve.machineMemoryBytes, root.has("memory.max") {
            // The kernel rounds down to pages; what is shown is what is in force.
            let page = Int64(sysconf(Int32(_SC_PAGESIZE)))
            let bytes = max(total - reserve.memoryBytes, total / 2) / page * page
            try root.write("memory.max", String(bytes))
            ceilings.memoryBytes = bytes
        } else {
            ceilings.missing["memory"] = missing[MemoryController.name] ?? "the platform's root has no memory.max"
        }
        if root.has("pids.max") {
            let processes = max(NodeReserve.machineProcesses - reserve.processes, NodeReserve.machineProcesses / 2)
            try root.write("pids.max", String(processes))
            ceilings.processes = processes
        } else {
            ceilings.missing["pids"] = missing[PidsController.name] ?? "the platform's root has no pids.max"
        }
        return ceilings
    }

    var summary: [String] {
        let known = [memoryBytes.map { "\($0 >> 20) MiB of memory" }, processes.map { "\($0) processes" }]
            .compactMap { $0 }
        return known.isEmpty ? [] : ["all apps together may use \(known.joined(separator: " and "))"]
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Linux namespaces that a run gets for itself (namespaces(7)).
public struct Namespaces: OptionSet, Hashable, Sendable {
    /// Bits of `paas_init_plan_header.namespaces`.
    public let rawValue: UInt32

    /// Creates a set from the plan's bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A mount tree of its own; everything in ``RunPlan/mounts`` needs it.
    public static let mount = Namespaces(rawValue: 1)
    /// A pid namespace of its own. The spawner makes it, because `paas-init` has to be born into it as pid 1.
    public static let pid = Namespaces(rawValue: 2)
    /// System V IPC and POSIX message queues of its own.
    public static let ipc = Namespaces(rawValue: 4)
    /// A host name of its own.
    public static let uts = Namespaces(rawValue: 8)
    /// Its cgroup looks like the root of the cgroup tree.
    public static let cgroup = Namespaces(rawValue: 16)

    /// A network of its own, with loopback and nothing else.
    public static let network = Namespaces(rawValue: 32)

    /// What every sandboxed run gets; ``network`` depends on the network mode.
    public static let standard: Namespaces = [.mount, .pid, .ipc, .uts, .cgroup]
}

// SPDX-License-Identifier: Apache-2.0

/// A limit of setrlimit(2). `paas-init` lowers it to the hard limit in force where that is lower, and never raises one.
public struct ResourceLimit: Hashable, Sendable {
    /// What is limited; the values are RLIMIT_* of asm-generic/resource.h, the same on x86_64 and arm64.
    public enum Resource: UInt32, Hashable, Sendable, CaseIterable {
        /// Size of a core dump in bytes (RLIMIT_CORE).
        case coreBytes = 4
        /// Open descriptors of one process (RLIMIT_NOFILE).
        case openFiles = 7
        /// Memory locked into RAM in bytes (RLIMIT_MEMLOCK).
        case lockedMemoryBytes = 8
        /// Ceiling of the nice value, 20 minus the value (RLIMIT_NICE).
        case niceCeiling = 13
        /// Real-time priority (RLIMIT_RTPRIO).
        case realTimePriority = 14
    }

    /// What is limited.
    public var resource: Resource
    /// The limit in force; `UInt64.max` is none.
    public var soft: UInt64
    /// The highest value that the app may set for itself; `UInt64.max` is none.
    public var hard: UInt64

    /// Creates a limit; soft and hard are the same unless given.
    public init(_ resource: Resource, soft: UInt64, hard: UInt64? = nil) {
        self.resource = resource
        self.soft = soft
        self.hard = hard ?? soft
    }

    /// What every app gets.
    ///
    /// 65,536 descriptors: a server needs one per connection, and 1,024, the kernel's old default, turns visitors away
    /// at about a thousand; more would only let a leak go on for longer. No core dumps: they fill disks and hold
    /// secrets. Locked memory is the kernel's own default of 8 MiB. No priority over others.
    public static let standard: [ResourceLimit] = [
        ResourceLimit(.coreBytes, soft: 0),
        ResourceLimit(.openFiles, soft: 65_536),
        ResourceLimit(.lockedMemoryBytes, soft: 8 << 20),
        ResourceLimit(.realTimePriority, soft: 0),
        ResourceLimit(.niceCeiling, soft: 0),
    ]
}

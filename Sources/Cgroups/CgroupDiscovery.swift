// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem

/// Which cgroup v2 tree this machine has, and where in it this process is.
public struct CgroupDiscovery: Hashable, Sendable {
    /// Unified or hybrid.
    public let mode: CgroupMode
    /// Where the v2 tree is mounted.
    public let mountPoint: String
    /// Directory of this process's own cgroup.
    public let ownDirectory: String
    let mounts: MountTable

    /// The leaf that the agent moves itself into.
    static let supervisorName = "supervisor"

    /// Looks at this machine.
    ///
    /// - Throws: `CgroupError` with code `unavailable` when it has no cgroup v2.
    public static func current() throws -> CgroupDiscovery {
        guard let mounts = ProcFS.text(of: "/proc/self/mountinfo"), let own = ProcFS.text(of: "/proc/self/cgroup")
        else {
            throw CgroupError(.unavailable, "/proc/self cannot be read; mount the proc file system at /proc")
        }
        return try CgroupDiscovery(mountInfo: mounts, ownCgroups: own)
    }

    /// - Parameters:
    ///   - mountInfo: contents of `/proc/self/mountinfo`.
    ///   - ownCgroups: contents of `/proc/self/cgroup`.
    init(mountInfo: String, ownCgroups: String) throws {
        let mounts = MountTable(mountInfo: mountInfo)
        let others = mounts.entries.filter { $0.type == "cgroup2" }.map(\.mountPoint)
        let candidates = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] + others
        guard let entry = candidates.lazy.compactMap({ mounts.unifiedEntry(at: $0) }).first else {
            throw CgroupError(
                .unavailable,
                "this machine has no cgroup v2 file system; boot with systemd.unified_cgroup_hierarchy=1, or mount one: "
                    + "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified")
        }
        self.mounts = mounts
        self.mountPoint = entry.mountPoint
        self.mode = mounts.entries.contains { $0.type == "cgroup" } ? .hybrid : .unified
        self.ownDirectory = try Self.directory(
            of: Self.unifiedPath(in: ownCgroups), mountPoint: entry.mountPoint, mountRoot: entry.root)
    }

    /// The path behind `0::` (cgroups(7)).
    static func unifiedPath(in ownCgroups: String) throws -> String {
        let line = ownCgroups.split(separator: "\n").first { $0.hasPrefix("0::") }
        guard let path = line?.dropFirst(3), path.hasPrefix("/") else {
            throw CgroupError(.unavailable, "/proc/self/cgroup has no line '0::/…'; this kernel does not use cgroup v2")
        }
        guard !path.hasSuffix(" (deleted)") else {
            throw CgroupError(.unavailable, "the cgroup of this process, \(path), was removed; start the agent again")
        }
        // "/..": outside the root of our cgroup namespace.
        guard !path.hasPrefix("/..") else {
            throw CgroupError(
                .unavailable, "the cgroup of this process, \(path), is not in the tree that is visible here")
        }
        return String(path)
    }

    private static func directory(of path: String, mountPoint: String, mountRoot: String) throws -> String {
        var below = path
        if mountRoot != "/" {
            guard path == mountRoot || path.hasPrefix(mountRoot + "/") else {
                throw CgroupError(
                    .unavailable,
                    "the cgroup of this process, \(path), is not below what \(mountPoint) shows, \(mountRoot)")
            }
            below = String(path.dropFirst(mountRoot.count))
        }
        return below == "/" || below.isEmpty ? mountPoint : mountPoint + below
    }

    /// Where the platform's cgroups go unless told otherwise: beside the agent's own leaf.
    public var defaultRoot: String {
        let suffix = "/" + Self.supervisorName
        let base = ownDirectory.hasSuffix(suffix) ? String(ownDirectory.dropLast(suffix.count)) : ownDirectory
        return base + "/paas.slice"
    }
}

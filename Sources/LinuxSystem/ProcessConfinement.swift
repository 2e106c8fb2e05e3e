// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What the kernel says of a process's confinement (proc_pid_status(5), namespaces(7), proc_pid_limits(5)).
public struct ProcessConfinement: Hashable, Sendable {
    /// Real user id.
    public let userID: UInt32
    /// No capability in any of the five sets.
    public let hasNoCapabilities: Bool
    /// no_new_privs is set.
    public let hasNoNewPrivileges: Bool
    /// A system-call filter is installed.
    public let isFiltered: Bool
    /// Names of namespaces, `mnt`, that are others than those of the calling process.
    public let ownNamespaces: Set<String>
    /// Resource limits by name, each "soft hard".
    public let resourceLimits: [String: String]

    /// Reads it; nil for a process that is gone.
    public init?(of pid: Int32) {
        guard let status = ProcFS.text(of: "/proc/\(pid)/status"), let limits = ProcFS.text(of: "/proc/\(pid)/limits")
        else { return nil }
        let names = ["mnt", "pid", "ipc", "uts", "cgroup", "net", "user"]
        let own = names.filter { name in
            let namespace = Self.namespace(name, of: "\(pid)")
            return namespace != nil && namespace != Self.namespace(name, of: "self")
        }
        self.init(status: status, limits: limits, ownNamespaces: Set(own))
    }

    init?(status: String, limits: String, ownNamespaces: Set<String>) {
        var fields: [Substring: Substring] = [:]
        for line in status.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            fields[parts[0]] = parts[1].drop { $0 == "\t" || $0 == " " }
        }
        guard let user = fields["Uid"]?.split(whereSeparator: \.isWhitespace).first.flatMap({ UInt32($0) })
        else { return nil }
        userID = user
        // A set that the kernel does not show counts as held.
        hasNoCapabilities = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].allSatisfy {
            fields[$0].flatMap { UInt64($0, radix: 16) } == 0
        }
        hasNoNewPrivileges = fields["NoNewPrivs"] == "1"
        isFiltered = fields["Seccomp"] == "2"
        self.ownNamespaces = ownNamespaces
        resourceLimits = Self.limits(limits)
    }

    /// Columns: the name up to 26 characters, then soft limit, hard limit and unit.
    private static func limits(_ table: String) -> [String: String] {
        var limits: [String: String] = [:]
        for line in table.split(separator: "\n").dropFirst() {
            let values = line.dropFirst(26).split(separator: " ")
            guard values.count >= 2 else { continue }
            let name = line.prefix(26).split(separator: " ").joined(separator: " ")
            limits[name] = "\(values[0]) \(values[1])"
        }
        return limits
    }

    private static func namespace(_ name: String, of process: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 64)
        let length = readlink("/proc/\(process)/ns/\(name)", &buffer, buffer.count)
        return length > 0 ? String(decoding: buffer[..<length], as: UTF8.self) : nil
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
public import PaaSModel

/// Finds out which layers of the sandbox this node enforces.
public struct SandboxProbe: Sendable {
    /// The layers, in the order in which an app meets them, each with the reason where it is not in force.
    ///
    /// Cheap: it reads the process's capabilities and the kernel's list of namespaces and starts nothing. A layer that
    /// is shown as enforced and turns out not to work refuses every start; it is never left out.
    public static func layers() -> [SandboxLayer] {
        layers(processStatus: ProcFS.text(of: "/proc/self/status") ?? "") { name in
            access("/proc/self/ns/\(name)", F_OK) == 0
        }
    }

    static func layers(processStatus: String, hasNamespace: (String) -> Bool) -> [SandboxLayer] {
        let capabilities = effectiveCapabilities(inStatus: processStatus)
        func lacks(_ capability: Capability) -> String? {
            capabilities & (1 << capability.rawValue) != 0
                ? nil : "the agent lacks \(capability); run it as root with that capability"
        }
        func namespace(_ name: String, file: String) -> SandboxLayer {
            let reason = hasNamespace(file) ? lacks(.sysAdmin) : "the kernel was built without \(name)s"
            return SandboxLayer(name: name, enforced: reason == nil, detail: reason)
        }
        func layer(_ name: String, _ reason: String?) -> SandboxLayer {
            SandboxLayer(name: name, enforced: reason == nil, detail: reason)
        }
        return [
            namespace("mount-namespace", file: "mnt"), namespace("pid-namespace", file: "pid"),
            namespace("ipc-namespace", file: "ipc"), namespace("uts-namespace", file: "uts"),
            namespace("cgroup-namespace", file: "cgroup"),
            layer("network-namespace", "not built yet: apps share the host's network"),
            layer("private-root", lacks(.sysAdmin)),
            layer("own-user", lacks(.setUID) ?? lacks(.setGID)),
            layer("no-capabilities", lacks(.setPrivileges)),
            layer("no-new-privs", nil),
            layer("resource-limits", nil),
            layer("landlock", "not built yet"),
            layer("seccomp", "not built yet"),
        ]
    }

    /// Bits of capabilities(7).
    private enum Capability: UInt64, CustomStringConvertible {
        case setGID = 6
        case setUID = 7
        case setPrivileges = 8
        case sysAdmin = 21

        var description: String {
            switch self {
            case .setGID: "CAP_SETGID"
            case .setUID: "CAP_SETUID"
            case .setPrivileges: "CAP_SETPCAP"
            case .sysAdmin: "CAP_SYS_ADMIN"
            }
        }
    }

    /// The `CapEff` line of proc_pid_status(5); none when there is no such line.
    private static func effectiveCapabilities(inStatus text: String) -> UInt64 {
        let line = text.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        return line.flatMap { UInt64($0.dropFirst(7).drop { $0 == "\t" || $0 == " " }, radix: 16) } ?? 0
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
public import PaaSModel

/// Finds out which layers of the sandbox this node enforces.
public struct SandboxProbe: Sendable {
    /// What the probe looks at; tests make their own.
    struct Facts: Sendable {
        /// `/proc/self/status`.
        var processStatus: String
        /// `/proc/sys/kernel/seccomp/actions_avail`.
        var filterActions: String
        /// Landlock's ABI, or the kernel's reason for having none.
        var landlock: Result<Int, SystemError>
        /// What is weaker of the uid that an app has for itself; nil where nothing is.
        var ownUserDetail: String?
        /// Whether the kernel has a namespace, by the name of its file below `/proc/self/ns`.
        var hasNamespace: @Sendable (String) -> Bool

        private static let subordinate =
            "weaker without root: a subordinate id, which other containers of the agent's user may have too"

        /// Those of this machine.
        static var current: Facts {
            Facts(
                processStatus: ProcFS.text(of: "/proc/self/status") ?? "",
                filterActions: ProcFS.text(of: "/proc/sys/kernel/seccomp/actions_avail") ?? "",
                landlock: LandlockSupport.abi,
                ownUserDetail: UserIDs.areSubordinate ? subordinate : nil,
                hasNamespace: { access("/proc/self/ns/\($0)", F_OK) == 0 })
        }
    }

    /// The layers, in the order in which an app meets them, each with the reason and a remedy where it is not in force.
    ///
    /// Cheap: it reads the process's capabilities, asks the kernel for its features, and starts nothing. A layer that
    /// is shown as enforced and turns out not to work refuses every start; it is never left out.
    public static func layers() -> [SandboxLayer] { layers(.current) }

    /// The ABI of Landlock that is used here; nil where there is none, or only one that is too old.
    static var landlockABI: Int? {
        guard case .success(let abi) = LandlockSupport.abi, abi >= Landlock.oldestABI else { return nil }
        return abi
    }

    static func layers(_ facts: Facts) -> [SandboxLayer] {
        let capabilities = effectiveCapabilities(inStatus: facts.processStatus)
        func lacks(_ needed: [Capability]) -> Gap? {
            let missing = needed.first { capabilities & (1 << $0.rawValue) == 0 }
            return missing.map { Gap("the agent lacks \($0)", "run the agent as root with that capability") }
        }
        func lacks(_ needed: Capability...) -> Gap? { lacks(needed) }
        func namespace(_ name: String, file: String, _ needed: Capability...) -> SandboxLayer {
            let kernel = Gap("the kernel was built without \(name)s", "boot a kernel of the distribution")
            return layer(name, facts.hasNamespace(file) ? lacks([.sysAdmin] + needed) : kernel)
        }
        return [
            namespace("mount-namespace", file: "mnt"), namespace("pid-namespace", file: "pid"),
            namespace("ipc-namespace", file: "ipc"), namespace("uts-namespace", file: "uts"),
            namespace("cgroup-namespace", file: "cgroup"),
            // Its loopback has to be brought up from inside.
            namespace(LayerName.networkNamespace, file: "net", .networkAdmin),
            layer("private-root", lacks(.sysAdmin)),
            layer("own-user", lacks(.setUID, .setGID), detail: facts.ownUserDetail),
            layer("no-capabilities", lacks(.setPrivileges)),
            layer("no-new-privs", nil),
            layer("resource-limits", nil),
        ] + landlock(facts.landlock) + [seccomp(facts.filterActions)]
    }

    /// Why a layer is not in force, and what would change that.
    private struct Gap {
        let reason: String
        let remedy: String

        init(_ reason: String, _ remedy: String) {
            self.reason = reason
            self.remedy = remedy
        }
    }

    private static func layer(_ name: String, _ gap: Gap?, detail: String? = nil) -> SandboxLayer {
        SandboxLayer(name: name, enforced: gap == nil, detail: gap?.reason ?? detail, remedy: gap?.remedy)
    }

    private static func landlock(_ abi: Result<Int, SystemError>) -> [SandboxLayer] {
        func part(_ name: String, from needed: Int, kernel: String) -> SandboxLayer {
            switch abi {
            case .success(let abi) where abi >= needed: return layer(name, nil, detail: "ABI \(abi)")
            case .success(let abi):
                return layer(
                    name, Gap("needs Landlock ABI \(needed), this kernel has \(abi)", "boot Linux \(kernel) or newer"))
            case .failure(let error) where error.errno == EOPNOTSUPP:
                return layer(
                    name,
                    Gap("Landlock is not switched on", "boot with 'landlock' in the kernel's lsm= list of modules"))
            case .failure(let error):
                return layer(
                    name,
                    Gap("the kernel has no Landlock (\(error.name))", "boot a kernel with CONFIG_SECURITY_LANDLOCK"))
            }
        }
        return [
            part(LayerName.landlock, from: Landlock.oldestABI, kernel: "5.19"),
            part(LayerName.landlockBind, from: Landlock.portABI, kernel: "6.7"),
            part(LayerName.landlockScopes, from: Landlock.scopeABI, kernel: "6.12"),
        ]
    }

    private static func seccomp(_ actions: String) -> SandboxLayer {
        let known = actions.split(whereSeparator: \.isWhitespace)
        guard known.contains("errno") else {
            return layer(
                LayerName.seccomp,
                Gap("the kernel has no system-call filters", "boot a kernel with CONFIG_SECCOMP_FILTER"))
        }
        return layer(
            LayerName.seccomp, nil,
            detail: known.contains("user_notif")
                ? nil : "what it blocks makes no events: that needs Linux 5.0 or newer")
    }

    /// Whether `/proc/PID/status` shows a capability as effective.
    static func has(_ capability: Capability, inStatus text: String) -> Bool {
        effectiveCapabilities(inStatus: text) & (1 << capability.rawValue) != 0
    }

    /// Bits of capabilities(7).
    enum Capability: UInt64, CustomStringConvertible {
        case setGID = 6
        case setUID = 7
        case setPrivileges = 8
        case networkAdmin = 12
        case sysAdmin = 21
        case sysResource = 24

        var description: String {
            switch self {
            case .setGID: "CAP_SETGID"
            case .setUID: "CAP_SETUID"
            case .setPrivileges: "CAP_SETPCAP"
            case .networkAdmin: "CAP_NET_ADMIN"
            case .sysAdmin: "CAP_SYS_ADMIN"
            case .sysResource: "CAP_SYS_RESOURCE"
            }
        }
    }

    /// The `CapEff` line of proc_pid_status(5); none when there is no such line.
    private static func effectiveCapabilities(inStatus text: String) -> UInt64 {
        let line = text.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        return line.flatMap { UInt64($0.dropFirst(7).drop { $0 == "\t" || $0 == " " }, radix: 16) } ?? 0
    }
}

/// Names of layers that more than the probe has to know.
enum LayerName {
    static let networkNamespace = "network-namespace"
    static let landlock = "landlock"
    static let landlockBind = "landlock-tcp-bind"
    static let landlockScopes = "landlock-scopes"
    static let seccomp = "seccomp"
}

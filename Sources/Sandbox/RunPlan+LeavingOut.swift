// SPDX-License-Identifier: Apache-2.0

extension RunPlan {
    /// Layers that ``leaveOut(layer:)`` knows. The others stand in `paas-init` itself: it starts no app without a user of
    /// its own, with a capability, or without no_new_privs.
    public static let removableLayers = [
        "mount-namespace", "pid-namespace", "ipc-namespace", "uts-namespace", "cgroup-namespace",
        LayerName.networkNamespace, "resource-limits", LayerName.landlock, LayerName.landlockBind,
        LayerName.landlockScopes, LayerName.seccomp,
    ]

    /// Takes one layer out of a plan, to find out what depends on it. Never done for an app of the platform.
    ///
    /// - Throws: `SandboxError.invalidPlan` for a layer that cannot be left out.
    public mutating func leaveOut(layer: String) throws {
        switch layer {
        case "mount-namespace":
            namespaces.remove(.mount)
            mounts = []
            workingDirectory = "/"
            // The rules were made from the mounts.
            landlock?.handledFiles = []
            landlock?.paths = []
        case "pid-namespace": namespaces.remove(.pid)
        case "ipc-namespace": namespaces.remove(.ipc)
        case "uts-namespace": namespaces.remove(.uts)
        case "cgroup-namespace": namespaces.remove(.cgroup)
        case LayerName.networkNamespace: namespaces.remove(.network)
        case "resource-limits": resourceLimits = []
        case LayerName.landlock: landlock = nil
        case LayerName.landlockBind: landlock?.handlesBind = false
        case LayerName.landlockScopes: landlock?.isScoped = false
        case LayerName.seccomp: systemCallFilter = nil
        default:
            throw SandboxError(
                .invalidPlan,
                "'\(layer)' cannot be left out; those that can are \(Self.removableLayers.joined(separator: ", "))")
        }
    }
}

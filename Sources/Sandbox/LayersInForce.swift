// SPDX-License-Identifier: Apache-2.0

public import LinuxSystem
public import PaaSModel

/// The layers that are in force for one process, as the kernel shows them.
public enum LayersInForce {
    /// Each layer of the node with whether this process has it.
    ///
    /// - Parameters:
    ///   - process: what the kernel says of the process.
    ///   - profile: what the release asks for: `off` has few of the layers.
    ///   - showsDenials: what the filter of system calls blocks becomes known.
    ///   - node: what the node can enforce, in the order of ``SandboxProbe/layers()``.
    public static func of(
        _ process: ProcessConfinement, profile: SandboxProfile, showsDenials: Bool = true, node: [SandboxLayer]
    ) -> [SandboxLayer] {
        node.map { layer in
            guard let enforced = shown(layer, process, profile) else { return layer }
            if enforced {
                let isSilent = layer.name == LayerName.seccomp && !showsDenials
                return SandboxLayer(
                    name: layer.name, enforced: true, detail: isSilent ? silence : detail(of: layer))
            }
            return SandboxLayer(
                name: layer.name, enforced: false, detail: reason(layer, profile), remedy: remedy(layer, profile))
        }
    }

    private static let namespaces = [
        "mount-namespace": "mnt", "pid-namespace": "pid", "ipc-namespace": "ipc", "uts-namespace": "uts",
        "cgroup-namespace": "cgroup", LayerName.networkNamespace: "net", "private-root": "mnt",
    ]

    private static let silence =
        "what it blocks makes no events: the kernel is older than 5.0, or the agent runs in a container whose own filter "
        + "has the only listener"

    private static func shown(
        _ layer: SandboxLayer, _ process: ProcessConfinement, _ profile: SandboxProfile
    ) -> Bool? {
        if let namespace = namespaces[layer.name] { return process.ownNamespaces.contains(namespace) }
        switch layer.name {
        case "own-user": return UserIDs.range.contains(process.userID)
        case "no-capabilities": return process.hasNoCapabilities
        case "no-new-privs": return process.hasNoNewPrivileges
        case "resource-limits": return process.resourceLimits["Max core file size"]?.hasSuffix("0") == true
        case LayerName.seccomp: return process.isFiltered
        // No file of the kernel shows them: a start that could not apply them would have failed.
        case LayerName.landlock, LayerName.landlockBind, LayerName.landlockScopes:
            return layer.enforced && profile != .off
        default: return nil
        }
    }

    private static func detail(of layer: SandboxLayer) -> String? {
        layer.name.hasPrefix(LayerName.landlock)
            ? "\(layer.detail ?? "in force") by the plan of its start" : layer.detail
    }

    private static func reason(_ layer: SandboxLayer, _ profile: SandboxProfile) -> String {
        if !layer.enforced { return layer.detail ?? "this node does not have it" }
        if profile == .off { return "the release asks for --sandbox off" }
        if layer.name == LayerName.networkNamespace { return "the app is on the host's network" }
        return "the process does not have it"
    }

    private static func remedy(_ layer: SandboxLayer, _ profile: SandboxProfile) -> String? {
        if !layer.enforced { return layer.remedy }
        if profile == .off { return "deploy with --sandbox standard" }
        if layer.name == LayerName.networkNamespace { return "deploy with --network isolated" }
        return "restart the app"
    }
}

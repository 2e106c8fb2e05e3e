// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// How much of the sandbox a node must be able to enforce before it starts apps of `standard` and `strict`; its operator
/// decides. The layers that need no feature of the kernel beyond those of Linux 5.12 are required by each of them.
public enum SandboxMinimum: String, CaseIterable, Hashable, Sendable {
    /// Whatever the kernel has of Landlock and seccomp, even nothing.
    case any
    /// Every layer that Linux 6.1 has. The default.
    case base
    /// Every layer there is.
    case full

    /// Without this layer no app is started. The network namespace is not in question: an app's network mode asks for it.
    func requires(layer name: String) -> Bool {
        switch name {
        case LayerName.networkNamespace: false
        case LayerName.landlockBind, LayerName.landlockScopes: self == .full
        case LayerName.landlock, LayerName.seccomp: self != .any
        default: true
        }
    }

    /// Why no app can be started on a node with these layers, in one sentence; nil when it can.
    public func refusal(layers: [SandboxLayer]) -> String? {
        guard let missing = layers.first(where: { !$0.enforced && requires(layer: $0.name) }) else { return nil }
        let lower = missing.name == LayerName.seccomp || missing.name.hasPrefix(LayerName.landlock)
        return "this node cannot enforce the sandbox layer '\(missing.name)': \(missing.detail ?? "reason unknown"); "
            + (missing.remedy ?? "see 'paas doctor'")
            + (lower ? ", or have the node's operator lower --minimum-sandbox" : "")
    }
}

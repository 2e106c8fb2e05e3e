// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// Which network modes this node can give to apps, and why not the others.
public struct NetworkSupport: Hashable, Sendable {
    /// Carries the traffic of `egress`; nil where that mode cannot be had.
    public let egressTool: EgressTool?
    /// Why a mode cannot be had, one sentence each; modes that are not in it can.
    private let reasons: [NetworkMode: String]

    /// The modes that can be had, the strictest first: the one that an app gets which asks for none.
    public var modes: [NetworkMode] { NetworkMode.allCases.filter { reasons[$0] == nil } }

    init(reasons: [NetworkMode: String], egressTool: EgressTool? = nil) {
        self.reasons = reasons
        self.egressTool = egressTool
    }

    /// Finds out what this node can do. Starts nothing.
    public static func current() -> NetworkSupport {
        NetworkSupport(layers: SandboxProbe.layers(), egressTool: Result { try EgressTool() })
    }

    init(layers: [SandboxLayer], egressTool: Result<EgressTool, any Error>) {
        var reasons: [NetworkMode: String] = [:]
        if let layer = layers.first(where: { $0.name == LayerName.networkNamespace }), !layer.enforced {
            let advice = layer.remedy.map { "; \($0)" } ?? ""
            reasons[.isolated] = (layer.detail ?? "it has no network namespaces") + advice
            reasons[.egress] = reasons[.isolated]
        }
        switch egressTool {
        case .success(let tool) where reasons[.egress] == nil: self.init(reasons: reasons, egressTool: tool)
        case .success: self.init(reasons: reasons)
        case .failure(let error):
            reasons[.egress] = reasons[.egress] ?? "\(error)"
            self.init(reasons: reasons)
        }
    }

    /// Why this node cannot give a mode, with what would change that; nil when it can.
    public func reason(against mode: NetworkMode) -> String? { reasons[mode] }

    /// The mode of a release.
    ///
    /// - Throws: `SandboxError` with code `networkUnavailable` when this node cannot give what is asked for.
    func mode(of spec: ReleaseSpec) throws -> NetworkMode {
        guard let wanted = spec.network else { return modes.first ?? .host }
        guard let reason = reasons[wanted] else { return wanted }
        throw SandboxError(
            .networkUnavailable,
            "this node cannot give the network mode '\(wanted.rawValue)': \(reason); or deploy with --network host "
                + "if you trust the app with the host's network")
    }
}

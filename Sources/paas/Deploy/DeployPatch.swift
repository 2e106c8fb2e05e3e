// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Body of the `PATCH` of a deploy: fields to set, and limits to take away, which are null in a merge patch (RFC 7396).
struct DeployPatch: Encodable, Sendable {
    let spec: AppSpec
    /// Names of limits.
    let clearedLimits: [String]

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private struct LimitsPatch: Encodable {
        let limits: Limits
        let cleared: [String]

        func encode(to encoder: any Encoder) throws {
            try limits.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            for name in cleared { try container.encodeNil(forKey: Key(stringValue: name)) }
        }
    }

    func encode(to encoder: any Encoder) throws {
        var rest = spec
        rest.limits = nil
        try rest.encode(to: encoder)
        guard spec.limits != nil || !clearedLimits.isEmpty else { return }
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(
            LimitsPatch(limits: spec.limits ?? Limits(), cleared: clearedLimits), forKey: Key(stringValue: "limits"))
    }
}

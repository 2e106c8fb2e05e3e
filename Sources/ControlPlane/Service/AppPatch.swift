// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import PaaSModel

/// A JSON merge patch (RFC 7396) of an app: `AppSpec` plus the fields that are explicitly null, which it cannot say.
struct AppPatch: Hashable, Sendable {
    /// The fields that are set.
    var spec: AppSpec
    /// Fields to take back to their default, `healthPath`, `limits.memoryBytes`.
    var cleared: Set<String>

    /// Reads a body strictly.
    ///
    /// - Throws: `Problem` 400 with the position for what is not JSON; `ValidationError` that names an unknown or
    ///   invalid field.
    init(json: [UInt8]) throws {
        let fields = try JSONBody.object(json, allowed: AppSpec.fieldNames, of: "an app")
        cleared = []
        for (name, value) in fields where value == .null {
            guard Self.clearable.contains(name) else {
                throw ValidationError(field: name, message: "may not be null; leave it out to keep it")
            }
            cleared.insert(name)
        }
        if case .object(let limits)? = fields["limits"] {
            for (name, value) in limits {
                guard let field = Limits.fields.first(where: { $0.name == name }) else {
                    let known = Limits.fields.map(\.name).joined(separator: ", ")
                    throw ValidationError(field: "limits.\(name.prefix(80))", message: "is unknown; there are \(known)")
                }
                if value == .null { cleared.insert("limits.\(name)") }
                if field.unit != .cores { try JSONBody.requireInteger(value, field: "limits.\(name)") }
            }
        }
        if case .object(let rules)? = fields["lifecycle"] {
            for (name, value) in rules {
                guard let field = LifecycleRules.fields.first(where: { $0.name == name }) else {
                    let known = LifecycleRules.fields.map(\.name).joined(separator: ", ")
                    throw ValidationError(
                        field: "lifecycle.\(name.prefix(80))", message: "is unknown; there are \(known)")
                }
                if value == .null { cleared.insert("lifecycle.\(name)") }
                switch field.kind {
                case .count, .bytes: try JSONBody.requireInteger(value, field: "lifecycle.\(name)")
                // Checked here, where the allowed ones can be listed.
                case .word, .drain: if case .string(let text) = value { _ = try field.parse(text) }
                case .codes, .seconds: break
                }
            }
        }
        try JSONBody.requireInteger(fields["instances"], field: "instances")
        try Self.checkWord(fields, "restart", RestartPolicy.self)
        try Self.checkWord(fields, "network", NetworkMode.self)
        try Self.checkWord(fields, "sandbox", SandboxProfile.self)
        try Self.checkWord(fields, "stopSignal", StopSignal.self)
        spec = try JSONBody.decode(AppSpec.self, json)
    }

    /// Checks a word here, where the allowed ones can be listed.
    private static func checkWord<Word: RawRepresentable & CaseIterable>(
        _ fields: [String: JSONValue], _ name: String, _ type: Word.Type
    ) throws where Word.RawValue == String {
        guard case .string(let text)? = fields[name], Word(rawValue: text) == nil else { return }
        let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError(field: name, message: "'\(text.prefix(40))' is not one of \(words)")
    }

    private static let clearable: Set<String> = [
        "env", "limits", "instances", "healthPath", "restart", "network", "sandbox", "bundle", "stopSignal",
        "stopGraceSeconds", "lifecycle", "secrets",
    ]

    /// Applies the patch to a release's spec, or to nothing when creating.
    ///
    /// - Throws: `ValidationError` when the result is not valid.
    func applied(to base: ReleaseSpec?) throws -> ReleaseSpec {
        guard var base, !cleared.isEmpty else { return try spec.applied(to: base) }
        let defaults = ReleaseSpec(command: base.command)
        for field in cleared {
            switch field {
            case "env": base.env = defaults.env
            case "secrets": base.secrets = nil
            case "limits": base.limits = defaults.limits
            case "healthPath": base.healthPath = defaults.healthPath
            case "restart": base.restart = defaults.restart
            case "network": base.network = defaults.network
            case "sandbox": base.sandbox = defaults.sandbox
            case "bundle": base.bundle = defaults.bundle
            case "stopSignal": base.stopSignal = defaults.stopSignal
            case "stopGraceSeconds": base.stopGraceSeconds = defaults.stopGraceSeconds
            case "lifecycle": base.lifecycle = defaults.lifecycle
            default: break
            }
        }
        for field in Limits.fields where cleared.contains("limits.\(field.name)") { field.clear(&base.limits) }
        for field in LifecycleRules.fields where cleared.contains("lifecycle.\(field.name)") {
            field.set(nil, in: &base.lifecycle)
        }
        return try spec.applied(to: base)
    }

    /// The number of instances that the patch asks for, given the present one.
    func instances(present: Int?) -> Int {
        cleared.contains("instances") ? 1 : spec.instances ?? present ?? 1
    }
}

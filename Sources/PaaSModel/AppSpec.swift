// SPDX-License-Identifier: Apache-2.0

/// Body of `POST /apps`, and, with every field optional, of `PATCH /apps/{…}` (RFC 7396 merge patch).
///
/// In a patch a missing field keeps its value; `env` and `secrets` are merged key by key, a null value removes
/// the key.
public struct AppSpec: Codable, Hashable, Sendable {
    /// Required when creating; may not change afterwards.
    public var name: AppName?
    /// Required when creating.
    public var command: Command?
    /// Variables to set; nil values remove (patch only).
    public var env: [String: String?]?
    /// Secrets to set; nil values remove (patch only).
    public var secrets: [String: SecretValue?]?
    /// Limits to set.
    public var limits: Limits?
    /// Number of instances, 0 to 100; 1 when creating without it.
    public var instances: Int?
    /// See ``ReleaseSpec/healthPath``.
    public var healthPath: String?
    /// See ``ReleaseSpec/restart``.
    public var restart: RestartPolicy?
    /// See ``ReleaseSpec/network``.
    public var network: NetworkMode?
    /// See ``ReleaseSpec/sandbox``.
    public var sandbox: SandboxProfile?
    /// See ``ReleaseSpec/bundle``.
    public var bundle: String?
    /// See ``ReleaseSpec/stopSignal``.
    public var stopSignal: StopSignal?
    /// See ``ReleaseSpec/stopGraceSeconds``.
    public var stopGraceSeconds: Double?
    /// Rules to set.
    public var lifecycle: LifecycleRules?

    /// An empty patch.
    public init() {}

    /// Names of all fields, for the check that a body has no unknown one.
    public static let fieldNames: Set<String> = [
        "name", "command", "env", "limits", "instances", "healthPath", "restart", "network", "sandbox", "bundle",
        "stopSignal", "stopGraceSeconds", "lifecycle", "secrets",
    ]

    /// Applies the patch to a release's spec, or to nothing when creating.
    ///
    /// - Throws: `ValidationError` when `command` is missing while creating, or when the result is not valid.
    public func applied(to base: ReleaseSpec?) throws -> ReleaseSpec {
        guard let command = command ?? base?.command else {
            throw ValidationError(field: "command", message: "is required; say what to run, such as './server'")
        }
        var spec = base ?? ReleaseSpec(command: command)
        spec.command = command
        for (key, value) in env ?? [:] { spec.env[key] = value }
        if let secrets {
            var merged = spec.secrets ?? [:]
            for (key, value) in secrets { merged[key] = value }
            spec.secrets = merged.isEmpty ? nil : merged
        }
        if let limits { spec.limits = spec.limits.merged(with: limits) }
        spec.healthPath = healthPath ?? spec.healthPath
        spec.restart = restart ?? spec.restart
        spec.network = network ?? spec.network
        spec.sandbox = sandbox ?? spec.sandbox
        spec.bundle = bundle ?? spec.bundle
        spec.stopSignal = stopSignal ?? spec.stopSignal
        spec.stopGraceSeconds = stopGraceSeconds ?? spec.stopGraceSeconds
        if let lifecycle { spec.lifecycle = spec.lifecycle.merged(with: lifecycle) }
        try spec.validate()
        if let instances, !(0...Defaults.maxInstances).contains(instances) {
            throw ValidationError(field: "instances", message: "is not between 0 and \(Defaults.maxInstances)")
        }
        return spec
    }
}

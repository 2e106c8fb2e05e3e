// SPDX-License-Identifier: Apache-2.0

/// Body of `POST /apps`, and, with every field optional, of `PATCH /apps/{…}` (RFC 7396 merge patch).
///
/// In a patch a missing field keeps its value; `env` is merged key by key, a null value removes the key.
public struct AppSpec: Codable, Hashable, Sendable {
    /// Required when creating; may not change afterwards.
    public var name: AppName?
    /// Required when creating.
    public var command: Command?
    /// Variables to set; nil values remove (patch only).
    public var env: [String: String?]?
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

    /// An empty patch.
    public init() {}

    /// Names of all fields, for the check that a body has no unknown one.
    public static let fieldNames: Set<String> = [
        "name", "command", "env", "limits", "instances", "healthPath", "restart", "network", "sandbox", "bundle",
        "stopSignal", "stopGraceSeconds",
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
        if let limits {
            spec.limits.memoryBytes = limits.memoryBytes ?? spec.limits.memoryBytes
            spec.limits.cpu = limits.cpu ?? spec.limits.cpu
            spec.limits.pids = limits.pids ?? spec.limits.pids
            spec.limits.diskBytes = limits.diskBytes ?? spec.limits.diskBytes
        }
        spec.healthPath = healthPath ?? spec.healthPath
        spec.restart = restart ?? spec.restart
        spec.network = network ?? spec.network
        spec.sandbox = sandbox ?? spec.sandbox
        spec.bundle = bundle ?? spec.bundle
        spec.stopSignal = stopSignal ?? spec.stopSignal
        spec.stopGraceSeconds = stopGraceSeconds ?? spec.stopGraceSeconds
        try spec.validate()
        if let instances, !(0...Defaults.maxInstances).contains(instances) {
            throw ValidationError(field: "instances", message: "is not between 0 and \(Defaults.maxInstances)")
        }
        return spec
    }
}

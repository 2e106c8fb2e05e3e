// SPDX-License-Identifier: Apache-2.0

/// Everything that a release fixes: what runs, with which environment, limits and confinement.
///
/// Immutable once it is part of a release. Every field is validated by ``validate()``.
public struct ReleaseSpec: Codable, Hashable, Sendable {
    /// What runs.
    public var command: Command
    /// The app's own environment; it may hold secrets and never appears in logs, events or messages.
    public var env: [String: String]
    /// Write-only variables, which are files below ``Secret/directory`` as well; nil as well as empty is none.
    public var secrets: [String: SecretValue]?
    /// Limits of each instance.
    public var limits: Limits
    /// HTTP path whose 2xx or 3xx answer means healthy; without one, an open PORT does.
    public var healthPath: String?
    /// What happens when a run ends.
    public var restart: RestartPolicy
    /// The network the app sees; nil lets the node choose the strictest it can enforce.
    public var network: NetworkMode?
    /// How strictly the app is confined.
    public var sandbox: SandboxProfile
    /// SHA-256 of the bundle at `/app`, 64 lower-case hex digits; nil for an empty `/app`.
    public var bundle: String?
    /// The signal that asks the app to stop.
    public var stopSignal: StopSignal
    /// Seconds between the stop signal and the kill.
    public var stopGraceSeconds: Double
    /// What differs from the node's defaults otherwise.
    public var lifecycle: LifecycleRules

    /// A release with the contract's defaults.
    public init(
        command: Command, env: [String: String] = [:], limits: Limits = Limits(), healthPath: String? = nil,
        restart: RestartPolicy = .always, network: NetworkMode? = nil, sandbox: SandboxProfile = .standard,
        bundle: String? = nil, stopSignal: StopSignal = .term,
        stopGraceSeconds: Double = Defaults.stopGrace.inSeconds, lifecycle: LifecycleRules = LifecycleRules()
    ) {
        self.command = command
        self.env = env
        self.limits = limits
        self.healthPath = healthPath
        self.restart = restart
        self.network = network
        self.sandbox = sandbox
        self.bundle = bundle
        self.stopSignal = stopSignal
        self.stopGraceSeconds = stopGraceSeconds
        self.lifecycle = lifecycle
    }

    /// The other release differs in limits that a running process can be given, and in nothing else.
    public func differsOnlyInLiveLimits(from other: ReleaseSpec) -> Bool {
        var same = other
        same.limits = limits
        // The size of /data is not a limit of the cgroup.
        return self != other && self == same && limits.diskBytes == other.limits.diskBytes
    }

    /// Names that the platform sets itself; an app's environment may not contain them.
    public static let reservedEnvironment: Set<String> = [
        "PORT", "PAAS_APP", "PAAS_INSTANCE", "PAAS_RELEASE",
    ]

    /// Checks every field.
    ///
    /// - Throws: `ValidationError` that names the field.
    public func validate() throws {
        try command.validate()
        try limits.validate()
        for (key, value) in env { try Self.validateVariable("env", key: key, value: value) }
        for (key, value) in secrets ?? [:] { try Self.validateVariable("secrets", key: key, value: value.text) }
        try validateSizes()
        if let healthPath {
            let printable = healthPath.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            guard healthPath.hasPrefix("/"), printable, healthPath.utf8.count <= 1024 else {
                throw ValidationError(field: "healthPath", message: "is not a path such as '/healthz'")
            }
        }
        if let bundle {
            let hex = bundle.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
            guard bundle.utf8.count == 64, hex else {
                throw ValidationError(field: "bundle", message: "is not a SHA-256 in 64 lower-case hex digits")
            }
        }
        guard stopGraceSeconds >= 0, stopGraceSeconds <= 3_600 else {
            throw ValidationError(field: "stopGraceSeconds", message: "is not between 0 and 3600")
        }
        try lifecycle.validate()
    }

    /// Secrets of one release: each is a file of the sandbox.
    public static let maxSecrets = 64

    private func validateSizes() throws {
        let secrets = secrets ?? [:]
        guard secrets.count <= Self.maxSecrets else {
            throw ValidationError(field: "secrets", message: "has more than \(Self.maxSecrets) names")
        }
        if let name = secrets.keys.sorted().first(where: { env[$0] != nil }) {
            throw ValidationError(
                field: "secrets.\(name)", message: "is a variable of 'env' as well; unset one of the two")
        }
        let size = env.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 2 }
        let secretSize = secrets.reduce(0) { $0 + $1.key.utf8.count + $1.value.text.utf8.count + 2 }
        guard size + secretSize <= 131_072 else {
            throw ValidationError(
                field: secrets.isEmpty ? "env" : "secrets", message: "with all variables is larger than 128 KiB")
        }
    }

    private static func validateVariable(_ field: String, key: String, value: String) throws {
        let letters = key.utf8.allSatisfy {
            (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F
        }
        guard !key.isEmpty, key.utf8.count <= 256, letters, !(0x30...0x39).contains(key.utf8.first ?? 0x30) else {
            throw ValidationError(
                field: field, message: "'\(key.prefix(80))' is not a variable name (letters, digits and '_')")
        }
        guard !value.utf8.contains(0) else {
            throw ValidationError(field: "\(field).\(key)", message: "contains a NUL byte")
        }
        guard !reservedEnvironment.contains(key) else {
            throw ValidationError(field: "\(field).\(key)", message: "is set by the platform; choose another name")
        }
    }
}

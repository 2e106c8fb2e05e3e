// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel
internal import ProgramSupport

/// A directory's `paas.toml`: what `paas deploy` would otherwise be told by flags.
struct AppManifest: Hashable {
    /// The fields that are set.
    var spec = AppSpec()

    /// Every key; anything else is an error that names its line.
    static let keys = Set([
        "name", "command", "instances", "restart", "network", "sandbox", "stop-signal", "stop-grace", "health-path",
        "health.path", "env.*",
    ]).union(LifecycleRules.fields.map(\.option)).union(Limits.fields.map { "limits.\($0.option)" })

    init() {}

    /// Reads a file's text.
    ///
    /// - Throws: `ConfigurationError` with the file and the line.
    init(text: String, path: String) throws(ConfigurationError) {
        let file = try ConfigurationFile(text: text, path: path, allowedKeys: Self.keys)
        spec.name = try Self.read(file, "name") { text in try AppName(validating: text) }
        spec.command = try Self.command(file)
        spec.instances = try file.integer("instances")
        spec.restart = try Self.word(file, "restart")
        spec.network = try Self.word(file, "network")
        spec.sandbox = try Self.word(file, "sandbox")
        spec.stopSignal = try Self.word(file, "stop-signal")
        spec.stopGraceSeconds = try Self.read(file, "stop-grace") { text in
            guard let duration = Duration(text: text) else { throw Self.wrong("is not a duration such as 30s or 5m") }
            return duration.inSeconds
        }
        spec.healthPath = try file.string("health-path")
        if let path = try file.string("health.path") {
            guard spec.healthPath == nil else {
                throw file.invalid("health.path", "is set twice, also as 'health-path'")
            }
            spec.healthPath = path
        }
        var lifecycle = LifecycleRules()
        for field in LifecycleRules.fields {
            guard let value = try Self.lifecycleValue(file, field) else { continue }
            field.set(value, in: &lifecycle)
        }
        if !lifecycle.isEmpty { spec.lifecycle = lifecycle }
        let limits = try Self.limits(file)
        if !limits.isEmpty { spec.limits = limits }
        try readEnvironment(file)
    }

    private mutating func readEnvironment(_ file: ConfigurationFile) throws(ConfigurationError) {
        let keys = file.keys(below: "env")
        guard !keys.isEmpty else { return }
        var env: [String: String?] = [:]
        for key in keys { env[key] = try file.text("env.\(key)") }
        spec.env = env
    }

    /// Codes are a list of numbers or a text, a count is a number, a duration is a text.
    private static func lifecycleValue(
        _ file: ConfigurationFile, _ field: LifecycleRules.Field
    ) throws(ConfigurationError) -> LifecycleRules.Field.Value? {
        if case .count = field.kind { return try file.integer(field.option).map(LifecycleRules.Field.Value.count) }
        if case .codes = field.kind, let codes = try? file.integers(field.option) { return .codes(codes) }
        return try read(file, field.option) { try field.parse($0) }
    }

    private static func limits(_ file: ConfigurationFile) throws(ConfigurationError) -> Limits {
        func bytes(_ key: String) throws(ConfigurationError) -> Int64? {
            try read(file, key) { text in
                guard let count = ByteCount(text) else { throw wrong("is not a size such as 256M or 1G") }
                return count.bytes
            }
        }
        var limits = Limits(
            memoryBytes: try bytes("limits.memory"), cpu: try file.number("limits.cpu"),
            pids: try file.integer("limits.pids"), diskBytes: try bytes("limits.disk"))
        limits.memoryHighBytes = try bytes("limits.memory-high")
        limits.cpuBurst = try file.number("limits.cpu-burst")
        limits.cpuWeight = try file.integer("limits.cpu-weight")
        limits.ioWeight = try file.integer("limits.io-weight")
        limits.ioReadBytesPerSecond = try bytes("limits.io-read-bps")
        limits.ioWriteBytesPerSecond = try bytes("limits.io-write-bps")
        limits.ioReadsPerSecond = try file.integer("limits.io-read-iops")
        limits.ioWritesPerSecond = try file.integer("limits.io-write-iops")
        return limits
    }

    private static func command(_ file: ConfigurationFile) throws(ConfigurationError) -> Command? {
        // A list is executed as it is, a string by a shell; any other type is reported as "not a string".
        if let words = try? file.strings("command") { return .exec(words) }
        return try file.string("command").map(Command.shell)
    }

    private static func word<Word: RawRepresentable & CaseIterable>(
        _ file: ConfigurationFile, _ key: String
    ) throws(ConfigurationError) -> Word? where Word.RawValue == String {
        try read(file, key) { text in
            guard let word = Word(rawValue: text) else {
                throw wrong("is not one of \(Word.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            return word
        }
    }

    private static func read<Value>(
        _ file: ConfigurationFile, _ key: String, _ parse: (String) throws -> Value
    ) throws(ConfigurationError) -> Value? {
        guard let text = try file.text(key) else { return nil }
        do {
            return try parse(text)
        } catch let error as PaaSModel.ValidationError {
            throw file.invalid(key, error.message)
        } catch {
            throw file.invalid(key, "cannot be used")
        }
    }

    private static func wrong(_ message: String) -> PaaSModel.ValidationError {
        PaaSModel.ValidationError(field: "", message: message)
    }
}

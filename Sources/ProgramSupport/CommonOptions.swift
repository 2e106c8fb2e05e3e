// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
public import FoundationEssentials
internal import Glibc
public import Logging
public import PaaSModel

/// Options that `paasd`, `agent` and `paas` have in common; add them with `@OptionGroup`.
public struct CommonOptions: ParsableArguments, Sendable {
    /// Keys that these options have in a configuration file.
    public static let configurationKeys: Set<String> = ["home", "log-level", "log-format"]

    /// Set by the agent of an ordinary user for itself when it goes on as root of a user namespace: that user's uid, whose
    /// home it is.
    public static let ownerVariable = "PAAS_ROOTLESS_UID"

    /// See the help text.
    @Option(
        help: ArgumentHelp(
            "Root of all state. Default: PAAS_HOME, else /var/lib/mini-paas for root and an XDG directory for others.",
            valueName: "dir"))
    public var home: String?

    /// See the help text.
    @Option(
        help: ArgumentHelp(
            "Read settings from a TOML file. Flags and PAAS_… variables win over it; SIGHUP reads it again.",
            valueName: "file"))
    public var config: String?

    /// See the help text.
    @Option(help: "Least important messages to log: trace, debug, info, notice, warning, error or critical.")
    public var logLevel: String?

    /// See the help text.
    @Option(help: "How to write log lines: text or json.")
    public var logFormat: LogFormat?

    /// As ArgumentParser makes it: nothing set.
    public init() {}

    /// Joins flags, environment and configuration file.
    ///
    /// - Parameters:
    ///   - keys: the program's own keys of a configuration file, beside ``configurationKeys``.
    ///   - environment: the process's variables; `PAAS_CONFIG` names the file when `--config` does not.
    /// - Throws: `ConfigurationError` when the file cannot be used.
    public func settings(
        keys: Set<String>, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(ConfigurationError) -> Settings {
        let path = config ?? environment["PAAS_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        var file: ConfigurationFile?
        if let path {
            file = try ConfigurationFile(path: path, allowedKeys: keys.union(Self.configurationKeys))
        }
        return Settings(environment: environment, file: file)
    }

    /// The home: `--home`, `PAAS_HOME`, `home` of the file, or the user's default. Always an absolute path.
    ///
    /// - Throws: `ConfigurationError`.
    public func resolveHome(_ settings: Settings) throws(ConfigurationError) -> PaaSHome {
        guard let root = try settings.text("home", flag: home) else {
            let owner = settings.environment[Self.ownerVariable].flatMap { UInt32($0) }
            return PaaSHome(environment: settings.environment, userID: owner ?? geteuid())
        }
        guard !root.isEmpty else { throw ConfigurationError(source: "--home", message: "is empty; name a directory") }
        guard !root.hasPrefix("/") else { return PaaSHome(root: root) }
        return PaaSHome(root: FileManager.default.currentDirectoryPath + "/" + root)
    }

    /// The log level, `info` unless set.
    ///
    /// - Throws: `ConfigurationError` for a word that is no level.
    public func resolveLogLevel(_ settings: Settings) throws(ConfigurationError) -> Logger.Level {
        try settings.value("log-level", flag: logLevel) { text, source in
            guard let level = Logger.Level(rawValue: text.lowercased()) else {
                let words = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
                throw PaaSModel.ValidationError(field: source, message: "'\(text.prefix(40))' is not one of \(words)")
            }
            return level
        } ?? .info
    }

    /// The log format, `text` unless set.
    ///
    /// - Throws: `ConfigurationError` for a word that is no format.
    public func resolveLogFormat(_ settings: Settings) throws(ConfigurationError) -> LogFormat {
        try settings.value("log-format", flag: logFormat?.rawValue) { text, source in
            guard let format = LogFormat(rawValue: text) else {
                throw PaaSModel.ValidationError(field: source, message: "'\(text.prefix(40))' is not 'text' or 'json'")
            }
            return format
        } ?? .text
    }
}

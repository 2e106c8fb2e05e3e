// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Where a program's settings come from: a flag wins over the environment, that over the configuration file.
///
/// The setting `log-level` is the flag `--log-level`, the variable `PAAS_LOG_LEVEL` and the key `log-level`.
public struct Settings: Sendable {
    /// The process's environment.
    public let environment: [String: String]
    /// The configuration file, if there is one.
    public let file: ConfigurationFile?

    /// Joins the sources; an empty variable counts as absent.
    public init(environment: [String: String], file: ConfigurationFile?) {
        self.environment = environment
        self.file = file
    }

    /// The variable of a setting: `log-level` → `PAAS_LOG_LEVEL`.
    public static func variable(_ name: String) -> String {
        "PAAS_" + name.uppercased().map { $0 == "-" || $0 == "." ? "_" : String($0) }.joined()
    }

    /// A setting as text; nil when no source has it.
    ///
    /// - Throws: `ConfigurationError` when the file's value is a list.
    public func text(_ name: String, flag: String?) throws(ConfigurationError) -> String? {
        if let flag { return flag }
        if let value = environment[Self.variable(name)], !value.isEmpty { return value }
        return try file?.text(name)
    }

    /// A parsed setting; nil when no source has it.
    ///
    /// - Parameters:
    ///   - name: of the flag without dashes, `log-level`.
    ///   - flag: the flag's value, when it was given.
    ///   - parse: reads the text; gets the name of the source (`--listen`, `PAAS_LISTEN`, `listen`) for its error.
    /// - Throws: `ConfigurationError` naming the source that `parse` refused.
    public func value<Value>(
        _ name: String, flag: String?, parse: (_ text: String, _ source: String) throws -> Value
    ) throws(ConfigurationError) -> Value? {
        guard let text = try text(name, flag: flag) else { return nil }
        do {
            return try parse(text, name)
        } catch let error as PaaSModel.ValidationError {
            if flag != nil { throw ConfigurationError(source: "--\(name)", message: error.message) }
            if environment[Self.variable(name)]?.isEmpty == false {
                throw ConfigurationError(source: Self.variable(name), message: error.message)
            }
            throw file?.invalid(name, error.message) ?? ConfigurationError(source: name, message: error.message)
        } catch {
            throw ConfigurationError(source: name, message: "\(error)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import TOMLKit

/// A TOML file with settings, read strictly: a key that the program does not know is an error.
///
/// Keys are spelled as the flags without their dashes (`log-level`); a key inside a table is `table.key`.
public struct ConfigurationFile: Sendable {
    /// Largest file that is read.
    public static let maxBytes = 1 << 20

    /// The file's path, as given.
    public let path: String
    /// Keys that the program knows.
    public let allowedKeys: Set<String>
    private let text: String
    private let values: [String: ConfigurationValue]

    /// Reads a file.
    ///
    /// - Throws: `ConfigurationError` when the file cannot be read, is not TOML, or has an unknown key.
    public init(path: String, allowedKeys: Set<String>) throws(ConfigurationError) {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            let missing = !FileManager.default.fileExists(atPath: path)
            throw ConfigurationError(
                source: path,
                message: missing
                    ? "there is no such file; check --config"
                    : "cannot be read; check its permissions and that it is a file")
        }
        guard data.count <= Self.maxBytes, let text = String(validating: data, as: UTF8.self) else {
            throw ConfigurationError(source: path, message: "is not UTF-8 text of at most 1 MiB")
        }
        try self.init(text: text, path: path, allowedKeys: allowedKeys)
    }

    /// Reads text that came from a file.
    ///
    /// - Throws: `ConfigurationError`, see ``init(path:allowedKeys:)``.
    public init(text: String, path: String, allowedKeys: Set<String>) throws(ConfigurationError) {
        self.path = path
        self.allowedKeys = allowedKeys
        self.text = text
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            throw ConfigurationError(
                source: path, line: error.source.begin.line, message: "is not valid TOML: \(error.description)")
        } catch {
            throw ConfigurationError(source: path, message: "is not valid TOML")
        }
        var values: [String: ConfigurationValue] = [:]
        try Self.flatten(table, prefix: "", into: &values, path: path, text: text, allowedKeys: allowedKeys)
        self.values = values
    }

    /// Reads the same file again, for SIGHUP.
    ///
    /// - Throws: `ConfigurationError`; the program then keeps what it has.
    public func reread() throws(ConfigurationError) -> ConfigurationFile {
        try ConfigurationFile(path: path, allowedKeys: allowedKeys)
    }

    /// The value of a key in any scalar type as text; nil when the key is absent.
    ///
    /// - Throws: `ConfigurationError` when it is a list.
    public func text(_ key: String) throws(ConfigurationError) -> String? {
        guard let value = values[key] else { return nil }
        guard let text = value.text else { throw wrongKind(key, value, wanted: "a single value") }
        return text
    }

    /// A string; nil when the key is absent.
    ///
    /// - Throws: `ConfigurationError` when the value is of another type.
    public func string(_ key: String) throws(ConfigurationError) -> String? {
        guard let value = values[key] else { return nil }
        guard case .string(let text) = value else { throw wrongKind(key, value, wanted: "a string") }
        return text
    }

    /// An integer; nil when the key is absent.
    ///
    /// - Throws: `ConfigurationError` when the value is of another type.
    public func integer(_ key: String) throws(ConfigurationError) -> Int? {
        guard let value = values[key] else { return nil }
        guard case .integer(let number) = value else { throw wrongKind(key, value, wanted: "an integer") }
        return number
    }

    /// A number, also written as an integer; nil when the key is absent.
    ///
    /// - Throws: `ConfigurationError` when the value is of another type.
    public func number(_ key: String) throws(ConfigurationError) -> Double? {
        switch values[key] {
        case nil: return nil
        case .number(let number): return number
        case .integer(let number): return Double(number)
        case .some(let value): throw wrongKind(key, value, wanted: "a number")
        }
    }

    /// A boolean; nil when the key is absent.
    ///
    /// - Throws: `ConfigurationError` when the value is of another type.
    public func boolean(_ key: String) throws(ConfigurationError) -> Bool? {
        guard let value = values[key] else { return nil }
        guard case .boolean(let flag) = value else { throw wrongKind(key, value, wanted: "true or false") }
        return flag
    }

    /// A list of strings; nil when the key is absent.
    ///
    /// - Throws: `ConfigurationError` when the value is of another type.
    public func strings(_ key: String) throws(ConfigurationError) -> [String]? {
        guard let value = values[key] else { return nil }
        guard case .strings(let list) = value else { throw wrongKind(key, value, wanted: "a list of strings") }
        return list
    }

    /// A list of integers; nil when the key is absent.
    ///
    /// - Throws: `ConfigurationError` when the value is of another type.
    public func integers(_ key: String) throws(ConfigurationError) -> [Int]? {
        guard let value = values[key] else { return nil }
        guard case .integers(let list) = value else { throw wrongKind(key, value, wanted: "a list of integers") }
        return list
    }

    /// Keys with values below a table, without the table's name: `keys(below: "env")`.
    public func keys(below table: String) -> [String] {
        values.keys.filter { $0.hasPrefix(table + ".") }.map { String($0.dropFirst(table.count + 1)) }.sorted()
    }

    /// An error about a key's value, with the line where it stands.
    public func invalid(_ key: String, _ message: String) -> ConfigurationError {
        ConfigurationError(source: path, line: Self.line(of: key, in: text), message: "'\(key)' \(message)")
    }

    private func wrongKind(_ key: String, _ value: ConfigurationValue, wanted: String) -> ConfigurationError {
        invalid(key, "is \(value.kind), not \(wanted)")
    }
}

extension ConfigurationFile {
    /// Collects the leaves of a table under dotted names; `allowedKeys` may hold `table.*` for free names in a table.
    private static func flatten(
        _ table: TOMLTable, prefix: String, into values: inout [String: ConfigurationValue], path: String, text: String,
        allowedKeys: Set<String>
    ) throws(ConfigurationError) {
        for key in table.keys.sorted() {
            let name = prefix + key
            guard let value = table[key] else { continue }
            func error(_ message: String) -> ConfigurationError {
                ConfigurationError(source: path, line: line(of: name, in: text), message: message)
            }
            if let nested = value.table, allowedKeys.contains(where: { $0.hasPrefix(name + ".") }) {
                try flatten(
                    nested, prefix: name + ".", into: &values, path: path, text: text, allowedKeys: allowedKeys)
            } else if !allowedKeys.contains(name) && !allowedKeys.contains(prefix + "*") {
                let known = allowedKeys.sorted().joined(separator: ", ")
                throw error("unknown key '\(name)'; known keys are \(known)")
            } else if let leaf = ConfigurationValue(value) {
                values[name] = leaf
            } else {
                throw error("'\(name)' is not a string, number, boolean or list of strings or integers")
            }
        }
    }

    /// The line where a key stands, found in the text because TOMLKit keeps positions only for syntax errors.
    static func line(of key: String, in text: String) -> Int? {
        var table = ""
        for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = raw.filter { $0 != " " && $0 != "\t" && $0 != "\r" && $0 != "\"" && $0 != "'" }
            if line.hasPrefix("[") {
                table = String(line.drop { $0 == "[" }.prefix { $0 != "]" })
                if table == key { return index + 1 }
                table += "."
            } else if (table + line.prefix { $0 != "=" }) == key, line.contains("=") {
                return index + 1
            }
        }
        return nil
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import ProgramSupport

/// A file of variables for `--env-file`.
///
/// One `KEY=VALUE` a line; blank lines and lines that begin with `#` are skipped; `export ` before the key is
/// allowed. A value in single quotes is taken as it is; in double quotes `\n`, `\t`, `\"`, `\\` and `\$` are
/// understood. Without quotes, ` #` begins a comment and spaces around the value go. Nothing is expanded.
enum EnvironmentFile {
    /// Reads the variables, in the order of the file.
    ///
    /// - Throws: `ConfigurationError` with the line, and never with a value.
    static func parse(_ text: String, path: String) throws(ConfigurationError) -> [EnvironmentVariable] {
        var variables: [EnvironmentVariable] = []
        for (index, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            var line = raw.drop(while: \.isWhitespace)
            if line.isEmpty || line.hasPrefix("#") { continue }
            if line.hasPrefix("export ") { line = line.dropFirst(7).drop(while: \.isWhitespace) }
            func error(_ message: String) -> ConfigurationError {
                ConfigurationError(source: path, line: index + 1, message: message)
            }
            guard let equals = line.firstIndex(of: "=") else { throw error("is not KEY=VALUE") }
            let key = line[..<equals].trimmed()
            guard let value = value(line[line.index(after: equals)...]) else {
                throw error("the quotes of the value do not close, or something follows them")
            }
            guard let variable = EnvironmentVariable(key: key, value: value) else {
                throw error("'\(key.prefix(80))' is not a variable name (letters, digits and '_')")
            }
            variables.append(variable)
        }
        return variables
    }

    private static func value(_ text: Substring) -> String? {
        let text = text.drop(while: \.isWhitespace)
        guard let quote = text.first, quote == "\"" || quote == "'" else {
            return unquoted(text)
        }
        var value = ""
        var rest = text.dropFirst()
        while let character = rest.popFirst() {
            if character == quote {
                let after = rest.drop(while: \.isWhitespace)
                return after.isEmpty || after.hasPrefix("#") ? value : nil
            }
            guard character == "\\", quote == "\"", let next = rest.first else {
                value.append(character)
                continue
            }
            switch next {
            case "n": value.append("\n")
            case "t": value.append("\t")
            case "\"", "\\", "$": value.append(next)
            default: value += "\\\(next)"
            }
            rest.removeFirst()
        }
        return nil
    }

    private static func unquoted(_ text: Substring) -> String {
        var end = text.endIndex
        var previousIsSpace = true
        for index in text.indices {
            if text[index] == "#", previousIsSpace {
                end = index
                break
            }
            previousIsSpace = text[index].isWhitespace
        }
        return text[..<end].trimmed()
    }
}

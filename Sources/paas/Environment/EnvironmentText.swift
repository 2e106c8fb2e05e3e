// SPDX-License-Identifier: Apache-2.0

/// Variables as lines that ``EnvironmentFile`` reads back.
enum EnvironmentText {
    /// One `KEY=VALUE` a line in the order of the keys, quoted where it must be.
    static func lines(_ variables: [String: String]) -> String {
        variables.sorted { $0.key < $1.key }.map { "\($0.key)=\(quoted($0.value))\n" }.joined()
    }

    private static func quoted(_ value: String) -> String {
        let plain = value.unicodeScalars.allSatisfy { scalar in
            scalar.isASCII && (scalar.properties.isAlphabetic || "0123456789_-.,:/@%+=".unicodeScalars.contains(scalar))
        }
        guard !plain else { return value }
        var text = "\""
        for character in value {
            switch character {
            case "\n": text += "\\n"
            case "\t": text += "\\t"
            case "\"", "\\", "$": text += "\\\(character)"
            default: text.append(character)
            }
        }
        return text + "\""
    }
}

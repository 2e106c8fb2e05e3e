// SPDX-License-Identifier: Apache-2.0

/// Text from strangers, made safe for a terminal.
enum DisplayText {
    /// Control characters shown instead of obeyed (CVE-2021-25743): C0 except tab, DEL, C1, and the characters that
    /// change the direction of text. Everything else is unchanged.
    static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isUnsafe) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if isUnsafe(scalar) {
                result += escape(scalar)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Text for a stream: escaped when it is a terminal, raw otherwise.
    static func forStream(_ text: String, isTerminal: Bool) -> String { isTerminal ? escaped(text) : text }

    private static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09: false
        case 0x00...0x1F, 0x7F...0x9F: true
        // Arabic letter mark, marks, embeddings, overrides and isolates: they reorder what stands around them.
        case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        // Line and paragraph separator end a line for some terminals and pagers.
        case 0x2028, 0x2029: true
        default: false
        }
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\u{1B}": return "\\e"
        default:
            let digits = String(scalar.value, radix: 16)
            if scalar.value > 0xFF { return "\\u{\(digits)}" }
            return "\\x" + (digits.count == 1 ? "0" : "") + digits
        }
    }
}

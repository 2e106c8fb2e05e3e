// SPDX-License-Identifier: Apache-2.0

/// Keys of a terminal, out of the bytes that it sends (ECMA-48 sequences, as xterm, tmux and the Linux console do).
enum Key: Hashable, Sendable {
    case character(Character)
    case up, down, left, right, pageUp, pageDown, home, end
    case escape

    /// Reads the keys in one piece of input. A sequence that means nothing here is skipped as a whole.
    static func parse(_ bytes: [UInt8]) -> [Key] {
        var keys: [Key] = []
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            guard byte == 0x1B else {
                if byte >= 0x20, byte < 0x7F { keys.append(.character(Character(Unicode.Scalar(byte)))) }
                continue
            }
            guard let kind = rest.first, kind == UInt8(ascii: "[") || kind == UInt8(ascii: "O") else {
                // The Escape key itself, or Alt with a key, which counts as the key.
                keys.append(.escape)
                continue
            }
            rest = rest.dropFirst()
            let parameters = rest.prefix { (0x30...0x3F).contains($0) || (0x20...0x2F).contains($0) }
            rest = rest.dropFirst(parameters.count)
            guard let final = rest.popFirst() else { break }
            if let key = key(final: final, parameter: parameters.prefix { (0x30...0x39).contains($0) }) {
                keys.append(key)
            }
        }
        return keys
    }

    private static func key(final: UInt8, parameter: ArraySlice<UInt8>) -> Key? {
        switch final {
        case UInt8(ascii: "A"): .up
        case UInt8(ascii: "B"): .down
        case UInt8(ascii: "C"): .right
        case UInt8(ascii: "D"): .left
        case UInt8(ascii: "H"): .home
        case UInt8(ascii: "F"): .end
        case UInt8(ascii: "~"):
            switch String(decoding: parameter, as: UTF8.self) {
            case "1", "7": .home
            case "4", "8": .end
            case "5": .pageUp
            case "6": .pageDown
            default: nil
            }
        default: nil
        }
    }
}

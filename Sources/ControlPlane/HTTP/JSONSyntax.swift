// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Checks that bytes are one JSON text as RFC 8259 has it, and says where they are not.
///
/// `JSONDecoder` decodes afterwards; on Linux it tells no position, reads strings and numbers only when asked for
/// them, and lets trailing commas pass.
struct JSONSyntax {
    /// Deepest nesting of arrays and objects.
    static let maxDepth = 64

    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// - Throws: `Problem` 400 with line and column, both from 1; columns count bytes.
    static func check(_ bytes: [UInt8]) throws {
        if let invalid = UTF8Check.firstInvalid(bytes) {
            throw JSONSyntax(bytes).problem("bytes that are not UTF-8", at: invalid)
        }
        var syntax = JSONSyntax(bytes)
        syntax.skipSpace()
        try syntax.value()
        syntax.skipSpace()
        guard syntax.position == bytes.count else { throw syntax.problem("text after the end") }
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func value() throws {
        switch next {
        case UInt8(ascii: "{"): try container(close: UInt8(ascii: "}"), isObject: true)
        case UInt8(ascii: "["): try container(close: UInt8(ascii: "]"), isObject: false)
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        case .some(let byte) where byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte): try number()
        default: throw problem("a value is expected")
        }
    }

    private mutating func container(close: UInt8, isObject: Bool) throws {
        depth += 1
        guard depth <= Self.maxDepth else { throw problem("nested deeper than \(Self.maxDepth) levels") }
        position += 1
        skipSpace()
        if next == close {
            position += 1
            depth -= 1
            return
        }
        while true {
            if isObject {
                guard next == UInt8(ascii: "\"") else { throw problem("a key in double quotes is expected") }
                try string()
                skipSpace()
                guard next == UInt8(ascii: ":") else { throw problem("':' is expected") }
                position += 1
                skipSpace()
            }
            try value()
            skipSpace()
            guard next == UInt8(ascii: ",") else { break }
            position += 1
            skipSpace()
        }
        guard next == close else { throw problem("',' or '\(Character(UnicodeScalar(close)))' is expected") }
        position += 1
        depth -= 1
    }

    private mutating func string() throws {
        position += 1
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\"): try escape()
            case ..<0x20: throw problem("a control character in a string must be escaped")
            default: position += 1
            }
        }
        throw problem("the string has no end")
    }

    private mutating func escape() throws {
        let start = position
        position += 1
        switch next {
        case UInt8(ascii: "u"):
            let unit = try hexUnit()
            guard (0xD800...0xDFFF).contains(unit) else { return }
            // A high surrogate counts only together with the low one that follows it.
            guard unit < 0xDC00, next == UInt8(ascii: "\\") else { throw problem("a lone surrogate", at: start) }
            position += 1
            guard next == UInt8(ascii: "u"), (0xDC00...0xDFFF).contains(try hexUnit()) else {
                throw problem("a lone surrogate", at: start)
            }
        case .some(let byte) where "\"\\/bfnrt".utf8.contains(byte): position += 1
        default: throw problem("an unknown escape")
        }
    }

    /// Reads `uXXXX`.
    private mutating func hexUnit() throws -> Int {
        position += 1
        guard position + 4 <= bytes.count else { throw problem("four hex digits are expected") }
        let digits = String(decoding: bytes[position..<position + 4], as: UTF8.self)
        guard digits.allSatisfy(\.isHexDigit), let unit = Int(digits, radix: 16) else {
            throw problem("four hex digits are expected")
        }
        position += 4
        return unit
    }

    private mutating func number() throws {
        if next == UInt8(ascii: "-") { position += 1 }
        if next == UInt8(ascii: "0") { position += 1 } else { try digits() }
        if next == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
    }

    private mutating func digits() throws {
        let start = position
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        guard position > start else { throw problem("a digit is expected") }
    }

    private mutating func word(_ text: String) throws {
        guard bytes[position...].starts(with: text.utf8) else { throw problem("a value is expected") }
        position += text.utf8.count
    }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
    }

    private func problem(_ what: String, at place: Int? = nil) -> Problem {
        let before = bytes[..<(place ?? position)]
        let line = before.count { $0 == 0x0A } + 1
        let column = before.count - (before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0) + 1
        return .malformed("the body is not valid JSON: line \(line), column \(column): \(what)")
    }
}

/// Finds where bytes stop being UTF-8.
private enum UTF8Check {
    static func firstInvalid(_ bytes: [UInt8]) -> Int? {
        guard String(validating: bytes, as: UTF8.self) == nil else { return nil }
        // Only for the message: the longest prefix that is valid, found by halves.
        var (low, high) = (0, bytes.count)
        while low + 1 < high {
            let middle = (low + high) / 2
            // A prefix may end inside a character: up to three bytes less are then valid.
            let valid = (0...3).contains { String(validating: bytes[..<max(0, middle - $0)], as: UTF8.self) != nil }
            if valid { low = middle } else { high = middle }
        }
        return low
    }
}

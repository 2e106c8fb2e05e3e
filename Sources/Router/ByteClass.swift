// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Which bytes may stand where, RFC 9110 §5.5, §5.6.2 and RFC 9112 §3.2.
enum ByteClass {
    /// `tchar`: what methods, field names and codings are made of. Two words with one bit per ASCII character.
    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0..<64: 0x03FF_6CFA_0000_0000 as UInt64 >> byte & 1 == 1
        case 64..<128: 0x57FF_FFFF_C7FF_FFFE as UInt64 >> (byte - 64) & 1 == 1
        default: false
        }
    }

    /// What a field value or a reason phrase is made of: no control characters but the tab.
    static func isFieldValue(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == 0x09 }

    /// What a request target is made of: printable ASCII, and no `#`, since a fragment is never sent.
    static func isTarget(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F && byte != 0x23 }

    static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    static func isWhitespace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// The value of a hexadecimal digit.
    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    static func lowercased(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }
}

extension Collection<UInt8> {
    /// Whether the bytes are `text` in any case; `text` is lower-case ASCII.
    func isCaseInsensitive(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        return text.withUTF8Buffer { expected in
            zip(self, expected).allSatisfy { ByteClass.lowercased($0) == $1 }
        }
    }
}

extension BidirectionalCollection<UInt8> {
    /// The bytes without spaces and tabs at both ends.
    var trimmed: SubSequence {
        guard let first = firstIndex(where: { !ByteClass.isWhitespace($0) }),
            let last = lastIndex(where: { !ByteClass.isWhitespace($0) })
        else { return self[startIndex..<startIndex] }
        return self[first...last]
    }
}

extension UnsafeRawBufferPointer {
    /// Where a byte is first in a range; nil when it is nowhere.
    func firstIndex(of byte: UInt8, in range: Range<Int>) -> Int? {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        guard let baseAddress, !range.isEmpty,
            let found = memchr(baseAddress + range.lowerBound, Int32(byte), range.count)
        else { return nil }
        return UnsafeRawPointer(found) - baseAddress
    }

    /// Whether the bytes in a range are exactly these.
    func holds(_ bytes: [UInt8], at range: Range<Int>) -> Bool {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        guard range.count == bytes.count else { return false }
        return bytes.withUnsafeBytes { expected in
            guard let baseAddress, let other = expected.baseAddress else { return true }
            return memcmp(baseAddress + range.lowerBound, other, expected.count) == 0
        }
    }

    /// Whether a field value may be made of the bytes in a range. Without a way out in the middle, so that the compiler takes
    /// many bytes at a time.
    func isFieldValue(in range: Range<Int>) -> Bool {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        var bad: UInt8 = 0
        for index in range {
            let byte = self[index]
            let isControl: UInt8 = byte < 0x20 ? 1 : 0
            let isTab: UInt8 = byte == 0x09 ? 1 : 0
            let isDelete: UInt8 = byte == 0x7F ? 1 : 0
            bad |= isControl & ~isTab | isDelete
        }
        return bad == 0
    }
}

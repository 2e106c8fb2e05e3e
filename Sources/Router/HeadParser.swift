// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Reads complete heads strictly: what RFC 9112 lets a recipient repair is refused, because the next hop might repair
/// it differently.
enum HeadParser {
    /// Reads a request's head.
    ///
    /// - Parameter bytes: the head without its final empty line, every line ending in CR LF.
    /// - Throws: ``FramingError`` with status 400, 414 or 505.
    static func request(_ bytes: ByteBuffer, maxTarget: Int) throws(FramingError) -> RequestHead {
        try read(bytes) { all throws(FramingError) in
            let line = 0..<lineEnd(all, from: 0)
            guard let space = all.firstIndex(of: 0x20, in: line), space > 0, space <= 32,
                all[0..<space].allSatisfy(ByteClass.isToken)
            else { throw .malformed("The request line does not begin with a method.") }
            let rest = space + 1..<line.upperBound
            guard let second = all.firstIndex(of: 0x20, in: rest) else {
                throw .malformed("The request line has no HTTP version.")
            }
            let target = rest.lowerBound..<second
            guard target.count <= maxTarget else { throw .targetTooLong }
            guard !target.isEmpty, all[target].allSatisfy(ByteClass.isTarget) else {
                throw .malformed("The request target has a character that is not allowed.")
            }
            return RequestHead(
                bytes: bytes, method: 0..<space, kind: RequestMethod(all[0..<space]), target: target,
                minorVersion: try minorVersion(all[second + 1..<line.upperBound]),
                fields: try fields(all, from: min(line.upperBound + 2, all.count)))
        }
    }

    /// Reads an answer's head.
    ///
    /// - Parameter bytes: the head without its final empty line, every line ending in CR LF.
    static func response(_ bytes: ByteBuffer) throws(FramingError) -> ResponseHead {
        try read(bytes) { all throws(FramingError) in
            let line = 0..<lineEnd(all, from: 0)
            guard line.count >= 12, all[8] == 0x20, all[9...11].allSatisfy(ByteClass.isDigit), all[9] != 0x30 else {
                throw .malformed("The status line is not one of HTTP/1.1.")
            }
            let status = all[9...11].reduce(0) { $0 * 10 + Int($1 - 0x30) }
            var reason = 12..<line.upperBound
            if !reason.isEmpty {
                guard all[12] == 0x20, all[reason].allSatisfy(ByteClass.isFieldValue) else {
                    throw .malformed("The reason phrase has a character that is not allowed.")
                }
                reason = 13..<line.upperBound
            }
            return ResponseHead(
                bytes: bytes, status: status, reason: reason, minorVersion: try minorVersion(all[0..<8]),
                fields: try fields(all, from: min(line.upperBound + 2, all.count)))
        }
    }

    /// Reads the fields of a trailer section, the bytes as for a head.
    static func trailers(_ bytes: ByteBuffer) throws(FramingError) -> [FieldLine] {
        try read(bytes) { all throws(FramingError) in try fields(all, from: 0) }
    }

    private static func read<Result>(
        _ bytes: ByteBuffer, _ body: (UnsafeRawBufferPointer) throws(FramingError) -> Result
    ) throws(FramingError) -> Result {
        // withUnsafeReadableBytes cannot rethrow a typed error, so it goes through a value.
        let result = bytes.withUnsafeReadableBytes { all in
            Swift.Result { () throws(FramingError) in try body(all) }
        }
        return try result.get()
    }

    private static func minorVersion(_ version: Slice<UnsafeRawBufferPointer>) throws(FramingError) -> Int {
        let prefix: StaticString = "HTTP/"
        let isHTTP =
            version.count == 8 && zip(version, UnsafeRawBufferPointer(start: prefix.utf8Start, count: 5)).allSatisfy(==)
        let digits = version.suffix(3)
        guard isHTTP, let major = digits.first, let minor = digits.last, ByteClass.isDigit(major),
            ByteClass.isDigit(minor), digits[digits.startIndex + 1] == 0x2E
        else { throw .malformed("The HTTP version is malformed.") }
        guard major == 0x31, minor <= 0x31 else {
            throw FramingError(status: 505, detail: "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        }
        return Int(minor - 0x30)
    }

    /// Index of the CR that ends the line, or the end of the bytes.
    private static func lineEnd(_ all: UnsafeRawBufferPointer, from start: Int) -> Int {
        var index = start
        while let found = all.firstIndex(of: 0x0D, in: index..<all.count) {
            if found + 1 < all.count, all[found + 1] == 0x0A { return found }
            index = found + 1
        }
        return all.count
    }

    private static func fields(_ all: UnsafeRawBufferPointer, from start: Int) throws(FramingError) -> [FieldLine] {
        var fields: [FieldLine] = []
        fields.reserveCapacity(16)
        var lineStart = start
        while lineStart < all.count {
            let end = lineEnd(all, from: lineStart)
            fields.append(try field(all, lineStart..<end))
            lineStart = end + 2
        }
        return fields
    }

    private static func field(
        _ all: UnsafeRawBufferPointer, _ line: Range<Int>
    ) throws(FramingError) -> FieldLine {
        var colon = line.lowerBound
        while colon < line.upperBound, ByteClass.isToken(all[colon]) { colon += 1 }
        guard colon < line.upperBound, all[colon] == 0x3A, colon > line.lowerBound else {
            let first = line.isEmpty ? 0 : all[line.lowerBound]
            throw .malformed(
                ByteClass.isWhitespace(first)
                    ? "A field line begins with white space." : "A field name is empty or has a character not allowed.")
        }
        var start = colon + 1
        var end = line.upperBound
        while start < end, ByteClass.isWhitespace(all[start]) { start += 1 }
        while start < end, ByteClass.isWhitespace(all[end - 1]) { end -= 1 }
        guard all.isFieldValue(in: start..<end) else { throw .malformed("A field value has a control character.") }
        let name = line.lowerBound..<colon
        let known = FieldName.find(all[name])
        return FieldLine(
            name: name, value: start..<end, known: known?.field, isSpelledExactly: known?.isSpelledExactly ?? true,
            isPlain: start == colon + 2 && all[colon + 1] == 0x20 && end == line.upperBound)
    }
}

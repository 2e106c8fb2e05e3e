// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What the `Connection` fields of a message say.
struct ConnectionOptions: Equatable {
    private(set) var close = false
    private(set) var keepAlive = false
    private(set) var upgrade = false
    /// Other fields that are meant for this hop only, in lower case.
    private(set) var fieldNames: [[UInt8]] = []

    /// Adds one field's comma-separated tokens.
    mutating func add(_ value: Slice<UnsafeRawBufferPointer>) throws(FramingError) {
        var rest = value
        while !rest.isEmpty {
            let end = rest.firstIndex(of: 0x2C) ?? rest.endIndex
            let token = rest[rest.startIndex..<end].trimmed
            rest = end < rest.endIndex ? rest[(end + 1)...] : rest[end...]
            guard token.allSatisfy(ByteClass.isToken) else {
                throw .malformed("The Connection field is malformed.")
            }
            if token.isCaseInsensitive("close") {
                close = true
            } else if token.isCaseInsensitive("keep-alive") {
                keepAlive = true
            } else if token.isCaseInsensitive("upgrade") {
                upgrade = true
            } else if !token.isEmpty {
                fieldNames.append(token.map(ByteClass.lowercased))
            }
        }
    }

    /// Whether the connection may carry another message, RFC 9112 §9.3.
    func persists(minorVersion: Int) -> Bool {
        !close && (minorVersion >= 1 || keepAlive)
    }

    /// Whether a field is named here.
    func names(_ name: Slice<UnsafeRawBufferPointer>) -> Bool {
        fieldNames.contains { $0.count == name.count && zip($0, name).allSatisfy { $0 == ByteClass.lowercased($1) } }
    }
}

/// Reads `Content-Length`: digits only, at most 18 of them.
func contentLength(_ value: Slice<UnsafeRawBufferPointer>) -> Int? {
    guard !value.isEmpty, value.count <= 18, value.allSatisfy(ByteClass.isDigit) else { return nil }
    return value.reduce(0) { $0 * 10 + Int($1 - 0x30) }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHPACK

/// The head of a request that came by HTTP/2, as one of HTTP/1.1 (RFC 9113 §8.3).
///
/// HPACK carries any bytes, line ends included: everything is checked here before it becomes a line.
struct HTTP2Head {
    private(set) var method = ""
    /// The body has no length that was stated, so it is chunked.
    private(set) var isChunked = false
    /// Bytes of the body, when that was stated.
    private(set) var statedLength: Int?
    private var path: String?
    private var scheme: String?
    private var authority: String?
    private var host: String?
    private var cookies: [String] = []
    private let headers: HPACKHeaders

    /// Reads the fields of a head.
    ///
    /// - Throws: ``FramingError`` for what makes a request malformed.
    init(_ headers: HPACKHeaders, endStream: Bool) throws(FramingError) {
        self.headers = headers
        var hasFieldBegun = false
        for (name, value, _) in headers {
            if Self.isPseudoField(name) {
                guard !hasFieldBegun else { throw .malformed("A pseudo-field stands behind a field.") }
                try addPseudoField(name, value)
            } else {
                hasFieldBegun = true
                try add(name, value)
            }
        }
        isChunked = !endStream && statedLength == nil
        if let host, let authority, host != authority {
            throw .malformed("Host and :authority name different hosts.")
        }
        authority = authority ?? host
        try checkPseudoFields()
        guard !endStream || statedLength ?? 0 == 0 else {
            throw .malformed("Content-Length announces a body that does not come.")
        }
    }

    private mutating func addPseudoField(_ name: String, _ value: String) throws(FramingError) {
        let isFirst: Bool
        switch name {
        case ":method":
            isFirst = method.isEmpty
            method = value
        case ":path":
            isFirst = path == nil
            path = value
        case ":authority":
            isFirst = authority == nil
            authority = value
        case ":scheme":
            isFirst = scheme == nil
            scheme = value
        default: throw .malformed("There is a pseudo-field that is none of a request.")
        }
        guard isFirst else { throw .malformed("A pseudo-field comes twice.") }
        guard value.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw .malformed("A pseudo-field has a character not allowed.")
        }
    }

    private mutating func add(_ name: String, _ value: String) throws(FramingError) {
        switch name {
        case "cookie": cookies.append(try Self.checked(value))
        case "host":
            guard host == nil else { throw .malformed("There is more than one Host field.") }
            host = try Self.checked(value)
        case "te" where value != "trailers": throw Self.connectionField
        case "content-length":
            guard statedLength == nil else { throw .malformed("There is more than one Content-Length field.") }
            guard !value.isEmpty, value.utf8.allSatisfy(ByteClass.isDigit), let length = Int(value) else {
                throw .malformed("Content-Length is malformed.")
            }
            statedLength = length
        default:
            _ = try Self.checkedName(name)
            _ = try Self.checked(value)
        }
    }

    private static func isPseudoField(_ name: String) -> Bool { name.utf8.first == UInt8(ascii: ":") }

    private func checkPseudoFields() throws(FramingError) {
        guard let scheme, !scheme.isEmpty, method != "CONNECT" else {
            throw .malformed("There is no scheme, or it is no request for a resource.")
        }
        guard !method.isEmpty, method.utf8.allSatisfy(ByteClass.isToken), let path,
            path.utf8.allSatisfy(ByteClass.isTarget), path.utf8.first == UInt8(ascii: "/") || path == "*"
        else { throw .malformed("Method or path is malformed.") }
    }

    /// Writes the head; the connection it pretends to be ends with the answer.
    func write(into buffer: inout ByteBuffer) {
        buffer.writeString(method)
        buffer.writeStaticString(" ")
        buffer.writeString(path ?? "")
        buffer.writeStaticString(" HTTP/1.1\r\n")
        buffer.writeField("Host", authority ?? "")
        for (name, value, _) in headers where !Self.isPseudoField(name) && name != "cookie" && name != "host" {
            buffer.writeString(name)
            buffer.writeStaticString(": ")
            buffer.writeString(value)
            buffer.writeStaticString("\r\n")
        }
        // RFC 9113 §8.2.3: several fields are one, cut for the sake of compression.
        if !cookies.isEmpty { buffer.writeField("cookie", cookies.joined(separator: "; ")) }
        if isChunked { buffer.writeStaticString("Transfer-Encoding: chunked\r\n") }
        buffer.writeStaticString("Connection: close\r\n\r\n")
    }

    /// Reads the fields of a trailer section.
    static func trailers(_ headers: HPACKHeaders) throws(FramingError) -> Trailers {
        var buffer = ByteBuffer()
        for (name, value, _) in headers {
            buffer.writeString("\(try checkedName(name)): \(try checked(value))\r\n")
        }
        return try Trailers(buffer)
    }

    /// The head of an answer that the router wrote, for HPACK.
    static func write(_ head: ResponseHead, into buffer: inout ByteBuffer) {
        HTTP2FieldWriter.writeStatus(head.status, into: &buffer)
        write(head.fields, of: head.bytes, into: &buffer)
    }

    /// A trailer section that the router wrote, for HPACK.
    static func write(_ trailers: Trailers, into buffer: inout ByteBuffer) {
        write(trailers.fields, of: trailers.bytes, into: &buffer)
    }

    private static func write(_ fields: [FieldLine], of bytes: ByteBuffer, into buffer: inout ByteBuffer) {
        bytes.withUnsafeReadableBytes { all in
            for field in fields {
                switch field.known {
                // Content-Length is no matter of connections here.
                case let known? where known.isHopByHop && known != .contentLength: continue
                default: HTTP2FieldWriter.write(field, all, into: &buffer)
                }
            }
        }
    }

    private static let connectionField = FramingError.malformed(
        "A field of HTTP/1.1 connections has no place in HTTP/2.")

    private static func checkedName(_ name: String) throws(FramingError) -> String {
        switch name {
        case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade": throw connectionField
        default: break
        }
        guard !name.isEmpty, name.utf8.allSatisfy({ ByteClass.isToken($0) && ByteClass.lowercased($0) == $0 }) else {
            throw .malformed("A field name is empty or has a character not allowed.")
        }
        return name
    }

    private static func checked(_ value: String) throws(FramingError) -> String {
        guard value.utf8.allSatisfy(ByteClass.isFieldValue) else {
            throw .malformed("A field value has a control character.")
        }
        return value
    }
}

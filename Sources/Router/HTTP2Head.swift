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
    private var path = ""
    private var authority: String?
    private var cookies: [String] = []
    private var fields: [(name: String, value: String)] = []

    /// Reads the fields of a head.
    ///
    /// - Throws: ``FramingError`` for what makes a request malformed.
    init(_ headers: HPACKHeaders, endStream: Bool) throws(FramingError) {
        var hasLength = false
        var host: String?
        for (name, value, _) in headers {
            switch name {
            case ":method": method = value
            case ":path": path = value
            case ":authority": authority = value
            case ":scheme": break
            case "cookie": cookies.append(try Self.checked(value))
            case "host":
                guard host == nil else { throw .malformed("There is more than one Host field.") }
                host = value
            case "te" where value.lowercased() != "trailers",
                "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
                throw .malformed("A field of HTTP/1.1 connections has no place in HTTP/2.")
            default:
                hasLength = hasLength || name == "content-length"
                fields.append((try Self.checkedName(name), try Self.checked(value)))
            }
        }
        isChunked = !endStream && !hasLength
        if let host, let authority, host != authority {
            throw .malformed("Host and :authority name different hosts.")
        }
        authority = authority ?? host
        let isValid =
            !method.isEmpty && method.utf8.allSatisfy(ByteClass.isToken) && !path.isEmpty
            && path.utf8.allSatisfy(ByteClass.isTarget)
        guard isValid, path.utf8.first == UInt8(ascii: "/") || path == "*" else {
            throw .malformed("Method or path is malformed.")
        }
        authority = try authority.map { text throws(FramingError) in try Self.checked(text) }
    }

    /// Writes the head; the connection it pretends to be ends with the answer.
    func write(into buffer: inout ByteBuffer) {
        buffer.writeString("\(method) \(path) HTTP/1.1\r\nHost: \(authority ?? "")\r\n")
        for (name, value) in fields { buffer.writeString("\(name): \(value)\r\n") }
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

    /// The head of an answer that the router wrote.
    static func headers(of head: ResponseHead) -> HPACKHeaders {
        var headers = HPACKHeaders([(":status", String(head.status))])
        add(head.fields, of: head.bytes, to: &headers)
        return headers
    }

    /// A trailer section that the router wrote.
    static func headers(of trailers: Trailers) -> HPACKHeaders {
        var headers = HPACKHeaders()
        add(trailers.fields, of: trailers.bytes, to: &headers)
        return headers
    }

    private static func add(_ fields: [FieldLine], of bytes: ByteBuffer, to headers: inout HPACKHeaders) {
        for field in fields {
            switch field.known {
            // Content-Length is no matter of connections here.
            case let known? where known.isHopByHop && known != .contentLength: continue
            default: headers.add(name: bytes.text(field.name).lowercased(), value: bytes.text(field.value))
            }
        }
    }

    private static func checkedName(_ name: String) throws(FramingError) -> String {
        guard !name.isEmpty, name.utf8.allSatisfy(ByteClass.isToken) else {
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

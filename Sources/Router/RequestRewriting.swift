// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Writes a request's head as the app gets it: hop-by-hop fields and everything that a client may not say about
/// itself are left out, and the router's own knowledge is added.
struct RequestRewriting {
    let head: RequestHead
    let facts: RequestFacts
    let request: AppRequest
    let client: Client
    let requestID: String

    /// Writes the head.
    ///
    /// - Parameter upstream: where it goes; its address is the Host when the client sent none.
    func write(to upstream: Upstream, into buffer: inout ByteBuffer) {
        let authority = request.authority.isEmpty ? "\(upstream.host):\(upstream.port)" : request.authority
        head.bytes.withUnsafeReadableBytes { all in
            buffer.writeBytes(all[head.method])
            buffer.writeString(" \(request.target) HTTP/1.1\r\nHost: \(authority)\r\n")
            for field in head.fields where isPassedOn(field, all) {
                buffer.writeField(field, all)
            }
            writeFraming(into: &buffer, all)
        }
        buffer.writeField("X-Forwarded-For", client.address)
        buffer.writeStaticString(client.isEncrypted ? "X-Forwarded-Proto: https\r\n" : "X-Forwarded-Proto: http\r\n")
        buffer.writeField("X-Forwarded-Host", authority)
        if let prefix = request.prefix { buffer.writeField("X-Forwarded-Prefix", prefix) }
        buffer.writeField("X-Request-Id", requestID)
        buffer.writeStaticString("\r\n")
    }

    private func isPassedOn(_ field: FieldLine, _ all: UnsafeRawBufferPointer) -> Bool {
        if let known = field.known, !known.isClientsToSay { return false }
        return facts.connection.fieldNames.isEmpty || !facts.connection.names(all[field.name])
    }

    private func writeFraming(into buffer: inout ByteBuffer, _ all: UnsafeRawBufferPointer) {
        switch facts.framing {
        case .length(let length): buffer.writeField("Content-Length", String(length))
        case .chunked: buffer.writeStaticString("Transfer-Encoding: chunked\r\n")
        case .none, .untilClose: break
        }
        if facts.expectsContinue { buffer.writeStaticString("Expect: 100-continue\r\n") }
        switch (facts.upgrade, facts.acceptsTrailers) {
        case (let upgrade?, let acceptsTrailers):
            buffer.writeStaticString("Upgrade: ")
            buffer.writeBytes(all[upgrade])
            buffer.writeStaticString(
                acceptsTrailers ? "\r\nTE: trailers\r\nConnection: Upgrade, TE\r\n" : "\r\nConnection: Upgrade\r\n")
        case (nil, true): buffer.writeStaticString("TE: trailers\r\nConnection: TE\r\n")
        case (nil, false): break
        }
    }
}

extension ByteBuffer {
    /// Writes a field line as it came.
    mutating func writeField(_ field: FieldLine, _ all: UnsafeRawBufferPointer) {
        writeBytes(all[field.name])
        writeStaticString(": ")
        writeBytes(all[field.value])
        writeStaticString("\r\n")
    }

    /// Writes a field line.
    mutating func writeField(_ name: StaticString, _ value: String) {
        writeStaticString(name)
        writeStaticString(": ")
        writeString(value)
        writeStaticString("\r\n")
    }
}

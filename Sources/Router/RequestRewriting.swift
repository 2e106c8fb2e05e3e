// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Writes a request's head as the app gets it: hop-by-hop fields and everything that a client may not say about
/// itself are left out, and the router's own knowledge is added.
struct RequestRewriting {
    let head: RequestHead
    let facts: RequestFacts
    let target: AppRequest.Target
    let forwarded: ForwardedFields
    let requestID: RequestID

    /// Writes the head.
    ///
    /// - Parameter upstream: where it goes.
    func write(to upstream: Upstream, into buffer: inout ByteBuffer) {
        head.bytes.withUnsafeReadableBytes { all in
            buffer.writeBytes(all[head.method])
            buffer.writeStaticString(" ")
            switch target {
            case .text(let text): buffer.writeString(text)
            case .end(let count): buffer.writeBytes(all[head.target.upperBound - count..<head.target.upperBound])
            }
            buffer.writeStaticString(" HTTP/1.1\r\n")
            forwarded.writeHost(upstream, into: &buffer)
            var run = FieldRun()
            for field in head.fields where isPassedOn(field, all) { run.add(field, all, into: &buffer) }
            run.end(all, into: &buffer)
            writeFraming(into: &buffer, all)
        }
        forwarded.write(upstream, into: &buffer)
        buffer.writeRequestID(requestID)
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
    /// Writes the field X-Request-Id.
    mutating func writeRequestID(_ id: RequestID) {
        writeStaticString("X-Request-Id: ")
        id.write(into: &self)
        writeStaticString("\r\n")
    }

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

// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Writes an answer's head as the client gets it: hop-by-hop fields are left out, and addresses that only the app
/// knows are turned into the public ones.
struct ResponseRewriting {
    /// How the body is delimited towards the client.
    enum Framing: Equatable {
        /// No body; the length is what a body would have had (HEAD, 304).
        case none(statedLength: Int?)
        case length(Int)
        case chunked
        case untilClose
    }

    let head: ResponseHead
    let facts: ResponseFacts
    let address: PublicAddress
    let requestID: RequestID

    /// How the body of the answer to a client of this version is delimited.
    static func framing(of facts: ResponseFacts, clientMinorVersion: Int) -> Framing {
        switch facts.framing {
        case .none: .none(statedLength: facts.statedLength)
        case .length(let length): .length(length)
        case .chunked, .untilClose: clientMinorVersion == 0 ? .untilClose : .chunked
        }
    }

    /// Writes the head.
    ///
    /// - Parameters:
    ///   - connection: value of the Connection field, nil for none.
    ///   - date: value of the Date field, used when the app sent none.
    func write(framing: Framing, connection: String?, date: String, into buffer: inout ByteBuffer) {
        head.bytes.withUnsafeReadableBytes { all in
            writeStatusLine(all, into: &buffer)
            writeFieldLines(all, into: &buffer)
        }
        switch framing {
        case .none(let length?), .length(let length): buffer.writeField("Content-Length", String(length))
        case .chunked: buffer.writeStaticString("Transfer-Encoding: chunked\r\n")
        case .none(nil), .untilClose: break
        }
        if let connection { buffer.writeField("Connection", connection) }
        if !facts.hasDate { buffer.writeField("Date", date) }
        buffer.writeRequestID(requestID)
        buffer.writeStaticString("\r\n")
    }

    /// Writes the same for HPACK, where nothing is said about the connection.
    func writeFields(framing: Framing, date: String, into buffer: inout ByteBuffer) {
        HTTP2FieldWriter.writeStatus(head.status, into: &buffer)
        head.bytes.withUnsafeReadableBytes { all in
            for field in head.fields {
                switch passed(field, all) {
                case nil: break
                case .asItCame?: HTTP2FieldWriter.write(field, all, into: &buffer)
                case .rewritten(let value)?: HTTP2FieldWriter.write(field, all, value: value, into: &buffer)
                }
            }
        }
        switch framing {
        case .none(let length?), .length(let length):
            HTTP2FieldWriter.write(.contentLength, String(length), into: &buffer)
        case .chunked, .none(nil), .untilClose: break
        }
        if !facts.hasDate { HTTP2FieldWriter.write(.date, date, into: &buffer) }
        HTTP2FieldWriter.write(requestID, into: &buffer)
    }

    /// Writes an interim answer's head (1xx); for 101 with the fields that make the tunnel.
    func writeInterim(into buffer: inout ByteBuffer) {
        head.bytes.withUnsafeReadableBytes { all in
            writeStatusLine(all, into: &buffer)
            writeFieldLines(all, into: &buffer)
            if head.status == 101, let upgrade = facts.upgrade {
                buffer.writeStaticString("Connection: Upgrade\r\nUpgrade: ")
                buffer.writeBytes(all[upgrade])
                buffer.writeStaticString("\r\n")
                buffer.writeRequestID(requestID)
            }
        }
        buffer.writeStaticString("\r\n")
    }

    private func writeStatusLine(_ all: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        // All of it as it came, when it is what the router would write: status and reason of an answer of HTTP/1.1.
        if head.minorVersion == 1, head.reason.upperBound + 2 <= all.count, head.reason.lowerBound == 13 {
            return _ = buffer.writeBytes(all[0..<head.reason.upperBound + 2])
        }
        buffer.writeString("HTTP/1.1 \(head.status) ")
        buffer.writeBytes(all[head.reason])
        buffer.writeStaticString("\r\n")
    }

    private func writeFieldLines(_ all: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        var run = FieldRun()
        for field in head.fields {
            switch passed(field, all) {
            case nil: break
            case .asItCame?: run.add(field, all, into: &buffer)
            case .rewritten(let value)?:
                run.end(all, into: &buffer)
                writeRewritten(field, all, value, into: &buffer)
            }
        }
        run.end(all, into: &buffer)
    }

    private enum Passed {
        case asItCame
        case rewritten([UInt8])
    }

    /// What the client gets of a field; nil for nothing.
    private func passed(_ field: FieldLine, _ all: UnsafeRawBufferPointer) -> Passed? {
        if !facts.connection.fieldNames.isEmpty, facts.connection.names(all[field.name]) { return nil }
        switch field.known {
        case .xRequestID?: return nil
        case let known? where known.isHopByHop: return nil
        // Below a path apps share a host: one must not clear the cookies of the others and of the dashboard, whatever their
        // port, nor answer for the others by a service worker.
        case .clearSiteData? where address.prefix != nil, .serviceWorkerAllowed? where address.prefix != nil: return nil
        case .location?: return .rewritten(address.location(Array(all[field.value])))
        case .setCookie?: return .rewritten(address.cookie(Array(all[field.value])))
        default: return .asItCame
        }
    }

    private func writeRewritten(
        _ field: FieldLine, _ all: UnsafeRawBufferPointer, _ value: [UInt8], into buffer: inout ByteBuffer
    ) {
        buffer.writeBytes(all[field.name])
        buffer.writeStaticString(": ")
        buffer.writeBytes(value)
        buffer.writeStaticString("\r\n")
    }
}

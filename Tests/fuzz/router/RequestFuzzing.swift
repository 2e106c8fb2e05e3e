// SPDX-License-Identifier: Apache-2.0

import CNIOLLHTTP
import NIOCore

/// A client's bytes: understood alike however they come, and what is accepted becomes one message for the app, which two readers
/// understand as it was meant.
enum RequestFuzzing {
    static let limits = MessageReading.Limits()
    static let requestID = RequestID(loop: 0x0123_4567_89ab_cdef, number: 1)
    private static let client = Client(address: "192.0.2.1", isEncrypted: false)
    static let upstream = Upstream(id: "i", host: "127.0.0.1", port: 20_001)
    /// With what the router adds to a head, and for those that come from HTTP/2.
    static let larger = MessageReading.Limits(head: 1 << 16, fields: 1 << 12, target: 1 << 14)

    static func run(_ bytes: [UInt8], _ cuts: Cuts) {
        let whole = MessageReading.ofRequests([ByteBuffer(bytes: bytes)], limits, onRequest: passOn)
        for pieces in [cuts.pieces(of: bytes), Cuts.everyByte.pieces(of: bytes)] {
            let cut = MessageReading.ofRequests(pieces, limits)
            require(cut == whole, "in pieces \(cut), in one \(whole)")
        }
    }

    static func passOn(_ head: RequestHead, _ facts: RequestFacts, _ body: [UInt8], _ trailers: Trailers?) {
        let method = head.bytes.text(head.method)
        let destination = try? RequestRouting.destination(
            method: method, target: head.bytes.text(head.target), host: facts.host.map(head.bytes.text))
        guard case .app(let request) = destination else { return }
        var output = ByteBuffer()
        write(head, facts, request, ForwardedFields(client: client, request: request), into: &output)
        judgeMemo(head, facts, request, output)
        let writer = BodyWriter(isChunked: facts.framing == .chunked)
        for piece in Cuts(seed: UInt8(truncatingIfNeeded: body.count)).pieces(of: body) {
            writer.writeData(piece) { output.writeImmutableBuffer($0) }
        }
        writer.writeEnd(trailers, dropping: facts.connection) { output.writeImmutableBuffer($0) }
        judge(output, method: method, request, facts, body)
    }

    private static func write(
        _ head: RequestHead, _ facts: RequestFacts, _ request: AppRequest, _ forwarded: ForwardedFields,
        into output: inout ByteBuffer
    ) {
        RequestRewriting(head: head, facts: facts, target: request.target, forwarded: forwarded, requestID: requestID)
            .write(to: upstream, into: &output)
    }

    /// Where the next request of the connection is found by what is remembered of this one, it becomes the same.
    private static func judgeMemo(
        _ head: RequestHead, _ facts: RequestFacts, _ request: AppRequest, _ expected: ByteBuffer
    ) {
        var memo = RouteMemo()
        memo.remember(request, head, host: facts.host, client: client)
        guard let found = memo.find(head, host: facts.host), let forwarded = memo.forwarded else { return }
        var output = ByteBuffer()
        write(head, facts, found, forwarded, into: &output)
        require(output == expected, "remembered as \(output.text), routed as \(expected.text)")
    }

    private static func judge(
        _ output: ByteBuffer, method: String, _ request: AppRequest, _ facts: RequestFacts, _ body: [UInt8]
    ) {
        let reading = MessageReading.ofRequests([output], larger) { head, again, _, trailers in
            require(head.bytes.text(head.method) == method, "another method: \(output.text)")
            require(head.bytes.text(head.target) == request.text, "another target: \(output.text)")
            require(head.minorVersion == 1, "another version: \(output.text)")
            require((again.upgrade == nil) == (facts.upgrade == nil), "another upgrade: \(output.text)")
            require(again.expectsContinue == facts.expectsContinue, "another expectation: \(output.text)")
            for field in head.fields {
                require(field.isSpelledExactly, "a field in CGI's spelling: \(output.text)")
                guard let known = field.known else { continue }
                let count = head.fields.count { $0.known == known }
                require(known.isClientsToSay || count == 1, "\(known) \(count) times: \(output.text)")
                require(
                    known != .xForwardedFor || head.bytes.text(field.value) == "192.0.2.1",
                    "a forged address: \(output.text)")
            }
            for field in trailers?.fields ?? [] { require(field.known == nil, "a trailer: \(output.text)") }
        }
        require(
            reading.messages.count == 1 && reading.ending == .open && reading.left == 0
                && reading.messages[0].isComplete
                && reading.messages[0].body == body && reading.messages[0].framing == facts.framing,
            "passed on \(output.text), read \(reading)")
        // To llhttp everything behind an upgrade is the other protocol.
        guard facts.upgrade == nil else { return }
        let other = OtherReader(output.bytes, HTTP_REQUEST)
        // It has no name for most methods, and takes no target for what is none of HTTP's.
        if other.error == HPE_INVALID_METHOD || other.error == HPE_INVALID_URL { return }
        require(
            other.error == HPE_OK && other.messages.count == 1 && other.messages[0].isComplete
                && other.messages[0].url == Array(request.text.utf8) && other.messages[0].body == body,
            "passed on \(output.text); llhttp: \(other.error) \(other.messages)")
    }
}

extension AppRequest {
    /// The target that routing has found.
    var text: String {
        guard case .text(let text) = target else { fatalError("a target that is none of its own") }
        return text
    }
}

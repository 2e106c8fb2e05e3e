// SPDX-License-Identifier: Apache-2.0

import CNIOLLHTTP
import NIOCore
import NIOHPACK

/// An app's bytes: understood alike however they come, and what is accepted becomes one answer for the client.
enum AnswerFuzzing {
    static func run(_ bytes: [UInt8], _ cuts: Cuts) {
        guard let options = bytes.first else { return }
        let (isForHead, minorVersion, hasPrefix) = (options & 1 != 0, Int(options >> 1 & 1), options & 4 != 0)
        let answer = Array(bytes.dropFirst())
        let limits = RequestFuzzing.limits
        let whole = MessageReading.ofAnswers([ByteBuffer(bytes: answer)], limits, isForHead: isForHead) {
            passOn($0, $1, $2, $3, isForHead: isForHead, minorVersion: minorVersion, hasPrefix: hasPrefix)
        }
        for pieces in [cuts.pieces(of: answer), Cuts.everyByte.pieces(of: answer)] {
            let cut = MessageReading.ofAnswers(pieces, limits, isForHead: isForHead)
            require(cut == whole, "in pieces \(cut), in one \(whole)")
        }
    }

    private static func passOn(
        _ head: ResponseHead, _ facts: ResponseFacts, _ body: [UInt8], _ trailers: Trailers?, isForHead: Bool,
        minorVersion: Int,
        hasPrefix: Bool
    ) {
        let rewriting = ResponseRewriting(
            head: head, facts: facts,
            address: PublicAddress(
                prefix: hasPrefix ? "/apps/web" : nil, authority: "web.localhost:8080", scheme: "http",
                upstream: RequestFuzzing.upstream), requestID: RequestFuzzing.requestID)
        var output = ByteBuffer()
        guard head.status >= 200 else {
            rewriting.writeInterim(into: &output)
            return judgeInterim(output, head)
        }
        let framing = ResponseRewriting.framing(of: facts, clientMinorVersion: minorVersion)
        let answer = AnswerHead(
            rewriting: rewriting, framing: framing, connection: framing == .untilClose ? "close" : nil,
            date: "Sun, 06 Nov 1994 08:49:37 GMT")
        answer.writeLines(into: &output)
        judgeFields(of: answer, lines: output)
        let writer = BodyWriter(isChunked: framing == .chunked)
        for piece in Cuts(seed: UInt8(truncatingIfNeeded: body.count)).pieces(of: body) {
            writer.writeData(piece) { output.writeImmutableBuffer($0) }
        }
        writer.writeEnd(trailers, dropping: facts.connection) { output.writeImmutableBuffer($0) }
        judge(output, head, body, isForHead: isForHead)
    }

    /// By HTTP/2 the client is told the same.
    private static func judgeFields(of answer: AnswerHead, lines: ByteBuffer) {
        var (lines, fields) = (lines, ByteBuffer())
        answer.writeFields(into: &fields)
        var decoder = HPACKDecoder(
            allocator: ByteBufferAllocator(), maxDynamicTableSize: HPACKDecoder.maxDynamicTableSize,
            maxHeaderListSize: 1 << 20)
        guard let told = try? decoder.decodeHeaders(from: &fields) else { fatalError("no fields: \(fields.bytes)") }
        var scanner = HeadScanner(maxBytes: 1 << 20, maxFields: 1 << 16, maxStartLine: 1 << 20)
        guard let bytes = try? scanner.next(&lines), let head = try? HeadParser.response(bytes) else {
            fatalError("no head: \(lines.text)")
        }
        let expected = head.fields.filter { $0.known == .contentLength || $0.known?.isHopByHop != true }.map {
            bytes.text($0.name).lowercased() + ": " + bytes.text($0.value)
        }
        require(
            told.map { "\($0.name): \($0.value)" } == [":status: \(head.status)"] + expected,
            "told \(told) and \(bytes.text(0..<bytes.readableBytes))")
    }

    private static func judgeInterim(_ output: ByteBuffer, _ head: ResponseHead) {
        let reading = MessageReading.ofAnswers([output], RequestFuzzing.larger, isForHead: false) { again, _, _, _ in
            require(again.status == head.status, "another status: \(output.text)")
        }
        require(
            reading.messages.count == 1 && reading.ending == .open && reading.left == 0,
            "passed on \(output.text), read \(reading)")
    }

    private static func judge(_ output: ByteBuffer, _ head: ResponseHead, _ body: [UInt8], isForHead: Bool) {
        let reading = MessageReading.ofAnswers([output], RequestFuzzing.larger, isForHead: isForHead) {
            again, facts, _, _ in
            require(again.status == head.status && again.minorVersion == 1, "another status: \(output.text)")
            for known in again.fields.compactMap(\.known) where known.isHopByHop || known == .xRequestID {
                let count = again.fields.count { $0.known == known && $0.isSpelledExactly }
                require(count <= 1, "\(known) \(count) times: \(output.text)")
                let mayBe = [.contentLength, .transferEncoding, .connection, .xRequestID].contains(known)
                require(mayBe, "\(known) is passed on: \(output.text)")
            }
        }
        require(
            reading.messages.count == 1 && reading.ending == .last && reading.messages[0].isComplete
                && reading.messages[0].body == body,
            "passed on \(output.text), read \(reading)")
        let other = OtherReader(output.bytes, HTTP_RESPONSE, isForHead: isForHead)
        require(
            other.error == HPE_OK && other.messages.count == 1 && other.messages[0].isComplete
                && other.messages[0].body == body
                && other.messages[0].status == head.status,
            "passed on \(output.text); llhttp: \(other.error) \(other.messages)")
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHPACK
import Testing

@testable import Router

/// What a client of HTTP/2 is told is what one of HTTP/1.1 is told. The fuzz target `answer` holds it to that for any bytes.
struct AnswerHeadTests {
    private static func told(_ text: String, isForHead: Bool = false, prefix: String? = "/apps/web") throws -> [String]
    {
        var input = ByteBuffer(string: text)
        var scanner = HeadScanner(maxBytes: 4_096, maxFields: 100, maxStartLine: 4_096)
        let head = try HeadParser.response(try #require(try scanner.next(&input)))
        let facts = try ResponseFacts(head, isForHead: isForHead)
        let rewriting = ResponseRewriting(
            head: head, facts: facts,
            address: PublicAddress(
                prefix: prefix, authority: "web.test", scheme: "https",
                upstream: Upstream(id: "i", host: "127.0.0.1", port: 4_000)),
            requestID: RequestID(loop: 0xAB, number: 1))
        let answer = AnswerHead(
            rewriting: rewriting, framing: ResponseRewriting.framing(of: facts, clientMinorVersion: 1),
            connection: "close", date: "now")
        var fields = ByteBuffer()
        answer.writeFields(into: &fields)
        var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
        return try decoder.decodeHeaders(from: &fields).map { "\($0.name): \($0.value)" }
    }

    private static let id = "x-request-id: 00000000000000ab00000001"

    @Test func fieldsOfTheConnectionAreLeftOutAndOthersKept() throws {
        let told = try Self.told(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Own:  as it  is \r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
                + "Keep-Alive: 1\r\nX-Request-Id: theirs\r\nDate: then\r\nContent-Length: 5\r\n\r\n")
        #expect(
            told == [
                ":status: 200", "content-type: text/plain", "x-own: as it  is", "date: then", "content-length: 5",
                Self.id,
            ])
    }

    @Test func addressesAreThePublicOnes() throws {
        let told = try Self.told(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:4000/a\r\nSet-Cookie: a=1; Path=/b\r\n"
                + "Clear-Site-Data: *\r\nTransfer-Encoding: chunked\r\n\r\n")
        #expect(
            told == [
                ":status: 302", "location: https://web.test/apps/web/a", "set-cookie: a=1; Path=/apps/web/b",
                "date: now",
                Self.id,
            ])
    }

    @Test func withoutABodyTheLengthIsWhatItWouldHaveHad() throws {
        #expect(
            try Self.told("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", isForHead: true)
                == [":status: 200", "content-length: 7", "date: now", Self.id])
        #expect(
            try Self.told("HTTP/1.1 204 No Content\r\n\r\n", prefix: nil) == [":status: 204", "date: now", Self.id])
    }
}

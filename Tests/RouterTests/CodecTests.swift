// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import Router

/// The readers of heads and bodies, however the bytes are cut, and against another parser.
struct CodecTests {
    /// Everything that a request consists of, in a form that can be compared.
    private struct Message: Equatable {
        var method = ""
        var target = ""
        var fields: [String] = []
        var body = ""
        var trailers: [String] = []
    }

    private static func read(_ input: inout ByteBuffer, _ scanner: inout HeadScanner) throws -> RequestHead? {
        try scanner.next(&input).map { try HeadParser.request($0, maxTarget: 8_192) }
    }

    private static func lines(_ fields: [FieldLine], _ bytes: ByteBuffer) -> [String] {
        fields.map { "\(bytes.text($0.name)): \(bytes.text($0.value))" }
    }

    /// Reads messages from pieces as a connection would; nil when the bytes are refused.
    private static func parse(_ pieces: [ByteBuffer]) -> [Message]? {
        var input = ByteBuffer()
        var scanner = HeadScanner(maxBytes: 32_768, maxFields: 100, maxStartLine: 8_256)
        var body: BodyReader?
        var isLast = false
        var current = Message()
        var messages: [Message] = []
        do {
            for piece in pieces {
                input.append(piece)
                while true {
                    if body == nil {
                        guard let head = try read(&input, &scanner) else { break }
                        current = Message(
                            method: head.bytes.text(head.method), target: head.bytes.text(head.target),
                            fields: lines(head.fields, head.bytes))
                        let facts = try RequestFacts(head)
                        isLast = !facts.keepAlive
                        body = BodyReader(facts.framing)
                    }
                    guard let part = try body?.next(&input) else { break }
                    switch part {
                    case .data(let data): current.body += String(buffer: data)
                    case .end(let trailers):
                        current.trailers = trailers.map { lines($0.fields, $0.bytes) } ?? []
                        messages.append(current)
                        if isLast { return messages }
                        body = nil
                    }
                }
            }
        } catch {
            return nil
        }
        return messages
    }

    /// The messages that NIO's llhttp reads until it refuses something.
    private static func parseByNIO(_ bytes: ByteBuffer) -> [Message] {
        let channel = EmbeddedChannel(handler: ByteToMessageHandler(HTTPRequestDecoder()))
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        _ = try? channel.writeInbound(bytes)
        var messages: [Message] = []
        var current = Message()
        while let part = try? channel.readInbound(as: HTTPServerRequestPart.self) {
            switch part {
            case .head(let head):
                current = Message(method: head.method.rawValue, target: head.uri, fields: lines(head.headers))
            case .body(let data): current.body += String(buffer: data)
            case .end(let trailers):
                current.trailers = trailers.map(lines) ?? []
                messages.append(current)
            }
        }
        return messages
    }

    /// NIO leaves white space at the end of values.
    private static func lines(_ headers: HTTPHeaders) -> [String] {
        headers.map { "\($0.name): \(String(decoding: $0.value.utf8.trimmed, as: UTF8.self))" }
    }

    private static let seeds = [
        "GET /a HTTP/1.1\r\nHost: a\r\nX-B:  c d\t\r\nX-E:\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: b\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"
            + "GET /b HTTP/1.0\r\n\r\n",
        "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n1\r\nx\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n",
    ]

    @Test(arguments: seeds)
    func messageReadsTheSameHoweverItIsCut(_ text: String) throws {
        let whole = ByteBuffer(string: text)
        let expected = try #require(Self.parse([whole]))
        #expect(!expected.isEmpty)
        #expect(Self.parse(text.utf8.map { ByteBuffer(bytes: [$0]) }) == expected)
        for cut in 1..<text.utf8.count {
            let pieces = [whole.getSlice(at: 0, length: cut), whole.getSlice(at: cut, length: text.utf8.count - cut)]
            #expect(Self.parse(pieces.compactMap(\.self)) == expected)
        }
    }

    /// Every message that our reader accepts, llhttp must accept too and understand in the same way. Mutations are made by a
    /// generator with a fixed start, so a failure repeats.
    @Test(arguments: seeds)
    func acceptedMessageMeansTheSameToAnotherParser(_ seed: String) {
        var generator = SplitMix(state: UInt64(seed.utf8.count))
        let interesting = Array("\r\n \t:;,0123456789abcdefx\u{0}\u{B}GET/HTTP.1-_+".utf8) + [0x80, 0xFF]
        var accepted = 0
        for _ in 0..<5_000 {
            var bytes = Array(seed.utf8)
            for _ in 0...Int.random(in: 0...2, using: &generator) {
                let position = Int.random(in: 0..<bytes.count, using: &generator)
                let byte = interesting[Int.random(in: 0..<interesting.count, using: &generator)]
                switch Int.random(in: 0...3, using: &generator) {
                case 0: bytes[position] = byte
                case 1: bytes.insert(byte, at: position)
                case 2: bytes.remove(at: position)
                default:
                    let other = Int.random(in: 0..<bytes.count, using: &generator)
                    bytes.insert(contentsOf: bytes[min(position, other)..<max(position, other)], at: position)
                }
            }
            // llhttp takes a tab behind the last coding for a part of it; RFC 9110 §5.6.3 calls it white space.
            guard !String(decoding: bytes, as: UTF8.self).contains("chunked\t") else { continue }
            let buffer = ByteBuffer(bytes: bytes)
            guard let ours = Self.parse([buffer]), !ours.isEmpty else { continue }
            // Targets are judged later in the router, and llhttp refuses methods that it has no name for.
            guard ours.allSatisfy({ $0.target.hasPrefix("/") && Self.isKnownToNIO($0.method) }) else { continue }
            accepted += 1
            #expect(
                Self.parseByNIO(buffer).starts(with: ours), "\(String(decoding: bytes, as: UTF8.self).debugDescription)"
            )
        }
        #expect(accepted > 100)
    }

    private static func isKnownToNIO(_ method: String) -> Bool {
        if case .RAW = HTTPMethod(rawValue: method) { false } else { true }
    }

    /// A start line that was too long was 414 in pieces, and in one piece 400, or nothing until the end of the head.
    @Test(arguments: [
        "GET /\(String(repeating: "a", count: 100)) HTTP/1.1\r\nHost: a\r\n", "\(String(repeating: "a", count: 100))\n",
    ])
    func startLineThatIsTooLongIsRefusedAlikeHoweverItIsCut(_ text: String) {
        for pieces in [[ByteBuffer(string: text)], text.utf8.map { ByteBuffer(bytes: [$0]) }] {
            var scanner = HeadScanner(maxBytes: 1_024, maxFields: 10, maxStartLine: 64)
            var input = ByteBuffer()
            #expect(throws: FramingError.targetTooLong) {
                for piece in pieces {
                    input.append(piece)
                    _ = try scanner.next(&input)
                }
            }
        }
    }

    @Test func tokenCharactersAreThoseOfTheStandard() {
        let expected = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
        for byte in UInt8.min...UInt8.max { #expect(ByteClass.isToken(byte) == expected.contains(byte)) }
    }

    @Test func datesAreThoseOfTheCalendar() {
        #expect(HTTPDate.text(secondsSinceEpoch: 0) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.text(secondsSinceEpoch: 784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.text(secondsSinceEpoch: 951_782_400) == "Tue, 29 Feb 2000 00:00:00 GMT")
        #expect(HTTPDate.text(secondsSinceEpoch: 4_102_444_799) == "Thu, 31 Dec 2099 23:59:59 GMT")
    }

    @Test(
        arguments: [
            (nil, false), ("*/*", false), ("text/html", true), ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("application/json, text/html", false), ("text/html;q=0.5, application/json", false),
            ("text/*, */*;q=0.1", true), ("text/html;q=0, */*", false), ("TEXT/HTML ; Q=1, */*;q=0.1", true),
            ("", false),
        ] as [(String?, Bool)])
    func pageIsForThoseWhoPreferIt(_ accept: String?, _ expected: Bool) {
        #expect(AcceptPreference.prefersHTML(accept) == expected)
    }
}

/// A small random number generator that always begins alike.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

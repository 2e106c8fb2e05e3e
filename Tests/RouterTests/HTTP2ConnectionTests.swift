// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHPACK
import Testing

@testable import Router

/// The rules of RFC 9113 for connections and streams, by frames.
struct HTTP2ConnectionTests {
    private typealias Bench = HTTP2Bench

    private static func frame(_ kind: UInt8, _ flags: UInt8 = 0, _ stream: UInt32, _ payload: [UInt8] = []) -> [UInt8] {
        HTTP2Bench.frame(kind, flags, stream: stream, payload)
    }

    /// A request without a body, and one with some to come.
    private static func get(_ stream: UInt32) -> [UInt8] { frame(1, 5, stream, HTTP2Bench.get) }
    private static func post(_ stream: UInt32, _ fields: [(String, String)] = []) -> [UInt8] {
        frame(1, 4, stream, HTTP2Bench.post + HTTP2Bench.fields(fields))
    }
    private static func window(_ stream: UInt32, _ increment: UInt32) -> [UInt8] {
        frame(8, 0, stream, HTTP2Bench.number(increment))
    }

    private func begun(_ configure: (inout RouterConfiguration) -> Void = { _ in }) -> HTTP2Bench {
        let bench = HTTP2Bench(configure: configure)
        bench.send(HTTP2Bench.preface)
        return bench
    }

    // MARK: - What ends the connection, and what only a stream

    @Test(
        arguments: [
            ("an even stream", frame(1, 5, 2, HTTP2Bench.get), .protocolError),
            ("an older stream", get(3) + get(1), .streamClosed),
            ("content of a stream that was never begun", frame(0, 0, 1, [1]), .protocolError),
            ("a reset of a stream that was never begun", frame(3, 0, 1, [0, 0, 0, 8]), .protocolError),
            ("a window of a stream that was never begun", window(1, 1), .protocolError),
            (
                "content of a stream that the client has reset",
                post(1) + frame(3, 0, 1, [0, 0, 0, 8]) + frame(0, 0, 1, [1]), .streamClosed
            ),
            ("no increment", window(0, 0), .protocolError),
            ("too large a window", window(0, 0x7FFF_FFFF), .flowControlError),
            ("too large a window of streams", HTTP2Bench.setting(4, 0x8000_0000), .flowControlError),
            (
                "a window of streams that makes one too large",
                get(1) + window(1, 0x7FFF_0000) + HTTP2Bench.setting(4, 0x1_0000), .flowControlError
            ),
            ("push that is neither on nor off", HTTP2Bench.setting(2, 2), .protocolError),
            ("too small frames", HTTP2Bench.setting(5, 16_383), .protocolError),
            ("too large frames", HTTP2Bench.setting(5, 1 << 24), .protocolError),
            ("fields that no table has", frame(1, 5, 1, [0xFF, 0x80, 0x01]), .compressionError),
            ("half a field", frame(1, 5, 1, [0x82, 0x04, 0x20]), .compressionError),
            ("a frame that breaks a rule by itself", frame(9, 4, 1), .protocolError),
        ] as [(String, [UInt8], HTTP2Code)])
    func theConnectionEnds(_ name: String, _ frames: [UInt8], _ code: HTTP2Code) {
        let bench = begun()
        #expect(bench.send(frames).codes.last == code.rawValue, "\(name)")
        #expect(bench.client.hasEnded && bench.loopIsEmpty)
    }

    @Test(
        arguments: [
            ("fields in the middle", post(1) + frame(1, 4, 1, [0x82]), .protocolError),
            ("content behind the end", get(1) + frame(0, 0, 1, [1]), .streamClosed),
            ("trailers behind the end", get(1) + frame(1, 5, 1, HTTP2Bench.fields([("a", "b")])), .streamClosed),
            ("no increment", get(1) + window(1, 0), .protocolError),
            ("too large a window", get(1) + window(1, 0x7FFF_FFFF), .flowControlError),
            ("less content than stated", post(1, [("content-length", "2")]) + frame(0, 1, 1, [1]), .protocolError),
            (
                "more content than stated", post(1, [("content-length", "2")]) + frame(0, 0, 1, [1, 2, 3]),
                .protocolError
            ),
            (
                "no content, and some stated",
                frame(1, 5, 1, HTTP2Bench.post + HTTP2Bench.fields([("content-length", "2")])), .protocolError
            ),
            (
                "less content than stated, and trailers",
                post(1, [("content-length", "2")]) + frame(1, 5, 1, HTTP2Bench.fields([("a", "b")])), .protocolError
            ),
            ("a length that is none", post(1, [("content-length", "+2")]), .protocolError),
            ("two lengths", post(1, [("content-length", "2"), ("content-length", "2")]), .protocolError),
            ("a capital letter", post(1, [("X-a", "1")]), .protocolError),
            ("no name", post(1, [(":", "1")]), .protocolError),
            (
                "a pseudo-field behind a field",
                frame(1, 5, 1, [0x82, 0x87] + HTTP2Bench.fields([("a", "b"), (":path", "/")])), .protocolError
            ),
            ("a pseudo-field twice", post(1, [(":path", "/")]), .protocolError),
            ("a pseudo-field of answers", post(1, [(":status", "200")]), .protocolError),
            ("a pseudo-field of tunnels", post(1, [(":protocol", "websocket")]), .protocolError),
            ("a pseudo-field that nobody knows", post(1, [(":x", "1")]), .protocolError),
            ("no path", frame(1, 5, 1, [0x82, 0x87]), .protocolError),
            ("no scheme", frame(1, 5, 1, [0x82, 0x84]), .protocolError),
            ("no method", frame(1, 5, 1, [0x84, 0x87]), .protocolError),
            ("a tunnel", frame(1, 5, 1, [0x87, 0x84] + HTTP2Bench.fields([(":method", "CONNECT")])), .protocolError),
            (
                "a pseudo-field in trailers", post(1) + frame(1, 5, 1, HTTP2Bench.fields([(":path", "/")])),
                .protocolError
            ),
            (
                "a field of connections in trailers",
                post(1) + frame(1, 5, 1, HTTP2Bench.fields([("connection", "a")])), .protocolError
            ),
            ("a capital letter in trailers", post(1) + frame(1, 5, 1, HTTP2Bench.fields([("A", "a")])), .protocolError),
        ] as [(String, [UInt8], HTTP2Code)])
    func onlyTheStreamEnds(_ name: String, _ frames: [UInt8], _ code: HTTP2Code) {
        let bench = begun()
        #expect(bench.send(frames).codes == [code.rawValue], "\(name)")
        #expect(!bench.client.hasEnded)
        bench.send(Self.get(5))
        #expect(bench.apps.last?.written.readableBytes ?? 0 > 0)
    }

    @Test func framesOfAStreamThatTheRouterHasResetMayBeUnderWay() {
        let bench = begun()
        bench.send(Self.post(1, [(":x", "1")]))
        let late = Self.frame(0, 0, 1, [1]) + Self.window(1, 5) + Self.frame(3, 0, 1, [0, 0, 0, 8])
        #expect(bench.send(late + Self.frame(1, 5, 1, HTTP2Bench.fields([("a", "b")]))).codes.isEmpty)
    }

    // MARK: - Limits

    @Test func moreStreamsThanAllowedAreRefused() {
        let bench = begun { $0.limits.streamsPerConnection = 2 }
        let frames = bench.send(Self.get(1) + Self.get(3) + Self.get(5))
        #expect(frames.codes == [HTTP2Code.refusedStream.rawValue] && frames.of(3).map(\.stream) == [5])
    }

    @Test(arguments: [
        ("pings", frame(6, 0, 0, [0, 0, 0, 0, 0, 0, 0, 1])), ("settings", HTTP2Bench.setting(1, 0)),
        ("priorities", frame(2, 0, 1, [0, 0, 0, 0, 0])), ("content without a byte", frame(0, 0, 1)),
        ("content that is padding", frame(0, 8, 1, [2, 0, 0])),
        ("farewells of pings", frame(6, 1, 0, [0, 0, 0, 0, 0, 0, 0, 1])),
    ])
    func tooManyFramesOfNoUseEndTheConnection(_ name: String, _ frame: [UInt8]) {
        let bench = begun()
        bench.send(Self.post(1))
        for _ in 0..<199 { bench.send(frame) }
        #expect(!bench.client.hasEnded, "\(name)")
        #expect(bench.send(frame).codes == [HTTP2Code.enhanceYourCalm.rawValue])
        #expect(bench.client.hasEnded)
    }

    @Test func tooManyResetsEndTheConnectionAndFewInTheirTimeDoNot() {
        let bench = begun()
        var stream: UInt32 = 1
        func reset() -> [UInt32] {
            defer { stream += 2 }
            return bench.send(Self.get(stream) + Self.frame(3, 0, stream, [0, 0, 0, 8])).codes
        }
        for _ in 0..<200 { #expect(reset().isEmpty) }
        bench.thread.advance(by: .seconds(31))
        for _ in 0..<200 { #expect(reset().isEmpty) }
        #expect(reset() == [HTTP2Code.enhanceYourCalm.rawValue] && bench.client.hasEnded)
    }

    /// As by CVE-2025-8671: it is the router that resets.
    @Test func tooManyErrorsOfStreamsEndTheConnection() {
        let bench = begun()
        for number in 0..<200 as Range<UInt32> { bench.send(Self.get(2 * number + 1) + Self.window(2 * number + 1, 0)) }
        #expect(!bench.client.hasEnded)
        #expect(bench.send(Self.get(401) + Self.window(401, 0)).codes.last == HTTP2Code.enhanceYourCalm.rawValue)
    }

    @Test func tooLargeAHeadEndsTheConnection() {
        let bench = begun()
        let large = [[UInt8]](repeating: HTTP2Bench.fields([("a", String(repeating: "b", count: 100))]), count: 250)
        let block = HTTP2Bench.get + large.flatMap { $0 }
        let frames =
            Self.frame(1, 1, 1, Array(block.prefix(16_000))) + Self.frame(9, 4, 1, Array(block.dropFirst(16_000)))
        #expect(bench.send(frames).codes == [HTTP2Code.enhanceYourCalm.rawValue])
    }

    // MARK: - Windows

    @Test func aClientThatSendsMoreThanItMayIsStopped() {
        let bench = begun()
        bench.send(Self.post(1))
        // The app takes nothing, so nobody asks for more.
        bench.apps[0].isWritable = false
        var frames: [HTTP2Bench.Frame] = []
        for _ in 0..<17 { frames += bench.send(Self.frame(0, 0, 1, [UInt8](repeating: 1, count: 16_000))) }
        #expect(frames.codes == [HTTP2Code.flowControlError.rawValue] && frames.of(3).count == 1)
    }

    @Test func aClientGetsBackWhatTheAppHasTaken() {
        let bench = begun()
        bench.send(Self.post(1))
        var (given, givenToStream) = (0, 0)
        for _ in 0..<200 {
            let frames = bench.send(Self.frame(0, 8, 1, [200] + [UInt8](repeating: 1, count: 16_000)))
            #expect(frames.codes.isEmpty)
            for frame in frames.of(8) {
                let increment = Int(frame.number)
                if frame.stream == 0 { given += increment } else { givenToStream += increment }
            }
        }
        #expect(givenToStream > 2_900_000 && given > 2_000_000)
        #expect(bench.apps[0].written.readableBytes > 200 * 15_800)
    }

    @Test func whatNobodyWillUseIsGivenBack() throws {
        let bench = begun()
        for number in 0..<20 as Range<UInt32> {
            let stream = 2 * number + 1
            bench.send(Self.post(stream))
            try #require(bench.apps.count == Int(number) + 1)
            bench.apps[Int(number)].isWritable = false
            for _ in 0..<10 { bench.send(Self.frame(0, 0, stream, [UInt8](repeating: 1, count: 16_000))) }
            #expect(bench.send(Self.frame(3, 0, stream, [0, 0, 0, 8])).codes.isEmpty)
        }
        #expect(!bench.client.hasEnded)
    }

    @Test func anAnswerWaitsForTheWindowsAndStreamsTakeTurns() {
        let bench = begun()
        bench.send(HTTP2Bench.setting(4, 40_000) + Self.get(1) + Self.get(3))
        let body = String(repeating: "x", count: 50_000)
        bench.apps[0].receive(ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + body))
        bench.apps[1].receive(ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + body))
        bench.thread.run()
        let first = bench.frames()
        #expect(first.content(1) == 32_767 || first.content(1) == 32_768)
        #expect(first.content(1) + first.content(3) == 65_535)
        #expect(first.of(0).prefix(3).map(\.stream) == [1, 3, 1])
        #expect(first.of(0).allSatisfy { $0.payload.count <= 16_384 })
        let second = bench.send(Self.window(0, 1_000_000))
        #expect(first.content(1) + second.content(1) == 40_000 && first.content(3) + second.content(3) == 40_000)
        // A setting counts for streams that have begun, and may leave less than nothing.
        #expect(bench.send(HTTP2Bench.setting(4, 10_000) + Self.window(1, 20_000)).content(1) == 0)
        let third = bench.send(Self.window(1, 20_000) + HTTP2Bench.setting(4, 65_535))
        #expect(third.content(1) == 10_000 && third.content(3) == 10_000)
        #expect(third.of(0).filter { $0.flags == 1 }.count == 2)
    }

    @Test func anEndNeedsNoWindow() {
        let bench = begun()
        bench.send(HTTP2Bench.setting(4, 0) + Self.get(1))
        let frames = bench.answer(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        #expect(frames.of(0).map(\.flags) == [1] && frames.of(0)[0].payload.isEmpty)
    }

    @Test func aClientThatTakesNothingOfAnAnswerHoldsTheAppUpAndIsReset() {
        let bench = begun { $0.sendTimeout = .seconds(10) }
        bench.send(HTTP2Bench.setting(4, 0) + Self.get(1))
        bench.answer(0, "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + String(repeating: "x", count: 100_000))
        #expect(!bench.apps[0].wantsBytes)
        bench.thread.advance(by: .seconds(11))
        #expect(bench.frames().codes == [HTTP2Code.cancel.rawValue] && bench.apps[0].hasEnded)
    }

    @Test func aClientThatTakesNothingAtAllIsNotReadAndCut() {
        let bench = begun { $0.sendTimeout = .seconds(10) }
        bench.client.isWritable = false
        bench.send(Self.get(1))
        #expect(!bench.client.wantsBytes)
        bench.thread.advance(by: .seconds(11))
        #expect(bench.client.hasEnded && bench.client.wasReset && bench.loopIsEmpty)
    }

    @Test func answersOfOneMomentGoOutTogether() {
        let bench = begun()
        let streams = stride(from: 1, to: 21, by: 2).map(UInt32.init)
        bench.send(streams.flatMap(Self.get))
        let before = bench.client.flushes
        for app in bench.apps { app.receive(ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) }
        bench.thread.run()
        #expect(bench.client.flushes == before + 1)
        #expect(bench.frames().of(0).map(\.stream) == streams)
    }

    // MARK: - Answers

    /// What serves a stream is used again, and its memory: nothing of a request may be seen by the next.
    @Test func aStreamKnowsNothingOfTheOneBeforeIt() throws {
        let bench = begun()
        bench.send(Self.post(1, [("x-secret", "of the first")]) + Self.frame(0, 0, 1, Array("unread".utf8)))
        bench.send(Self.frame(3, 0, 1, HTTP2Bench.number(8)))
        #expect(bench.loop.spareFronts.count == 1)
        bench.send(Self.get(3))
        #expect(bench.loop.spareFronts.isEmpty)
        let asked = String(buffer: try #require(bench.apps.last).written)
        #expect(asked.hasPrefix("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1\r\n"))
        let first = bench.answer(bench.apps.count - 1, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none")
        #expect(first.content(3) == 3)
        // The first one's timer has not been set anew by the second's, which is over.
        bench.thread.advance(by: .seconds(20))
        let second = bench.send(Self.get(5)) + bench.answer(bench.apps.count - 1, "HTTP/1.1 204 No Content\r\n\r\n")
        #expect(second.of(1).map(\.flags) == [5] && second.content(5) == 0 && second.codes.isEmpty)
        #expect(bench.loop.spareFronts.count == 1)
        bench.client.close()
        #expect(bench.loopIsEmpty)
        #expect(bench.loop.spareFronts.isEmpty)
    }

    @Test func whoIsStillKnownToSomebodyServesNoOtherStream() {
        let bench = begun()
        let client = Client(address: "127.0.0.1", isEncrypted: true)
        let known = bench.loop.front(client: client, memo: RouteMemo())
        bench.loop.giveBack(known)
        #expect(bench.loop.front(client: client, memo: RouteMemo()) !== known)
    }

    @Test func aLargeHeadIsContinued() throws {
        let bench = begun()
        bench.send(Self.get(1))
        let value = String(repeating: "v", count: 40_000)
        let frames = bench.answer(0, "HTTP/1.1 299 OK\r\nContent-Length: 0\r\nX-Long: \(value)\r\n\r\n")
        #expect(frames.map(\.kind) == [1, 9, 9] && frames.map(\.flags) == [1, 0, 4])
        var block = ByteBuffer(bytes: frames.flatMap(\.payload))
        var decoder = HPACKDecoder(allocator: ByteBufferAllocator(), maxDynamicTableSize: 0, maxHeaderListSize: 1 << 20)
        let headers = try decoder.decodeHeaders(from: &block)
        #expect(headers.first(name: ":status") == "299" && headers.first(name: "x-long") == value)
        #expect(headers.first(name: "content-length") == "0")
    }

    @Test func anAnswerBeforeTheEndAsksTheClientToStop() {
        let bench = begun()
        bench.send(Self.post(1))
        let frames = bench.answer(0, "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
        #expect(frames.content(1) == 2 && frames.codes.isEmpty)
        bench.send(Self.frame(0, 0, 1, [1, 2, 3]))
        bench.thread.advance(by: .seconds(3))
        #expect(bench.frames().codes == [HTTP2Code.noError.rawValue])
    }

    // MARK: - The end

    @Test func aConnectionWithoutRequestsEndsInTime() {
        let bench = begun { $0.idleTimeout = .seconds(10) }
        bench.send(Self.get(1))
        bench.thread.advance(by: .seconds(11))
        #expect(!bench.client.hasEnded)
        bench.answer(0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        bench.thread.advance(by: .seconds(9))
        #expect(!bench.client.hasEnded)
        bench.thread.advance(by: .seconds(2))
        #expect(bench.frames().codes == [0] && bench.client.hasEnded && bench.loopIsEmpty)
    }

    @Test func aFarewellLetsInWhatIsUnderWay() {
        let bench = begun()
        bench.send(Self.get(1))
        bench.loop.shutDown {}
        bench.thread.run()
        let first = bench.frames()
        #expect(first.of(7).map { Array($0.payload.prefix(4)) } == [[0x7F, 0xFF, 0xFF, 0xFF]])
        bench.send(Self.get(3))
        let second = bench.send(Self.frame(6, 1, 0, first.of(6)[0].payload) + Self.get(5))
        #expect(second.of(7).map { Array($0.payload.prefix(4)) } == [[0, 0, 0, 3]] && bench.apps.count == 2)
        bench.answer(0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        #expect(!bench.client.hasEnded)
        let last = bench.answer(1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        #expect(last.content(3) == 2 && bench.client.hasEnded)
    }

    @Test func aClientThatSaysFarewellGetsItsAnswers() {
        let bench = begun()
        bench.send(Self.get(1) + Self.frame(7, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]))
        #expect(!bench.client.hasEnded)
        #expect(bench.answer(0, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").content(1) == 2)
        #expect(bench.client.hasEnded && bench.loopIsEmpty)
    }
}

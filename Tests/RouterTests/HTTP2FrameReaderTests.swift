// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Router

struct HTTP2FrameReaderTests {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    private static let settings = frame(4, stream: 0)

    private static func frame(_ kind: UInt8, _ flags: UInt8 = 0, stream: UInt8 = 1, _ payload: [UInt8] = []) -> [UInt8]
    {
        [0, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF), kind, flags, 0, 0, 0, stream] + payload
    }

    private static func frame(_ kind: UInt8, _ payload: [UInt8]) -> [UInt8] { frame(kind, 0, payload) }

    /// What ``HTTP2FrameReader/isInside(_:)`` says after each byte.
    private static func follow(_ bytes: [UInt8]) throws -> [Bool] {
        var reader = HTTP2FrameReader()
        var input = ByteBuffer()
        return try bytes.map {
            input.writeInteger($0)
            while try reader.next(&input) != nil {}
            return reader.isInside(input)
        }
    }

    /// Everything that is said in frames behind the first ones that every client sends.
    private static func read(_ frames: [UInt8]) throws -> [HTTP2Input] {
        var reader = HTTP2FrameReader()
        var input = ByteBuffer(bytes: preface + settings + frames)
        var said: [HTTP2Input] = []
        while let next = try reader.next(&input) { said.append(next) }
        return Array(said.dropFirst())
    }

    /// Inside something of so many bytes, up to its last one.
    private static func inside(_ count: Int) -> [Bool] {
        [Bool](repeating: true, count: count - 1) + [false]
    }

    @Test func aFrameIsInsideUpToItsLastByte() throws {
        let seen = try Self.follow(Self.preface + Self.frame(4, stream: 0, [0, 1, 0, 0, 0, 0]))
        #expect(seen == Self.inside(24) + Self.inside(15))
        #expect(HTTP2FrameReader().isInside(ByteBuffer()) == false)
    }

    @Test func contentMayTakeItsTime() throws {
        let seen = try Self.follow(Self.preface + Self.settings + Self.frame(0, [1, 1, 1, 1, 1]))
        #expect(seen == Self.inside(24) + Self.inside(9) + Self.inside(9) + [Bool](repeating: false, count: 5))
    }

    @Test func aHeadEndsWithItsLastContinuation() throws {
        let head = Self.frame(1, [1, 1, 1]) + Self.frame(9) + Self.frame(9, 4, [1, 1])
        let seen = try Self.follow(Self.preface + Self.settings + head + Self.frame(1, 5, [1]))
        #expect(seen == Self.inside(24) + Self.inside(9) + Self.inside(32) + Self.inside(10))
    }

    @Test func whatIsCompleteIsCountedHoweverTheBytesCome() throws {
        let frames = Self.preface + Self.settings + Self.frame(1, [1, 1, 1]) + Self.frame(9, 4)
        var whole = HTTP2FrameReader()
        var input = ByteBuffer(bytes: frames + [0, 0])
        while try whole.next(&input) != nil {}
        #expect(whole.completions == 3 && whole.isInside(input))
        var cut = HTTP2FrameReader()
        input = ByteBuffer()
        for byte in frames + [0, 0] {
            input.writeInteger(byte)
            while try cut.next(&input) != nil {}
        }
        #expect(cut.completions == 3 && cut.isInside(input))
    }

    @Test func paddingIsNoContent() throws {
        let said = try Self.read(
            Self.frame(0, 9, [2, 7, 8, 0, 0]) + Self.frame(1, 0x2D, [1, 0, 0, 0, 3, 9, 0x82, 0]))
        #expect(
            said == [
                .contentBegins(stream: 1, length: 5), .content(stream: 1, ByteBuffer(bytes: [7, 8])),
                .contentEnds(stream: 1, padding: 3, isEmpty: false, endStream: true),
                .fields(stream: 1, ByteBuffer(bytes: [0x82]), endStream: true),
            ])
    }

    @Test func whatNobodyKnowsIsIgnored() throws {
        let said = try Self.read(
            Self.frame(0x42, 0xFF, stream: 9, [1, 2]) + Self.frame(6, stream: 0, [0, 0, 0, 0, 0, 0, 0, 1]))
        #expect(said == [.ping(1)])
    }

    /// Name of the case, the frames, and what becomes of the connection.
    @Test(
        arguments: [
            ("too long", [0, 0x40, 1, 0, 0, 0, 0, 0, 1], .frameSizeError),
            ("content of no stream", frame(0, stream: 0), .protocolError),
            ("content, all padding", frame(0, 8, [3, 0, 0]), .protocolError),
            ("content, padded by nothing", frame(0, 8), .frameSizeError),
            ("fields of no stream", frame(1, 5, stream: 0, [0x82]), .protocolError),
            ("fields, all padding", frame(1, 0xD, [2, 0]), .protocolError),
            ("fields without their priority", frame(1, 0x25, [0, 0]), .frameSizeError),
            ("fields that depend on themselves", frame(1, 0x25, [0, 0, 0, 1, 0, 0x82]), .protocolError),
            ("priority of no stream", frame(2, stream: 0, [0, 0, 0, 3, 0]), .protocolError),
            ("priority of four bytes", frame(2, [0, 0, 0, 3]), .frameSizeError),
            ("priority below itself", frame(2, [0, 0, 0, 1, 0]), .protocolError),
            ("reset of no stream", frame(3, stream: 0, [0, 0, 0, 0]), .protocolError),
            ("reset of three bytes", frame(3, [0, 0, 0]), .frameSizeError),
            ("settings of a stream", frame(4, stream: 1), .protocolError),
            ("settings of five bytes", frame(4, stream: 0, [0, 1, 0, 0, 0]), .frameSizeError),
            ("settings taken, and more", frame(4, 1, stream: 0, [0, 1, 0, 0, 0, 0]), .frameSizeError),
            ("push", frame(5, 4, [0, 0, 0, 2, 0x82]), .protocolError),
            ("ping of a stream", frame(6, [0, 0, 0, 0, 0, 0, 0, 0]), .protocolError),
            ("ping of seven bytes", frame(6, stream: 0, [0, 0, 0, 0, 0, 0, 0]), .frameSizeError),
            ("farewell of a stream", frame(7, [0, 0, 0, 0, 0, 0, 0, 0]), .protocolError),
            ("farewell of seven bytes", frame(7, stream: 0, [0, 0, 0, 0, 0, 0, 0]), .frameSizeError),
            ("window of five bytes", frame(8, [0, 0, 0, 1, 0]), .frameSizeError),
            ("continuation of nothing", frame(9, 4, [0x82]), .protocolError),
            ("continuation of what is complete", frame(1, 5, [0x82]) + frame(9, 4, [0x82]), .protocolError),
            ("continuation of another stream", frame(1, 1, [0x82]) + frame(9, 4, stream: 3, [0x82]), .protocolError),
            (
                "ping within a head", frame(1, 1, [0x82]) + frame(6, stream: 0, [0, 0, 0, 0, 0, 0, 0, 0]),
                .protocolError
            ),
            ("unknown within a head", frame(1, 1, [0x82]) + frame(0x42, [1]), .protocolError),
            (
                "six continuations", frame(1, 1) + [[UInt8]](repeating: frame(9), count: 6).flatMap { $0 },
                .enhanceYourCalm
            ),
        ] as [(String, [UInt8], HTTP2Code)])
    func aFrameThatBreaksARuleEndsTheConnection(_ name: String, _ frames: [UInt8], _ code: HTTP2Code) {
        #expect(throws: HTTP2Failure(code: code), "\(name)") { try Self.read(frames) }
    }

    @Test(arguments: [
        Array("GET / HTTP/1.1\r\n".utf8), Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r".utf8),
        preface + frame(6, stream: 0, [0, 0, 0, 0, 0, 0, 0, 0]), preface + frame(4, 1, stream: 0),
    ])
    func whatIsNoBeginningEndsTheConnection(_ bytes: [UInt8]) {
        #expect(throws: HTTP2Failure(code: .protocolError)) {
            var reader = HTTP2FrameReader()
            var input = ByteBuffer(bytes: bytes)
            while try reader.next(&input) != nil {}
        }
    }
}

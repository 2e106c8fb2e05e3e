// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Why a stream or a connection of HTTP/2 ends (RFC 9113 §7).
enum HTTP2Code: UInt32 {
    case noError = 0
    case protocolError = 1
    case internalError = 2
    case flowControlError = 3
    case streamClosed = 5
    case frameSizeError = 6
    case refusedStream = 7
    case cancel = 8
    case compressionError = 9
    case enhanceYourCalm = 11
}

/// The connection ends: what the client has sent cannot be understood, or is too much.
struct HTTP2Failure: Error, Equatable {
    let code: HTTP2Code
}

/// What a client says by its frames, after everything was checked that they tell by themselves.
enum HTTP2Input: Equatable {
    /// A frame with content begins. Its whole length, padding included, counts for the windows.
    case contentBegins(stream: UInt32, length: Int)
    /// Some of its content, at least one byte.
    case content(stream: UInt32, ByteBuffer)
    /// It is complete; `padding` is what was none of its content.
    case contentEnds(stream: UInt32, padding: Int, isEmpty: Bool, endStream: Bool)
    /// Fields, in HPACK: all of HEADERS and its CONTINUATION frames.
    case fields(stream: UInt32, ByteBuffer, endStream: Bool)
    case reset(stream: UInt32)
    /// Pairs of two and four bytes.
    case settings(ByteBuffer)
    case settingsTaken
    case ping(UInt64)
    case pong(UInt64)
    case goAway
    /// The increment may be 0, which it must not.
    case windowUpdate(stream: UInt32, increment: Int)
    case priority
}

/// The kinds of frames, RFC 9113 §6.
enum HTTP2FrameKind {
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let priority: UInt8 = 2
    static let reset: UInt8 = 3
    static let settings: UInt8 = 4
    static let pushPromise: UInt8 = 5
    static let ping: UInt8 = 6
    static let goAway: UInt8 = 7
    static let windowUpdate: UInt8 = 8
    static let continuation: UInt8 = 9
}

/// The flags of frames, RFC 9113 §6.
enum HTTP2Flag {
    static let acknowledgement: UInt8 = 0x1
    static let endStream: UInt8 = 0x1
    static let endHeaders: UInt8 = 0x4
    static let padded: UInt8 = 0x8
    static let priority: UInt8 = 0x20
}

enum HTTP2Limits {
    static let frameHead = 9
    /// Longest payload that is accepted, and that every peer accepts.
    static let frame = 16_384
    /// Largest window, RFC 9113 §6.9.1.
    static let window = Int(Int32.max)
    /// The window of a connection, and of a stream unless a setting says otherwise.
    static let initialWindow = 65_535
    /// CONTINUATION frames to a head.
    static let continuations = 5
    /// Streams that were reset whose frames may still come.
    static let remembered = 128
    /// What a client may send of one body before the app has taken any of it.
    static let streamWindow = 256 << 10
    /// The same for all streams of a connection.
    static let connectionWindow = 1 << 20
}

/// Writes frames.
extension ByteBuffer {
    mutating func writeFrameHead(_ kind: UInt8, flags: UInt8 = 0, stream: UInt32, length: Int) {
        writeMultipleIntegers(
            UInt8(truncatingIfNeeded: length >> 16), UInt16(truncatingIfNeeded: length), kind, flags, stream)
    }

    /// RST_STREAM.
    mutating func writeReset(stream: UInt32, _ code: HTTP2Code) {
        writeFrameHead(HTTP2FrameKind.reset, stream: stream, length: 4)
        writeInteger(code.rawValue)
    }

    mutating func writeGoAway(last: UInt32, _ code: HTTP2Code) {
        writeFrameHead(HTTP2FrameKind.goAway, stream: 0, length: 8)
        writeMultipleIntegers(last, code.rawValue)
    }

    mutating func writeSettings(_ settings: [(id: UInt16, value: Int)]) {
        writeFrameHead(HTTP2FrameKind.settings, stream: 0, length: settings.count * 6)
        for (id, value) in settings { writeMultipleIntegers(id, UInt32(clamping: value)) }
    }

    mutating func writeSettingsTaken() {
        writeFrameHead(HTTP2FrameKind.settings, flags: HTTP2Flag.acknowledgement, stream: 0, length: 0)
    }

    mutating func writePing(_ data: UInt64, isAnswer: Bool) {
        let flags = isAnswer ? HTTP2Flag.acknowledgement : 0
        writeFrameHead(HTTP2FrameKind.ping, flags: flags, stream: 0, length: 8)
        writeInteger(data)
    }

    mutating func writeWindowUpdate(stream: UInt32, _ increment: Int) {
        writeFrameHead(HTTP2FrameKind.windowUpdate, stream: stream, length: 4)
        writeInteger(UInt32(increment))
    }

    /// HEADERS, and CONTINUATION for what does not fit.
    mutating func writeFields(stream: UInt32, _ fields: ByteBuffer, endStream: Bool) {
        var rest = fields
        var kind = HTTP2FrameKind.headers
        repeat {
            let length = min(rest.readableBytes, HTTP2Limits.frame)
            var flags: UInt8 = kind == HTTP2FrameKind.headers && endStream ? HTTP2Flag.endStream : 0
            if length == rest.readableBytes { flags |= HTTP2Flag.endHeaders }
            writeFrameHead(kind, flags: flags, stream: stream, length: length)
            if var piece = rest.readSlice(length: length) { writeBuffer(&piece) }
            kind = HTTP2FrameKind.continuation
        } while rest.readableBytes > 0
    }
}

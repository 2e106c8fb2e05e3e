// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Reads what a client sends by HTTP/2, however it is cut, and refuses every frame that breaks a rule by itself (RFC 9113 §4, §6).
///
/// Content is passed on as it comes; everything else is waited for.
struct HTTP2FrameReader {
    private enum Place {
        case preface
        /// Between two frames, or in the head of one.
        case head
        case payload
        case content
    }

    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private var place = Place.preface
    private var isFirstFrame = true
    // Of the frame that was begun.
    private var length = 0
    private var kind: UInt8 = 0
    private var flags: UInt8 = 0
    private var stream: UInt32 = 0
    // Of a frame with content.
    private var left = 0
    private var padding = 0
    private var overhead = 0
    private var awaitsPadding = false
    /// A head that several frames carry.
    private var block: Block?
    /// How often everything that had begun was complete, content aside.
    private(set) var completions = 0

    private struct Block {
        let stream: UInt32
        let endStream: Bool
        var bytes: ByteBuffer
        var continuations = 0
    }

    /// Something that is no content has begun and is not complete: a frame, or a head of several.
    ///
    /// - Parameter input: what ``next(_:)`` has left.
    func isInside(_ input: ByteBuffer) -> Bool {
        input.readableBytes > 0 || place == .payload || block != nil
    }

    /// The next thing said; nil when more bytes are needed.
    ///
    /// - Throws: ``HTTP2Failure``: the connection cannot go on.
    mutating func next(_ input: inout ByteBuffer) throws(HTTP2Failure) -> HTTP2Input? {
        while true {
            switch place {
            case .preface: guard try readPreface(&input) else { return nil }
            case .head:
                guard readHead(&input) else { return nil }
                try checkHead()
                if kind == HTTP2FrameKind.data {
                    beginContent()
                    return .contentBegins(stream: stream, length: length)
                }
                place = .payload
            case .payload:
                guard let payload = input.readSlice(length: length) else { return nil }
                place = .head
                let said = try read(payload)
                if block == nil { completions += 1 }
                if let said { return said }
            case .content: return try readContent(&input)
            }
        }
    }

    // MARK: - Heads of frames

    private mutating func readPreface(_ input: inout ByteBuffer) throws(HTTP2Failure) -> Bool {
        guard zip(input.readableBytesView, Self.preface).allSatisfy(==) else {
            throw HTTP2Failure(code: .protocolError)
        }
        guard input.readableBytes >= Self.preface.count else { return false }
        input.moveReaderIndex(forwardBy: Self.preface.count)
        place = .head
        completions += 1
        return true
    }

    private mutating func readHead(_ input: inout ByteBuffer) -> Bool {
        guard input.readableBytes >= HTTP2Limits.frameHead,
            let (high, low, kind, flags, stream) = input.readMultipleIntegers(
                as: (UInt8, UInt16, UInt8, UInt8, UInt32).self)
        else { return false }
        length = Int(high) << 16 | Int(low)
        (self.kind, self.flags) = (kind, flags)
        self.stream = stream & 0x7FFF_FFFF
        return true
    }

    private func checkHead() throws(HTTP2Failure) {
        guard length <= HTTP2Limits.frame else { throw HTTP2Failure(code: .frameSizeError) }
        let isAcknowledgement = flags & HTTP2Flag.acknowledgement != 0
        guard !isFirstFrame || kind == HTTP2FrameKind.settings && !isAcknowledgement,
            // Nothing comes between the frames of a head, and nothing continues what did not begin.
            (block != nil) == (kind == HTTP2FrameKind.continuation), block == nil || block?.stream == stream
        else { throw HTTP2Failure(code: .protocolError) }
        let isOfStream: Bool?
        let hasRightLength: Bool
        switch kind {
        case HTTP2FrameKind.data, HTTP2FrameKind.headers, HTTP2FrameKind.continuation:
            (isOfStream, hasRightLength) = (true, true)
        case HTTP2FrameKind.priority: (isOfStream, hasRightLength) = (true, length == 5)
        case HTTP2FrameKind.reset: (isOfStream, hasRightLength) = (true, length == 4)
        case HTTP2FrameKind.settings:
            (isOfStream, hasRightLength) = (false, isAcknowledgement ? length == 0 : length % 6 == 0)
        case HTTP2FrameKind.ping: (isOfStream, hasRightLength) = (false, length == 8)
        case HTTP2FrameKind.goAway: (isOfStream, hasRightLength) = (false, length >= 8)
        case HTTP2FrameKind.windowUpdate: (isOfStream, hasRightLength) = (nil, length == 4)
        // A client pushes nothing (§8.4).
        case HTTP2FrameKind.pushPromise: throw HTTP2Failure(code: .protocolError)
        default: (isOfStream, hasRightLength) = (nil, true)
        }
        if let isOfStream, isOfStream != (stream != 0) { throw HTTP2Failure(code: .protocolError) }
        guard hasRightLength else { throw HTTP2Failure(code: .frameSizeError) }
    }

    // MARK: - Payloads

    private mutating func read(_ payload: ByteBuffer) throws(HTTP2Failure) -> HTTP2Input? {
        isFirstFrame = false
        var payload = payload
        let isAcknowledgement = flags & HTTP2Flag.acknowledgement != 0
        switch kind {
        case HTTP2FrameKind.headers: return try readFields(&payload)
        case HTTP2FrameKind.continuation: return try readContinuation(&payload)
        case HTTP2FrameKind.priority:
            try checkPriority(&payload)
            return .priority
        case HTTP2FrameKind.reset: return .reset(stream: stream)
        case HTTP2FrameKind.settings: return isAcknowledgement ? .settingsTaken : .settings(payload)
        case HTTP2FrameKind.ping:
            let data = payload.readInteger(as: UInt64.self) ?? 0
            return isAcknowledgement ? .pong(data) : .ping(data)
        case HTTP2FrameKind.goAway: return .goAway
        case HTTP2FrameKind.windowUpdate:
            let increment = (payload.readInteger(as: UInt32.self) ?? 0) & 0x7FFF_FFFF
            return .windowUpdate(stream: stream, increment: Int(increment))
        // Extensions are ignored (§5.5).
        default: return nil
        }
    }

    private mutating func readFields(_ payload: inout ByteBuffer) throws(HTTP2Failure) -> HTTP2Input? {
        var padding = 0
        if flags & HTTP2Flag.padded != 0 {
            guard let count = payload.readInteger(as: UInt8.self) else { throw HTTP2Failure(code: .frameSizeError) }
            padding = Int(count)
        }
        if flags & HTTP2Flag.priority != 0 {
            guard payload.readableBytes >= 5 else { throw HTTP2Failure(code: .frameSizeError) }
            try checkPriority(&payload)
        }
        guard padding <= payload.readableBytes,
            let bytes = payload.readSlice(length: payload.readableBytes - padding)
        else { throw HTTP2Failure(code: .protocolError) }
        let endStream = flags & HTTP2Flag.endStream != 0
        guard flags & HTTP2Flag.endHeaders == 0 else {
            return .fields(stream: stream, bytes, endStream: endStream)
        }
        // Memory of its own: where it was received, the next frames come.
        var copy = ByteBufferAllocator().buffer(capacity: bytes.readableBytes)
        copy.writeImmutableBuffer(bytes)
        block = Block(stream: stream, endStream: endStream, bytes: copy)
        return nil
    }

    private mutating func readContinuation(_ payload: inout ByteBuffer) throws(HTTP2Failure) -> HTTP2Input? {
        guard var block else { return nil }
        self.block = nil
        block.continuations += 1
        guard block.continuations <= HTTP2Limits.continuations else { throw HTTP2Failure(code: .enhanceYourCalm) }
        block.bytes.writeBuffer(&payload)
        if flags & HTTP2Flag.endHeaders != 0 {
            return .fields(stream: block.stream, block.bytes, endStream: block.endStream)
        }
        self.block = block
        return nil
    }

    /// Priorities of streams are no more (§5.3.2), but one that depends on itself is still an error.
    private func checkPriority(_ payload: inout ByteBuffer) throws(HTTP2Failure) {
        let dependency = (payload.readInteger(as: UInt32.self) ?? 0) & 0x7FFF_FFFF
        payload.moveReaderIndex(forwardBy: 1)
        guard dependency != stream else { throw HTTP2Failure(code: .protocolError) }
    }

    // MARK: - Content

    private mutating func beginContent() {
        place = .content
        (left, padding, overhead) = (length, 0, 0)
        awaitsPadding = flags & HTTP2Flag.padded != 0
    }

    private mutating func readContent(_ input: inout ByteBuffer) throws(HTTP2Failure) -> HTTP2Input? {
        if awaitsPadding {
            guard left > 0 else { throw HTTP2Failure(code: .frameSizeError) }
            guard let count = input.readInteger(as: UInt8.self) else { return nil }
            awaitsPadding = false
            padding = Int(count)
            overhead = padding + 1
            left -= overhead
            guard left >= 0 else { throw HTTP2Failure(code: .protocolError) }
        }
        if left > 0 {
            guard let bytes = input.readSlice(length: min(left, input.readableBytes)), bytes.readableBytes > 0 else {
                return nil
            }
            left -= bytes.readableBytes
            return .content(stream: stream, bytes)
        }
        let count = min(padding, input.readableBytes)
        input.moveReaderIndex(forwardBy: count)
        padding -= count
        guard padding == 0 else { return nil }
        place = .head
        completions += 1
        return .contentEnds(
            stream: stream, padding: overhead, isEmpty: length == overhead,
            endStream: flags & HTTP2Flag.endStream != 0)
    }
}

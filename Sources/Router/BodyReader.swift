// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The trailer section of a chunked body.
struct Trailers {
    /// The section without its final empty line.
    let bytes: ByteBuffer
    let fields: [FieldLine]

    /// - Throws: ``FramingError`` also for fields that would change how a message is framed or routed.
    init(_ bytes: ByteBuffer) throws(FramingError) {
        self.bytes = bytes
        fields = try HeadParser.trailers(bytes)
        for field in fields {
            switch field.known {
            case .contentLength, .transferEncoding, .host:
                throw .malformed("A trailer has a field that belongs into the head.")
            default: break
            }
        }
    }
}

/// What a ``BodyReader`` takes out of a connection's bytes.
enum BodyPiece {
    /// Content, at least one byte.
    case data(ByteBuffer)
    /// The body is complete.
    case end(trailers: Trailers?)
}

/// Reads one message body, however it is delimited, and never a byte beyond its end.
struct BodyReader {
    /// How a body is delimited, RFC 9112 §6.3.
    enum Framing: Equatable {
        case none
        case length(Int)
        case chunked
        /// Ends with the connection; answers only.
        case untilClose
    }

    /// How the body is delimited.
    let framing: Framing
    private(set) var isComplete = false
    private var left: Int
    private var decoder = ChunkedDecoder()

    init(_ framing: Framing) {
        self.framing = framing
        if case .length(let length) = framing { left = length } else { left = 0 }
    }

    /// Everything has been read of a body with a length, so that only its end can come.
    var isAtEnd: Bool {
        if case .length = framing { return left == 0 }
        return false
    }

    /// The next piece; nil when more bytes are needed or the body is complete.
    mutating func next(_ input: inout ByteBuffer) throws(FramingError) -> BodyPiece? {
        guard !isComplete else { return nil }
        switch framing {
        case .none:
            return complete(nil)
        case .length:
            guard left > 0 else { return complete(nil) }
            guard let slice = input.readSlice(length: min(left, input.readableBytes)), slice.readableBytes > 0 else {
                return nil
            }
            left -= slice.readableBytes
            return .data(slice)
        case .chunked:
            let piece = try decoder.next(&input)
            if case .end = piece { isComplete = true }
            return piece
        case .untilClose:
            guard input.readableBytes > 0 else { return nil }
            defer { input = ByteBuffer() }
            return .data(input)
        }
    }

    private mutating func complete(_ trailers: Trailers?) -> BodyPiece {
        isComplete = true
        return .end(trailers: trailers)
    }
}

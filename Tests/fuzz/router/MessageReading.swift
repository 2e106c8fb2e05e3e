// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What a connection's bytes were understood as, in a form that can be compared.
struct MessageReading: Equatable {
    struct Message: Equatable {
        /// The head's bytes.
        var head: [UInt8]
        var framing: BodyReader.Framing
        var keepAlive: Bool
        var body: [UInt8] = []
        var trailers: [[UInt8]] = []
        var isComplete = false
    }

    enum Ending: Equatable {
        /// The bytes end between two messages, or in the middle of one.
        case open
        /// The last message ends the connection, whatever follows.
        case last
        case refused(FramingError)
    }

    /// Small, so that inputs reach them.
    struct Limits {
        var head = 1_024
        var fields = 16
        var target = 128
    }

    var messages: [Message] = []
    var ending = Ending.open
    /// Bytes that wait for more.
    var left = 0

    /// Reads requests as a front connection does.
    ///
    /// - Parameter onRequest: gets each complete one.
    static func ofRequests(
        _ pieces: [ByteBuffer], _ limits: Limits,
        onRequest: (RequestHead, RequestFacts, [UInt8], Trailers?) -> Void = { _, _, _, _ in }
    ) -> MessageReading {
        var current: (head: RequestHead, facts: RequestFacts)?
        return read(
            pieces, limits,
            begin: { (bytes: ByteBuffer) throws(FramingError) in
                let head = try HeadParser.request(bytes, maxTarget: limits.target)
                let facts = try RequestFacts(head)
                require(head.bytes.readableBytes <= limits.head, "a head beyond its limit")
                require(head.fields.count <= limits.fields, "fields beyond their limit")
                require(head.target.count <= limits.target, "a target beyond its limit")
                current = (head, facts)
                return Message(head: bytes.bytes, framing: facts.framing, keepAlive: facts.keepAlive)
            },
            end: { message, trailers in
                if let current { onRequest(current.head, current.facts, message.body, trailers) }
                return !message.keepAlive
            })
    }

    /// Reads answers as an exchange does, of which only the last is no interim one. `isForHead`: to a HEAD.
    ///
    /// - Parameter onAnswer: gets each complete one.
    static func ofAnswers(
        _ pieces: [ByteBuffer], _ limits: Limits, isForHead: Bool,
        onAnswer: (ResponseHead, ResponseFacts, [UInt8], Trailers?) -> Void = { _, _, _, _ in }
    ) -> MessageReading {
        var current: (head: ResponseHead, facts: ResponseFacts)?
        var reading = read(
            pieces, limits,
            begin: { (bytes: ByteBuffer) throws(FramingError) in
                let head = try HeadParser.response(bytes)
                let facts = try ResponseFacts(head, isForHead: isForHead)
                current = (head, facts)
                return Message(head: bytes.bytes, framing: facts.framing, keepAlive: facts.keepAlive)
            },
            end: { message, trailers in
                guard let current else { return true }
                onAnswer(current.head, current.facts, message.body, trailers)
                return current.head.status >= 200
            })
        // The connection ends here, and with it such a body.
        if let last = reading.messages.indices.last, reading.ending == .open,
            reading.messages[last].framing == .untilClose, !reading.messages[last].isComplete
        {
            reading.messages[last].isComplete = true
            reading.ending = .last
            if let current { onAnswer(current.head, current.facts, reading.messages[last].body, nil) }
        }
        return reading
    }

    private static func read(
        _ pieces: [ByteBuffer], _ limits: Limits, begin: (ByteBuffer) throws(FramingError) -> Message,
        end: (Message, Trailers?) -> Bool
    ) -> MessageReading {
        var reading = MessageReading()
        var input = ByteBuffer()
        var scanner = HeadScanner(
            maxBytes: limits.head, maxFields: limits.fields, maxStartLine: limits.target + 64)
        var body: BodyReader?
        do throws(FramingError) {
            for piece in pieces {
                if input.readableBytes == 0 { input = piece } else { input.writeImmutableBuffer(piece) }
                while true {
                    if body == nil {
                        guard let head = try scanner.next(&input) else {
                            require(
                                input.readableBytes <= limits.head, "\(input.readableBytes) bytes of a head are kept")
                            break
                        }
                        let message = try begin(head)
                        body = BodyReader(message.framing)
                        reading.messages.append(message)
                    }
                    guard let part = try body?.next(&input) else {
                        require(
                            input.readableBytes <= ChunkedDecoder.maxTrailerBytes,
                            "\(input.readableBytes) bytes of a body are kept")
                        break
                    }
                    let last = reading.messages.count - 1
                    switch part {
                    case .data(let data):
                        require(data.readableBytes > 0, "a piece of nothing")
                        reading.messages[last].body += data.readableBytesView
                    case .end(let trailers):
                        reading.messages[last].trailers = trailers.map { lines($0.fields, $0.bytes) } ?? []
                        reading.messages[last].isComplete = true
                        body = nil
                        if end(reading.messages[last], trailers) {
                            reading.ending = .last
                            return reading
                        }
                    }
                }
            }
            reading.left = input.readableBytes
        } catch {
            reading.ending = .refused(error)
        }
        return reading
    }

    static func lines(_ fields: [FieldLine], _ bytes: ByteBuffer) -> [[UInt8]] {
        fields.map { bytes.array($0.name) + [0x3A] + bytes.array($0.value) }
    }
}

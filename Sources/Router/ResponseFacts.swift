// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What an answer's head says about framing and connection, after everything ambiguous has been refused.
struct ResponseFacts {
    /// How the body is delimited.
    private(set) var framing = BodyReader.Framing.untilClose
    /// The length that the head states, also where no body follows (HEAD, 304).
    private(set) var statedLength: Int?
    /// What the Connection fields say.
    private(set) var connection = ConnectionOptions()
    /// The app's connection may carry another request after this answer.
    private(set) var keepAlive = false
    /// The Upgrade field's value.
    private(set) var upgrade: Range<Int>?
    /// The app said when it answered.
    private(set) var hasDate = false

    /// Reads the fields.
    ///
    /// - Parameter isForHead: the request's method was HEAD.
    /// - Throws: ``FramingError``; its detail says what the app did wrong.
    init(_ head: ResponseHead, isForHead: Bool) throws(FramingError) {
        let result = head.bytes.withUnsafeReadableBytes { all in
            Result { () throws(FramingError) in
                var facts = ResponseFacts()
                try facts.read(head, all, isForHead: isForHead)
                return facts
            }
        }
        self = try result.get()
    }

    private init() {}

    private mutating func read(
        _ head: ResponseHead, _ all: UnsafeRawBufferPointer, isForHead: Bool
    ) throws(FramingError) {
        var isChunked = false
        for field in head.fields where field.isSpelledExactly {
            let value = all[field.value]
            switch field.known {
            case .contentLength:
                // The same length twice is a common mistake of apps and harmless once it is collapsed.
                guard let length = contentLength(value), statedLength == nil || statedLength == length else {
                    throw .malformed("its Content-Length is malformed or contradicts itself")
                }
                statedLength = length
            case .transferEncoding:
                guard !isChunked, head.minorVersion == 1, value.isCaseInsensitive("chunked") else {
                    throw .malformed("its Transfer-Encoding is not simply 'chunked'")
                }
                isChunked = true
            case .connection: try connection.add(value)
            case .upgrade: upgrade = field.value
            case .date: hasDate = true
            default: break
            }
        }
        guard !isChunked || statedLength == nil else {
            throw .malformed("it has both Content-Length and Transfer-Encoding")
        }
        keepAlive = connection.persists(minorVersion: head.minorVersion)
        if head.status < 200 || head.status == 204 {
            framing = .none
            statedLength = nil
        } else if isForHead || head.status == 304 {
            framing = .none
        } else if isChunked {
            framing = .chunked
        } else if let statedLength {
            framing = .length(statedLength)
        }
    }
}

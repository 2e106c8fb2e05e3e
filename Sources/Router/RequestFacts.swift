// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What a request's head says about framing and connection, after everything ambiguous has been refused.
struct RequestFacts {
    /// How the body is delimited.
    private(set) var framing = BodyReader.Framing.none
    /// What the Connection fields say.
    private(set) var connection = ConnectionOptions()
    /// The client wants another request on this connection.
    private(set) var keepAlive = false
    /// The client waits for a 100 before it sends the body.
    private(set) var expectsContinue = false
    /// The client understands trailers of its own accord.
    private(set) var acceptsTrailers = false
    /// The Host field's value; nil for HTTP/1.0 without one.
    private(set) var host: Range<Int>?
    /// The Upgrade field's value, when the client asks for a tunnel that the router offers.
    private(set) var upgrade: Range<Int>?

    /// Reads the fields.
    ///
    /// - Throws: ``FramingError`` with status 400, 417 or 501.
    init(_ head: RequestHead) throws(FramingError) {
        let result = head.bytes.withUnsafeReadableBytes { all in
            Result { () throws(FramingError) in
                var facts = RequestFacts()
                try facts.read(head, all)
                return facts
            }
        }
        self = try result.get()
    }

    private init() {}

    private mutating func read(_ head: RequestHead, _ all: UnsafeRawBufferPointer) throws(FramingError) {
        var hasLength = false
        for field in head.fields where field.isSpelledExactly {
            let value = all[field.value]
            switch field.known {
            case .host:
                guard host == nil else { throw .malformed("There is more than one Host field.") }
                host = field.value
            case .contentLength:
                guard !hasLength else { throw .malformed("There is more than one Content-Length field.") }
                guard let length = contentLength(value) else { throw .malformed("Content-Length is malformed.") }
                guard framing != .chunked else { throw Self.twoFramings }
                hasLength = true
                framing = .length(length)
            case .transferEncoding:
                guard !hasLength else { throw Self.twoFramings }
                guard framing != .chunked else { throw .malformed("There is more than one Transfer-Encoding field.") }
                try Self.checkTransferEncoding(value)
                framing = .chunked
            case .connection: try connection.add(value)
            case .expect:
                guard value.isCaseInsensitive("100-continue") else {
                    throw FramingError(status: 417, detail: "Only the expectation 100-continue can be met.")
                }
                expectsContinue = true
            case .te:
                acceptsTrailers = value.split(separator: 0x2C).contains { $0.trimmed.isCaseInsensitive("trailers") }
            case .upgrade: upgrade = field.value
            default: break
            }
        }
        try conclude(head, all)
    }

    private mutating func conclude(_ head: RequestHead, _ all: UnsafeRawBufferPointer) throws(FramingError) {
        guard head.minorVersion == 0 || host != nil else { throw .malformed("There is no Host field.") }
        guard head.minorVersion == 1 || framing != .chunked else {
            throw .malformed("Transfer-Encoding does not exist in HTTP/1.0.")
        }
        keepAlive = connection.persists(minorVersion: head.minorVersion)
        let hasBody = framing == .chunked || framing != .none && framing != .length(0)
        expectsContinue = expectsContinue && hasBody && head.minorVersion == 1
        // HTTP/2 inside a tunnel would carry requests past every rule of the router, so h2c is not offered.
        let protocols = upgrade.map { all[$0].split(separator: 0x2C).map(\.trimmed) } ?? []
        let isOffered = !protocols.isEmpty && !protocols.contains { $0.isCaseInsensitive("h2c") }
        if !connection.upgrade || head.minorVersion == 0 || !isOffered { upgrade = nil }
    }

    private static let twoFramings = FramingError.malformed(
        "There are both Content-Length and Transfer-Encoding, so the body's end is ambiguous.")

    private static func checkTransferEncoding(_ value: Slice<UnsafeRawBufferPointer>) throws(FramingError) {
        guard !value.isCaseInsensitive("chunked") else { return }
        let last = value.split(separator: 0x2C, omittingEmptySubsequences: false).last?.trimmed
        guard last?.isCaseInsensitive("chunked") == true else {
            throw .malformed("The last transfer coding is not chunked, so the body has no end.")
        }
        throw FramingError(status: 501, detail: "The only transfer coding understood here is chunked.")
    }
}

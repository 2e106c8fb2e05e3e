// SPDX-License-Identifier: Apache-2.0

/// What a request's method means to the router, RFC 9110 §9.
enum RequestMethod {
    case get
    case head
    case options
    case connect
    /// Another one of which twice is as good as once (§9.2.2): TRACE, PUT, DELETE.
    case otherIdempotent
    case other

    /// Reads a method; its case matters.
    init(_ text: Slice<UnsafeRawBufferPointer>) {
        switch text.count {
        case 3 where text.equals("GET"): self = .get
        case 4 where text.equals("HEAD"): self = .head
        case 7 where text.equals("OPTIONS"): self = .options
        case 7 where text.equals("CONNECT"): self = .connect
        case 3 where text.equals("PUT"), 6 where text.equals("DELETE"), 5 where text.equals("TRACE"):
            self = .otherIdempotent
        default: self = .other
        }
    }

    /// Doing it twice is as good as once.
    var isIdempotent: Bool {
        switch self {
        case .get, .head, .options, .otherIdempotent: true
        case .connect, .other: false
        }
    }
}

extension Slice<UnsafeRawBufferPointer> {
    /// Whether the bytes are exactly these.
    func equals(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { elementsEqual($0) }
    }
}

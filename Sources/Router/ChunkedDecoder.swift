// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Takes a chunked body apart, RFC 9112 §7.1, strictly: CR LF only, no white space around sizes, extensions dropped.
struct ChunkedDecoder {
    private enum State {
        case size
        case data(left: Int)
        case dataEnd
        case trailers(HeadScanner)
        case finished
    }

    /// Longest line that carries a chunk's size.
    static let maxSizeLine = 256
    /// Extension bytes in one body: they cost reading and carry nothing.
    static let maxExtensionBytes = 16 << 10
    /// Largest trailer section.
    static let maxTrailerBytes = 8 << 10

    private var state = State.size
    private var extensionBytes = 0

    /// The next piece of the body; nil when more bytes are needed.
    mutating func next(_ input: inout ByteBuffer) throws(FramingError) -> BodyPiece? {
        while true {
            switch state {
            case .size:
                guard let size = try readSize(&input) else { return nil }
                state = size > 0 ? .data(left: size) : .trailers(Self.trailerScanner)
            case .data(let left):
                guard let slice = input.readSlice(length: min(left, input.readableBytes)), slice.readableBytes > 0
                else { return nil }
                state = slice.readableBytes == left ? .dataEnd : .data(left: left - slice.readableBytes)
                return .data(slice)
            case .dataEnd:
                guard input.readableBytes >= 2 else { return nil }
                guard input.readInteger(as: UInt16.self) == 0x0D0A else {
                    throw .malformed("A chunk is not followed by CR LF.")
                }
                state = .size
            case .trailers(var scanner):
                if input.readableBytesView.starts(with: [0x0D, 0x0A]) {
                    input.moveReaderIndex(forwardBy: 2)
                    state = .finished
                    return .end(trailers: nil)
                }
                // A single CR may still become the empty line; the scanner must not see it.
                guard input.readableBytes >= 2 else { return nil }
                let section = try scanner.next(&input)
                state = .trailers(scanner)
                guard let section else { return nil }
                state = .finished
                return .end(trailers: try Trailers(section))
            case .finished:
                return nil
            }
        }
    }

    private static let trailerScanner = HeadScanner(
        maxBytes: maxTrailerBytes, maxFields: 32, maxStartLine: maxTrailerBytes)

    /// Reads `SIZE[;extension]CRLF`; nil when the line is incomplete.
    private mutating func readSize(_ input: inout ByteBuffer) throws(FramingError) -> Int? {
        let view = input.readableBytesView
        guard let lineFeed = view.prefix(Self.maxSizeLine).firstIndex(of: 0x0A) else {
            guard view.count < Self.maxSizeLine else { throw .malformed("A chunk's size line is too long.") }
            return nil
        }
        let line = view[view.startIndex..<lineFeed]
        guard line.last == 0x0D else { throw .malformed("A chunk's size line ends without a carriage return.") }
        let digits = line.prefix { ByteClass.hexValue($0) != nil }
        let rest = line.dropLast().dropFirst(digits.count)
        // 15 digits cannot overflow a 64-bit integer; leading zeros beyond that serve nobody.
        guard !digits.isEmpty, digits.count <= 15, Self.areExtensions(rest) else {
            throw .malformed("A chunk's size is malformed.")
        }
        extensionBytes += rest.count
        guard extensionBytes <= Self.maxExtensionBytes else { throw .malformed("Chunk extensions are too long.") }
        input.moveReaderIndex(forwardBy: line.count + 1)
        return digits.reduce(0) { $0 << 4 | Int(ByteClass.hexValue($1) ?? 0) }
    }

    /// `*( ";" token [ "=" token ] )`; quoted values exist in the standard only.
    private static func areExtensions(_ bytes: ByteBufferView) -> Bool {
        guard let first = bytes.first else { return true }
        return first == 0x3B
            && bytes.dropFirst().split(separator: 0x3B, omittingEmptySubsequences: false).allSatisfy { item in
                let parts = item.split(separator: 0x3D, maxSplits: 1, omittingEmptySubsequences: false)
                return parts.allSatisfy { !$0.isEmpty && $0.allSatisfy(ByteClass.isToken) }
            }
    }
}

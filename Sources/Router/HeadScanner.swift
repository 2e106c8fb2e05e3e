// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Finds where a message head ends, looking at each byte once however slowly they arrive.
struct HeadScanner {
    /// Largest head, start line and final empty line included.
    let maxBytes: Int
    /// Largest number of field lines.
    let maxFields: Int
    /// Longest start line, its end included; 414 when it is a request's.
    let maxStartLine: Int
    private var position = 0
    private var lineStart = 0
    private var lines = 0
    private var emptyLines = 0

    init(maxBytes: Int, maxFields: Int, maxStartLine: Int) {
        self.maxBytes = maxBytes
        self.maxFields = maxFields
        self.maxStartLine = maxStartLine
    }

    /// Takes a complete head out of `input`, without the empty line at its end; nil while it is incomplete.
    ///
    /// One empty line before the start line is skipped (RFC 9112 §2.2).
    /// - Throws: ``FramingError`` for a bare CR or LF and when a cap is passed, as soon as that is certain.
    mutating func next(_ input: inout ByteBuffer) throws(FramingError) -> ByteBuffer? {
        let end: Int?
        do {
            end = try input.withUnsafeReadableBytes { try scan($0) }
        } catch let error as FramingError {
            throw error
        } catch {
            throw .malformed("The head is not readable.")
        }
        guard let end else { return nil }
        let skipped = emptyLines * 2
        input.moveReaderIndex(forwardBy: skipped)
        let head = input.readSlice(length: end - skipped)
        input.moveReaderIndex(forwardBy: 2)
        self = HeadScanner(maxBytes: maxBytes, maxFields: maxFields, maxStartLine: maxStartLine)
        return head
    }

    private mutating func scan(_ bytes: UnsafeRawBufferPointer) throws(FramingError) -> Int? {
        let limit = min(bytes.count, maxBytes)
        while position < bytes.count {
            guard let lineFeed = bytes.firstIndex(of: 0x0A, in: position..<limit) else {
                position = limit
                guard bytes.count <= maxBytes else { throw tooLarge }
                break
            }
            position = lineFeed + 1
            // Whether the line came in one piece or in many.
            if lines == 0, position - lineStart > maxStartLine { throw .targetTooLong }
            guard position >= lineStart + 2, bytes[position - 2] == 0x0D else {
                throw .malformed("A line ends without a carriage return.")
            }
            let isEmpty = position == lineStart + 2
            lineStart = position
            if isEmpty, lines > 0 { return position - 2 }
            if isEmpty {
                emptyLines += 1
                guard emptyLines == 1 else { throw .malformed("Empty lines stand before the message.") }
            } else {
                lines += 1
                guard lines - 1 <= maxFields else { throw .tooManyFields }
            }
        }
        if lines == 0, position - lineStart > maxStartLine { throw .targetTooLong }
        return nil
    }

    private var tooLarge: FramingError { lines == 0 ? .targetTooLong : .headTooLarge }
}

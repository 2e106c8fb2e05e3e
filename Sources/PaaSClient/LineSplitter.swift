// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Cuts a stream of bytes into lines, incrementally: no byte is looked at twice.
///
/// A line ends with `\n`; a `\r` before it goes too. Holds at most one line and what came with it.
struct LineSplitter {
    /// A line is longer than allowed.
    struct LineTooLong: Error {
        /// The cap in bytes.
        let limit: Int
    }

    /// Longest line in bytes, without its end.
    let limit: Int
    private var buffer = ByteBuffer()
    /// Bytes of `buffer` known to hold no line end.
    private var scanned = 0

    init(limit: Int) { self.limit = limit }

    /// Adds bytes that came in.
    mutating func append(_ bytes: ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.discardReadBytes()
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// The next complete line, which may be empty; nil when more bytes are needed.
    mutating func next() throws(LineTooLong) -> ByteBuffer? {
        let unseen = buffer.readableBytesView.dropFirst(scanned)
        guard let end = unseen.firstIndex(of: 0x0A) else {
            scanned = buffer.readableBytes
            guard scanned <= limit else { throw LineTooLong(limit: limit) }
            return nil
        }
        let length = end - buffer.readerIndex
        guard length <= limit else { throw LineTooLong(limit: limit) }
        scanned = 0
        let line = buffer.readSlice(length: length)
        buffer.moveReaderIndex(forwardBy: 1)
        return line.map(Self.withoutCarriageReturn)
    }

    /// What came after the last line end, once nothing more will come; nil when there is nothing.
    mutating func rest() -> ByteBuffer? {
        scanned = 0
        return buffer.readableBytes > 0 ? buffer.readSlice(length: buffer.readableBytes) : nil
    }

    private static func withoutCarriageReturn(_ line: ByteBuffer) -> ByteBuffer {
        guard line.readableBytesView.last == 0x0D else { return line }
        return line.getSlice(at: line.readerIndex, length: line.readableBytes - 1) ?? line
    }
}

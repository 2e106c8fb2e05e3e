// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Field lines as they came, as ranges of the bytes that hold them. Order and spelling are kept.
struct FieldLine {
    /// Range of the name.
    let name: Range<Int>
    /// Range of the value, without white space at its ends.
    let value: Range<Int>
    /// The field, when it is one that the router understands.
    let known: FieldName?
    /// False for a known field that was spelled with `_`: never acted upon, never passed on.
    let isSpelledExactly: Bool
    /// The line is the name, a colon, one space, the value and CR LF: what the router would write itself.
    let isPlain: Bool
}

/// The head of a request, syntactically valid, with nothing decided yet.
struct RequestHead {
    /// The head without its final empty line; the ranges count from its reader index.
    let bytes: ByteBuffer
    let method: Range<Int>
    /// What the method means to the router.
    let kind: RequestMethod
    let target: Range<Int>
    /// The digit after `HTTP/1.`: 0 or 1.
    let minorVersion: Int
    let fields: [FieldLine]
}

/// The head of an answer, syntactically valid, with nothing decided yet.
struct ResponseHead {
    /// The head without its final empty line; the ranges count from its reader index.
    let bytes: ByteBuffer
    /// 100 to 999.
    let status: Int
    let reason: Range<Int>
    /// The digit after `HTTP/1.`: 0 or 1.
    let minorVersion: Int
    let fields: [FieldLine]
}

extension ByteBuffer {
    /// The bytes of a range that counts from the reader index.
    func text(_ range: Range<Int>) -> String {
        withUnsafeReadableBytes { String(decoding: $0[range], as: UTF8.self) }
    }

    /// The bytes of a range that counts from the reader index.
    func array(_ range: Range<Int>) -> [UInt8] {
        withUnsafeReadableBytes { Array($0[range]) }
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The head of a final answer with all that its client is to be told: as lines of HTTP/1.1, or as fields of HTTP/2.
struct AnswerHead {
    let rewriting: ResponseRewriting
    /// How the body is delimited towards the client.
    let framing: ResponseRewriting.Framing
    /// Value of the Connection field of HTTP/1.1, nil for none.
    let connection: String?
    /// Value of the Date field, used when the app sent none.
    let date: String

    /// Writes the head as lines.
    func writeLines(into buffer: inout ByteBuffer) {
        rewriting.write(framing: framing, connection: connection, date: date, into: &buffer)
    }

    /// Writes the same for HPACK.
    func writeFields(into buffer: inout ByteBuffer) {
        rewriting.writeFields(framing: framing, date: date, into: &buffer)
    }

    /// How the body is delimited where it is read again.
    var bodyFraming: BodyReader.Framing {
        switch framing {
        case .none: .none
        case .length(let length): .length(length)
        case .chunked: .chunked
        case .untilClose: .untilClose
        }
    }
}

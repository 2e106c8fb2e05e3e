// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What is written to a connection before the next flush: small pieces become one, because each costs far more in the
/// pipeline and in the kernel than copying it does.
struct OutgoingBytes {
    /// Longest piece that is copied.
    private static let copied = 8 << 10
    /// Where collecting ends.
    private static let full = 64 << 10

    private var collected = ByteBuffer()

    /// Takes a piece, and sends what cannot wait.
    mutating func add(_ piece: ByteBuffer, send: (ByteBuffer) -> Void) {
        if collected.readableBytes == 0 {
            collected = piece
            if piece.readableBytes > Self.copied { drain(send: send) }
        } else if piece.readableBytes <= Self.copied, collected.readableBytes < Self.full {
            collected.writeImmutableBuffer(piece)
        } else {
            drain(send: send)
            send(piece)
        }
    }

    /// Sends the rest.
    mutating func drain(send: (ByteBuffer) -> Void) {
        guard collected.readableBytes > 0 else { return }
        send(collected)
        collected = ByteBuffer()
    }
}

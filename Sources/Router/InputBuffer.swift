// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What a connection has received and nobody has taken yet.
struct InputBuffer {
    /// The bytes.
    var bytes = ByteBuffer()
    private var isShared = false

    /// Adds bytes, without copying when there were none.
    mutating func append(_ other: ByteBuffer) {
        if bytes.readableBytes == 0 {
            bytes = other
            isShared = true
        } else {
            // What was taken already would otherwise pile up before bytes that never all go.
            bytes.discardReadBytes()
            bytes.append(other)
            isShared = false
        }
    }

    /// Lets go of memory that others may use.
    mutating func keep() {
        if bytes.readableBytes == 0 {
            bytes = ByteBuffer()
        } else if isShared {
            var copy = ByteBufferAllocator().buffer(capacity: bytes.readableBytes)
            copy.writeImmutableBuffer(bytes)
            bytes = copy
        }
        isShared = false
    }
}

extension ByteBuffer {
    /// Adds bytes, without copying when there were none.
    mutating func append(_ other: ByteBuffer) {
        if readableBytes == 0 {
            self = other
        } else {
            writeImmutableBuffer(other)
        }
    }
}

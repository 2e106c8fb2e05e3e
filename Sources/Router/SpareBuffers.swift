// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Empty buffers that were used before, so that what is written next needs no memory of its own.
struct SpareBuffers {
    /// Size of a new one.
    private let capacity: Int
    /// One that has become larger than this was needed once, and is not kept.
    private let largest: Int
    /// How many are kept.
    private let most: Int
    private var buffers: [ByteBuffer] = []

    init(capacity: Int, largest: Int, most: Int) {
        self.capacity = capacity
        self.largest = largest
        self.most = most
    }

    /// An empty buffer with room.
    mutating func take() -> ByteBuffer {
        buffers.popLast() ?? ByteBufferAllocator().buffer(capacity: capacity)
    }

    /// Takes back a buffer whose bytes nobody else has any more, and leaves one without memory.
    mutating func giveBack(_ buffer: inout ByteBuffer) {
        var spare = ByteBuffer()
        swap(&spare, &buffer)
        guard capacity...largest ~= spare.capacity, buffers.count < most else { return }
        spare.clear()
        buffers.append(spare)
    }
}

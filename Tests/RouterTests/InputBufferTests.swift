// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Router

struct InputBufferTests {
    /// Each segment ended one byte into the next chunk's size, so the buffer was never empty, and kept every byte.
    @Test func aBodyCutInEverySizeLineDoesNotPileUp() throws {
        var input = InputBuffer()
        var decoder = ChunkedDecoder()
        var taken = 0
        input.append(ByteBuffer(string: "2"))
        for _ in 0..<10_000 {
            input.append(ByteBuffer(string: "\r\nab\r\n2"))
            while case .data(let data)? = try decoder.next(&input.bytes) { taken += data.readableBytes }
            input.keep()
        }
        #expect(taken == 20_000)
        #expect(input.bytes.capacity <= 256)
    }
}

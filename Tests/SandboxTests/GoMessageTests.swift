// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

struct GoMessageTests {
    @Test func whatIsWrittenIsRead() throws {
        let message = GoMessage()
        #expect(message.bytes.count == GoMessage.byteCount)
        #expect(GoMessage(bytes: message.bytes) == message)
    }

    @Test func anythingElseIsNone() {
        let bytes = GoMessage().bytes
        var other = bytes
        other[0] ^= 1
        for wrong in [[], Array(bytes.dropLast()), bytes + [0], other, Array(repeating: 0, count: 24)] {
            #expect(GoMessage(bytes: wrong) == nil)
        }
    }
}

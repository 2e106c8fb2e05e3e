// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LinuxSystem

struct StreamSocketTests {
    /// Such an error was taken for a connection that was lost, and asked for again at once, for ever.
    @Test func anAttemptThatCannotSucceedIsNoLostConnection() throws {
        let pair = try SocketPair()
        guard case .failed(let error) = StreamSocket.accept(from: pair.first) else {
            Issue.record("accepted from a socket that does not listen")
            return
        }
        #expect(error.name == "EINVAL")
    }
}

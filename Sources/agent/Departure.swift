// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Tells the parts of this agent that it has left the node to another one.
final class Departure: Sendable {
    private let begun = Mutex(false)
    private let (ticks, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    /// The node is not this agent's any more.
    var hasBegun: Bool { begun.withLock { $0 } }

    /// Tells it.
    func begin() {
        begun.withLock { $0 = true }
        signal.finish()
    }

    /// Returns once it is told, or the task is cancelled. For one task.
    func wait() async { for await _ in ticks {} }
}

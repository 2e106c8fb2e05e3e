// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Remembers that the router's socket was given to another process, perhaps before the router listened.
final class Handover: Sendable {
    private struct State {
        var grace: Duration?
        var stopAccepting: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// The time of grace, once it was handed over.
    var grace: Duration? { state.withLock { $0.grace } }

    func set(stopAccepting: @escaping @Sendable () -> Void) {
        let isDue = state.withLock { state in
            state.stopAccepting = stopAccepting
            return state.grace != nil
        }
        if isDue { stopAccepting() }
    }

    func begin(grace: Duration) {
        let stop = state.withLock { state in
            state.grace = grace
            return state.stopAccepting
        }
        stop?()
    }
}

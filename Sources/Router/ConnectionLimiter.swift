// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Counts client connections over all event loops, in all and per address.
final class ConnectionLimiter: Sendable {
    private struct Counts {
        var all = 0
        var byAddress: [String: Int] = [:]
    }

    private let limits: RouterLimits
    private let counts = Mutex(Counts())

    init(limits: RouterLimits) {
        self.limits = limits
    }

    /// Counts a connection; false, and not counted, when it is one too many.
    func admit(_ address: String) -> Bool {
        counts.withLock { counts in
            let ofAddress = counts.byAddress[address, default: 0]
            guard counts.all < limits.connections, ofAddress < limits.connectionsPerAddress else { return false }
            counts.all += 1
            counts.byAddress[address] = ofAddress + 1
            return true
        }
    }

    /// Ends a connection that was admitted.
    func remove(_ address: String) {
        counts.withLock { counts in
            let left = counts.byAddress[address, default: 1] - 1
            counts.byAddress[address] = left > 0 ? left : nil
            counts.all -= 1
        }
    }
}

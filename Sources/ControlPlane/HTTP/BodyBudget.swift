// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel
internal import Synchronization

/// Bounds what all bodies that one listener has collected, or is collecting, hold together: each of many connections may
/// have a body that is just below its own limit and never ends. What is passed on as it comes does not count: bundles, and
/// sessions behind their first frame.
final class BodyBudget: Sendable {
    /// Bytes of all bodies of one listener.
    static let maxBytes = 64 << 20

    private let held = Mutex(0)
    private let limit: Int

    /// Creates a budget.
    ///
    /// - Parameter limit: bytes of all bodies together.
    init(limit: Int = BodyBudget.maxBytes) { self.limit = limit }

    /// What one request holds; gives it back when it goes away.
    final class Share: Sendable {
        private let budget: BodyBudget
        private let taken = Mutex(0)

        init(_ budget: BodyBudget) { self.budget = budget }

        deinit {
            let taken = taken.withLock { $0 }
            budget.held.withLock { $0 -= taken }
        }

        /// Takes room for further bytes.
        ///
        /// - Throws: `Problem` 503.
        func take(_ bytes: Int) throws {
            try budget.held.withLock { held in
                guard held + bytes <= budget.limit else { throw Problem.tooManyBodies }
                held += bytes
            }
            taken.withLock { $0 += bytes }
        }
    }
}

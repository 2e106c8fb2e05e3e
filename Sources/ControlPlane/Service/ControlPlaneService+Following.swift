// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

extension ControlPlaneService {
    /// Where a stream of records begins.
    struct Beginning: Sendable {
        /// What is there; empty for a stream that is resumed.
        var present: [StoreChange]
        /// The revision that changes come after.
        var revision: Int64
    }

    /// Reads what a stream begins with, so that what is wrong can still be said in the answer's head.
    ///
    /// - Parameter revision: what the client has seen already; nil for nothing.
    /// - Throws: `StoreError.compacted` when changes after it are no longer kept.
    func beginFollowing(_ prefix: String, after revision: Int64?) async throws -> Beginning {
        if let revision {
            try await store.requireHistory(after: revision)
            return Beginning(present: [], revision: revision)
        }
        let found = try await store.read([KeyRange(prefix: prefix)])
        let present = found.ranges[0].map { StoreChange(key: $0.key, value: $0.value, revision: found.revision) }
        return Beginning(present: present, revision: found.revision)
    }

    /// Emits what is there, then every change, until the task is cancelled or the service group shuts down. Ends also
    /// when the client reads so slowly that the history has gone past it: it asks again, and is told.
    func follow(
        _ prefix: String, from beginning: Beginning, emit: ([StoreChange]) async throws -> Void
    ) async throws {
        if !beginning.present.isEmpty { try await emit(beginning.present) }
        do {
            for try await changes in store.watch([prefix], after: beginning.revision).untilShutdown() {
                try await emit(changes)
            }
        } catch StoreError.compacted {}
    }
}

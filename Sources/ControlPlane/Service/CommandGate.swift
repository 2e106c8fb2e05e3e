// SPDX-License-Identifier: Apache-2.0

/// Lets one command at a time read, decide and commit, in the order of their arrival.
///
/// The store's comparisons alone would keep commands apart too; the gate spares them the retries, and keeps event
/// ids in the order of their commits.
actor CommandGate {
    private var busy = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// Runs a body alone. Not reentrant: a body must not call `run` of the same gate.
    nonisolated func run<Value: Sendable>(_ body: @Sendable () async throws -> Value) async rethrows -> Value {
        await enter()
        do {
            let value = try await body()
            await leave()
            return value
        } catch {
            await leave()
            throw error
        }
    }

    private func enter() async {
        guard busy else {
            busy = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    private func leave() {
        if waiting.isEmpty {
            busy = false
        } else {
            waiting.removeFirst().resume()
        }
    }
}

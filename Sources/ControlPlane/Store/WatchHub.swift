// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Tells watchers of this process that keys have changed; a watcher then reads the history.
final class WatchHub: Sendable {
    private struct Watcher {
        let prefixes: [String]
        let continuation: AsyncStream<Void>.Continuation
    }

    private struct State {
        var nextID = 0
        var watchers: [Int: Watcher] = [:]
        var closed = false
    }

    private let state = Mutex(State())

    /// A stream that yields after commits that touched one of the prefixes; several commits may give one wake-up.
    func subscribe(_ prefixes: [String]) -> AsyncStream<Void> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            let id = state.withLock { state -> Int? in
                guard !state.closed else { return nil }
                state.nextID += 1
                state.watchers[state.nextID] = Watcher(prefixes: prefixes, continuation: continuation)
                return state.nextID
            }
            guard let id else { return continuation.finish() }
            continuation.onTermination = { [weak self] _ in
                self?.state.withLock { $0.watchers[id] = nil }
            }
        }
    }

    /// Wakes whoever watches one of the keys.
    func notify(_ keys: [String]) {
        let continuations = state.withLock { state in
            state.watchers.values.filter { watcher in
                keys.contains { key in watcher.prefixes.contains { key.hasPrefix($0) } }
            }.map(\.continuation)
        }
        for continuation in continuations { continuation.yield() }
    }

    /// Ends every stream.
    func close() {
        let watchers = state.withLock { state in
            state.closed = true
            defer { state.watchers = [:] }
            return state.watchers
        }
        for watcher in watchers.values { watcher.continuation.finish() }
    }
}

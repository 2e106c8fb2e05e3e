// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Tells the followers of one app's log that there may be more to read. Any thread may use it.
///
/// It carries no lines, only "look again": a follower notes the ``generation``, reads to the end, and waits until the
/// generation is a later one, so a signal between the two is never missed.
public final class LogNotifier: Sendable {
    private enum Waiter {
        /// Announced, its task is about to suspend.
        case announced
        case suspended(CheckedContinuation<Void, Never>)
    }

    private struct State {
        var generation: UInt64 = 0
        var isFinished = false
        var lastWaiter: UInt64 = 0
        var waiters: [UInt64: Waiter] = [:]

        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
            guard !waiters.isEmpty else { return [] }
            defer { waiters.removeAll(keepingCapacity: true) }
            return waiters.values.compactMap { if case .suspended(let continuation) = $0 { continuation } else { nil } }
        }
    }

    private let state = Mutex(State())

    /// Creates a notifier that nobody waits for.
    public init() {}

    /// Grows with every signal.
    public var generation: UInt64 { state.withLock { $0.generation } }

    /// The log was removed: followers end once they have read what is there.
    public var isFinished: Bool { state.withLock { $0.isFinished } }

    /// Wakes everybody who waits; never blocks.
    public func signal() {
        let woken = state.withLock { state in
            state.generation += 1
            return state.takeWaiters()
        }
        for continuation in woken { continuation.resume() }
    }

    /// The log will have no more lines: wakes everybody, and lets nobody wait again.
    public func finish() {
        let woken = state.withLock { state in
            state.generation += 1
            state.isFinished = true
            return state.takeWaiters()
        }
        for continuation in woken { continuation.resume() }
    }

    /// Returns as soon as the generation is later than `generation`, the log is finished, or the task is cancelled.
    public func wait(after generation: UInt64) async {
        let announced: UInt64? = state.withLock { state in
            guard state.generation == generation, !state.isFinished else { return nil }
            state.lastWaiter += 1
            state.waiters[state.lastWaiter] = .announced
            return state.lastWaiter
        }
        guard let id = announced else { return }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // Gone from the table: it was signalled or cancelled between the announcement and here.
                let isWaiting = state.withLock { state in
                    guard state.waiters[id] != nil else { return false }
                    state.waiters[id] = .suspended(continuation)
                    return true
                }
                if !isWaiting { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { $0.waiters.removeValue(forKey: id) }
            if case .suspended(let continuation)? = waiter { continuation.resume() }
        }
    }

    /// How many wait now.
    var waiterCount: Int { state.withLock { $0.waiters.count } }
}

// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Tells the readers of one app's log how far they may read, and its followers that there may be more. Any thread may use it.
///
/// It carries no lines, only "look again": a follower notes the ``generation``, reads to the end, and waits until the
/// generation is a later one, so a signal between the two is never missed.
///
/// The end that is visible is behind what will stay: lines that a crash of the writer may yet take back, because they are
/// still in the app's FIFO, are shown to nobody, or a reader that comes back would be shown them twice.
public final class LogNotifier: Sendable {
    private enum Waiter {
        /// Announced, its task is about to suspend.
        case announced
        case suspended(CheckedContinuation<Void, Never>)
    }

    private struct State {
        var generation: UInt64 = 0
        var isFinished = false
        var visibleEnd = LogPosition.end
        var lastWaiter: UInt64 = 0
        var waiters: [UInt64: Waiter] = [:]

        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
            guard !waiters.isEmpty else { return [] }
            defer { waiters.removeAll(keepingCapacity: true) }
            return waiters.values.compactMap { if case .suspended(let continuation) = $0 { continuation } else { nil } }
        }
    }

    private let shared = Mutex(State())

    /// Creates a notifier that nobody waits for.
    public init() {}

    /// Grows with every signal.
    public var generation: UInt64 { shared.withLock { $0.generation } }

    /// The log was removed: followers end once they have read what is there.
    public var isFinished: Bool { shared.withLock { $0.isFinished } }

    /// What a reader has to know, all of one moment.
    var state: (generation: UInt64, visibleEnd: LogPosition, isFinished: Bool) {
        shared.withLock { ($0.generation, $0.visibleEnd, $0.isFinished) }
    }

    /// Wakes everybody who waits; never blocks.
    ///
    /// - Parameter visibleEnd: how far readers may read from now on.
    func signal(visibleEnd: LogPosition = .end) {
        let woken = shared.withLock { state in
            state.generation += 1
            state.visibleEnd = visibleEnd
            return state.takeWaiters()
        }
        for continuation in woken { continuation.resume() }
    }

    /// The log will have no more lines: wakes everybody, and lets nobody wait again.
    public func finish() {
        let woken = shared.withLock { state in
            state.generation += 1
            state.isFinished = true
            return state.takeWaiters()
        }
        for continuation in woken { continuation.resume() }
    }

    /// Returns as soon as the generation is later than `generation`, the log is finished, or the task is cancelled.
    public func wait(after generation: UInt64) async {
        let announced: UInt64? = shared.withLock { state in
            guard state.generation == generation, !state.isFinished else { return nil }
            state.lastWaiter += 1
            state.waiters[state.lastWaiter] = .announced
            return state.lastWaiter
        }
        guard let id = announced else { return }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // Gone from the table: it was signalled or cancelled between the announcement and here.
                let isWaiting = shared.withLock { state in
                    guard state.waiters[id] != nil else { return false }
                    state.waiters[id] = .suspended(continuation)
                    return true
                }
                if !isWaiting { continuation.resume() }
            }
        } onCancel: {
            let waiter = shared.withLock { $0.waiters.removeValue(forKey: id) }
            if case .suspended(let continuation)? = waiter { continuation.resume() }
        }
    }

    /// How many wait now.
    var waiterCount: Int { shared.withLock { $0.waiters.count } }
}

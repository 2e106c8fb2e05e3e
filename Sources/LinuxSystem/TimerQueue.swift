// SPDX-License-Identifier: Apache-2.0

/// Timers in the order of their deadline. Not thread-safe; lives on the event loop's thread.
struct TimerQueue {
    private struct Entry {
        let id: UInt64
        let deadline: Int64
        let body: () -> Void
    }

    /// Latest deadline first, so that the next one is popped from the end.
    private var entries: [Entry] = []

    /// Deadline of the next timer in nanoseconds of CLOCK_MONOTONIC; nil when there is none.
    var nextDeadline: Int64? { entries.last?.deadline }

    /// Adds a timer; of equal deadlines the one that was added first fires first.
    mutating func insert(id: UInt64, deadline: Int64, _ body: @escaping () -> Void) {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].deadline > deadline { low = middle + 1 } else { high = middle }
        }
        while low > 0 && entries[low - 1].deadline == deadline { low -= 1 }
        entries.insert(Entry(id: id, deadline: deadline, body: body), at: low)
    }

    /// Forgets a timer, if it is still there.
    mutating func remove(id: UInt64) {
        entries.removeAll { $0.id == id }
    }

    /// Takes out the next timer whose deadline has come.
    mutating func popDue(now: Int64) -> (() -> Void)? {
        guard let last = entries.last, last.deadline <= now else { return nil }
        return entries.removeLast().body
    }
}

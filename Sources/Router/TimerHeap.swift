// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Timers by their time, the next one first; adding and removing take logarithmic time however many there are.
struct TimerHeap {
    private var timers: [DeadlineTimer] = []

    /// When the next one is due; nil when there is none.
    var next: NIODeadline? { timers.first?.time }

    /// Adds a timer, which must not be in a heap.
    mutating func insert(_ timer: DeadlineTimer) {
        timers.append(timer)
        timer.heapIndex = timers.count - 1
        moveUp(timers.count - 1)
    }

    /// Takes every timer out.
    mutating func removeAll() {
        for timer in timers { timer.heapIndex = -1 }
        timers = []
    }

    /// Takes a timer out, if it is in.
    mutating func remove(_ timer: DeadlineTimer) {
        let index = timer.heapIndex
        guard index >= 0 else { return }
        timer.heapIndex = -1
        let last = timers.removeLast()
        guard last !== timer else { return }
        place(last, at: index)
        moveUp(index)
        moveDown(last.heapIndex)
    }

    /// Takes out the next timer that is due.
    mutating func popDue(now: NIODeadline) -> DeadlineTimer? {
        guard let first = timers.first, first.time <= now else { return nil }
        remove(first)
        return first
    }

    private mutating func place(_ timer: DeadlineTimer, at index: Int) {
        timers[index] = timer
        timer.heapIndex = index
    }

    private mutating func moveUp(_ start: Int) {
        var index = start
        while index > 0, timers[index].time < timers[(index - 1) / 2].time {
            exchange(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private mutating func moveDown(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < timers.count {
                if timers[child].time < timers[least].time { least = child }
            }
            guard least != index else { return }
            exchange(index, least)
            index = least
        }
    }

    private mutating func exchange(_ first: Int, _ second: Int) {
        let timer = timers[first]
        place(timers[second], at: first)
        place(timer, at: second)
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// One deadline that moves often and is rarely reached.
///
/// Moving it later costs nothing: the time that the thread waits for already is looked at again when it comes. So at most
/// one time is waited for, and none once the deadline was cleared and that time has come. Until then the thread keeps the
/// timer alive: end with ``cancel()``.
final class DeadlineTimer {
    private let thread: any LoopThread
    private var deadline: NIODeadline?
    private var isScheduled = false
    /// When the thread has it fire.
    private(set) var time = NIODeadline.distantFuture
    /// The thread's own note: where it waits in a ``TimerHeap``.
    var heapIndex = -1
    /// Called when the deadline has passed; the deadline is cleared before.
    var onExpiry: (() -> Void)?

    init(thread: any LoopThread) {
        self.thread = thread
    }

    /// There is a deadline.
    var isSet: Bool { deadline != nil }

    /// Moves the deadline to this long from now.
    func set(_ duration: Duration) {
        let time = thread.now + TimeAmount(duration)
        deadline = time
        guard !isScheduled || time < self.time else { return }
        if isScheduled { thread.unschedule(self) }
        schedule(time)
    }

    /// There is no deadline any more.
    func clear() {
        deadline = nil
    }

    /// Ends the timer for good.
    func cancel() {
        deadline = nil
        onExpiry = nil
        if isScheduled { thread.unschedule(self) }
        isScheduled = false
    }

    private func schedule(_ time: NIODeadline) {
        self.time = time
        isScheduled = true
        thread.schedule(self, at: time)
    }

    /// The time has come that the thread waited for.
    func fire() {
        isScheduled = false
        guard let deadline else { return }
        if deadline > thread.now {
            schedule(deadline)
        } else {
            self.deadline = nil
            onExpiry?()
        }
    }
}

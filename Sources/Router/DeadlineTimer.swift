// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// One deadline that moves often and is rarely reached.
///
/// Moving it later costs nothing: the task that is scheduled already looks again when it fires. So at most one task
/// exists, and none once the deadline was cleared and the last task has fired. A task keeps the timer alive: end with
/// ``cancel()``.
final class DeadlineTimer {
    private let eventLoop: any EventLoop
    private var deadline: NIODeadline?
    private var task: Scheduled<Void>?
    private var taskTime = NIODeadline.distantFuture
    /// Called when the deadline has passed; the deadline is cleared before.
    var onExpiry: (() -> Void)?

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    /// Moves the deadline to this long from now.
    func set(_ duration: Duration) {
        let time = eventLoop.now + TimeAmount(duration)
        deadline = time
        guard task == nil || time < taskTime else { return }
        task?.cancel()
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
        task?.cancel()
        task = nil
    }

    private func schedule(_ time: NIODeadline) {
        taskTime = time
        task = eventLoop.assumeIsolated().scheduleTask(deadline: time) { self.fired() }
    }

    private func fired() {
        task = nil
        guard let deadline else { return }
        if deadline > eventLoop.now {
            schedule(deadline)
        } else {
            self.deadline = nil
            onExpiry?()
        }
    }
}

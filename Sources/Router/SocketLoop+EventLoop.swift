// SPDX-License-Identifier: Apache-2.0

import Dispatch
import NIOCore

/// A ``SocketLoop`` as NIO's handlers see it, which TLS consists of.
extension SocketLoop: NIOCore.EventLoop {
    /// Keeps its promise whatever becomes of the timer that has it.
    private final class ScheduledTask<Value> {
        private let promise: EventLoopPromise<Value>
        private let body: () throws -> Value

        init(promise: EventLoopPromise<Value>, body: @escaping () throws -> Value) {
            self.promise = promise
            self.body = body
        }

        deinit { promise.fail(EventLoopError.cancelled) }

        func run() { promise.assumeIsolated().completeWith(Result(catching: body)) }
    }

    var inEventLoop: Bool { isOnThread }

    func preconditionInEventLoop(file: StaticString, line: UInt) {
        precondition(isOnThread, "not on the loop's thread", file: file, line: line)
    }

    func scheduleTask<Value>(
        in delay: TimeAmount, _ task: @escaping @Sendable () throws -> Value
    ) -> Scheduled<Value> {
        scheduleTask(deadline: .now() + delay, task)
    }

    func scheduleTask<Value>(
        deadline: NIODeadline, _ task: @escaping @Sendable () throws -> Value
    ) -> Scheduled<Value> {
        let promise = makePromise(of: Value.self)
        let scheduled = ScheduledTask(promise: promise, body: task)
        let timer = DeadlineTimer(thread: self)
        timer.onExpiry = { scheduled.run() }
        let bound = ThreadBound(timer)
        executeInPlace { [self] in bound.value.set(Duration(deadline - now)) }
        return Scheduled(promise: promise) { [self] in executeInPlace { bound.value.cancel() } }
    }

    private func executeInPlace(_ body: @escaping @Sendable () -> Void) {
        if isOnThread { body() } else { execute(body) }
    }

    /// Its owner ends it: ``stop()``.
    func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
        queue.async { callback(EventLoopError.unsupportedOperation) }
    }
}

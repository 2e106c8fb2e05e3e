// SPDX-License-Identifier: Apache-2.0

/// Carries something that belongs to one thread past others, which do not look inside.
///
/// Concurrency proof for `@unchecked Sendable`: it is made and used on the same ``SocketLoop``, or made with something new
/// that its maker hands over and does not touch again, such as a socket that was just accepted.
struct ThreadBound<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// A ``RouterLoop``, for those on other threads.
///
/// Concurrency proof for `@unchecked Sendable`: `loop` is made and used on the thread only.
final class LoopHandle: @unchecked Sendable {
    let thread: SocketLoop
    private var loop: RouterLoop?

    init(thread: SocketLoop, make: @escaping @Sendable (any LoopThread) -> RouterLoop) {
        self.thread = thread
        thread.execute { self.loop = make(thread) }
    }

    /// Runs `body` on the loop's thread. May be called from any thread.
    func run(_ body: @escaping @Sendable (RouterLoop) -> Void) {
        thread.execute { body(self.onThread) }
    }

    /// The loop, for who is on its thread already.
    var onThread: RouterLoop {
        guard let loop else { preconditionFailure("used before the thread has made it") }
        return loop
    }
}

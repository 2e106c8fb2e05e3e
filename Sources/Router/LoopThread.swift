// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Who goes on without an event, after everybody else had a turn.
protocol LoopContinuation: AnyObject {
    func goOn()
}

/// The thread of a ``RouterLoop``: its time and timers, the way onto it, and the connections that it can open. A ``SocketLoop``, or
/// what a test has in its hands.
///
/// Everything but ``execute(_:)`` is for that thread only.
protocol LoopThread: AnyObject, Sendable {
    /// Time on the clock that does not jump.
    var now: NIODeadline { get }
    /// An event loop on a thread of NIO's, for futures that end elsewhere.
    var outside: any EventLoop { get }
    /// Runs `body` on the thread, after what was handed over before. May be called from any thread.
    func execute(_ body: @escaping @Sendable () -> Void)
    /// Has somebody go on with what is known to be there, after everybody else had a turn.
    func continueLater(_ continuation: any LoopContinuation)
    /// Has the timer fire at a time; a timer waits for one time only.
    func schedule(_ timer: DeadlineTimer, at time: NIODeadline)
    /// The timer does not wait any more.
    func unschedule(_ timer: DeadlineTimer)
    /// Connects to an address.
    func connect(
        _ connection: UpstreamConnection, to address: SocketAddress, timeout: Duration,
        completion: @escaping (Result<Void, any Error>) -> Void)
    /// Uses a socket that is connected, and the router's to close.
    func adopt(
        _ connection: UpstreamConnection, socket: NIOBSDSocket.Handle,
        completion: @escaping (Result<Void, any Error>) -> Void)
}

extension LoopThread {
    /// Continues on this thread with what a future brings.
    func receive<Value: Sendable>(
        _ future: EventLoopFuture<Value>, _ body: @escaping (Result<Value, any Error>) -> Void
    ) {
        let continuation = ThreadBound(body)
        future.whenComplete { [self] result in execute { continuation.value(result) } }
    }
}

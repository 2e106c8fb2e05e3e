// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOEmbedded
import Testing

@testable import Router

struct TimerHeapTests {
    /// Puts timers where a test can look.
    private final class Thread: LoopThread, @unchecked Sendable {
        let outside: any EventLoop = EmbeddedEventLoop()
        var now = NIODeadline.uptimeNanoseconds(1_000)
        var heap = TimerHeap()

        func execute(_ body: @escaping @Sendable () -> Void) { body() }
        func continueLater(_ continuation: any LoopContinuation) {}
        func schedule(_ timer: DeadlineTimer, at time: NIODeadline) { heap.insert(timer) }
        func unschedule(_ timer: DeadlineTimer) { heap.remove(timer) }
        func connect(
            _ connection: UpstreamConnection, to address: SocketAddress, timeout: Duration,
            completion: @escaping (Result<Void, any Error>) -> Void
        ) {}
        func adopt(
            _ connection: UpstreamConnection, socket: NIOBSDSocket.Handle,
            completion: @escaping (Result<Void, any Error>) -> Void
        ) {}
    }

    @Test func timersFireInTheirOrderAndThoseThatWereCancelledNever() {
        let thread = Thread()
        var fired: [Int] = []
        // Every time from 1 to 100 once, in an order without order.
        let timers = (1...100).map { number in
            let timer = DeadlineTimer(thread: thread)
            let after = number * 37 % 101
            timer.onExpiry = { fired.append(after) }
            timer.set(.nanoseconds(after))
            return timer
        }
        for index in stride(from: 0, to: 100, by: 3) { timers[index].cancel() }
        let left = (1...100).filter { $0 % 3 != 1 }.map { $0 * 37 % 101 }.sorted()
        while let next = thread.heap.next {
            thread.now = next
            while let timer = thread.heap.popDue(now: thread.now) { timer.fire() }
        }
        #expect(fired == left)
    }

    @Test func aDeadlineThatMovedLaterIsLookedAtAgain() {
        let thread = Thread()
        let timer = DeadlineTimer(thread: thread)
        var fired = 0
        timer.onExpiry = { fired += 1 }
        timer.set(.nanoseconds(10))
        timer.set(.nanoseconds(30))
        thread.now = .uptimeNanoseconds(1_010)
        thread.heap.popDue(now: thread.now)?.fire()
        #expect(fired == 0 && thread.heap.next == .uptimeNanoseconds(1_030))
        timer.set(.nanoseconds(5))
        #expect(thread.heap.next == .uptimeNanoseconds(1_015))
        timer.cancel()
        #expect(thread.heap.next == nil)
    }
}

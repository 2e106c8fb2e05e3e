// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import Testing

@testable import ControlPlane

struct FailureLimiterTests {
    /// A clock that goes when it is told to.
    private final class Clock: Sendable {
        private let time = Mutex<NIODeadline>(.uptimeNanoseconds(1_000_000_000))

        var now: NIODeadline { time.withLock { $0 } }
        func advance(_ amount: TimeAmount) { time.withLock { $0 = $0 + amount } }
    }

    @Test func failuresBeyondTheFreeOnesWaitForTheInterval() {
        let clock = Clock()
        let limiter = FailureLimiter(capacity: 3, interval: .seconds(6)) { clock.now }
        for _ in 0..<3 { #expect(limiter.failed("a") == .counted) }
        #expect(limiter.failed("a") == .limited(retryAfterSeconds: 6, isFirst: true))
        #expect(limiter.failed("b") == .counted)
        clock.advance(.milliseconds(4_500))
        #expect(limiter.failed("a") == .limited(retryAfterSeconds: 2, isFirst: false))
        clock.advance(.milliseconds(1_500))
        #expect(limiter.failed("a") == .counted)
        #expect(limiter.failed("a") == .limited(retryAfterSeconds: 6, isFirst: false))
    }

    @Test func aNewSeriesIsTheFirstAgain() {
        let clock = Clock()
        let limiter = FailureLimiter(capacity: 2, interval: .seconds(1)) { clock.now }
        for _ in 0..<3 { _ = limiter.failed("a") }
        clock.advance(.seconds(2))
        for _ in 0..<2 { #expect(limiter.failed("a") == .counted) }
        #expect(limiter.failed("a") == .limited(retryAfterSeconds: 1, isFirst: true))
    }

    @Test func howManySourcesAreRememberedIsBoundedAndTheWorstStay() {
        let clock = Clock()
        let limiter = FailureLimiter(capacity: 2, interval: .seconds(60)) { clock.now }
        for _ in 0..<3 { _ = limiter.failed("worst") }
        for number in 0..<(2 * FailureLimiter.maxSources) { _ = limiter.failed("source \(number)") }
        #expect(limiter.count <= FailureLimiter.maxSources)
        #expect(limiter.failed("worst") != .counted)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing

@testable import ProgramSupport

/// Signals are the whole process's, so these use some that nothing else here does, and send them to the test's own thread:
/// those of other tests may be in a call that a signal interrupts.
@Suite(.serialized) struct SignalWatchTests {
    private func action(of number: CInt) -> UInt {
        var present = sigaction()
        sigaction(number, nil, &present)
        return UInt(bitPattern: unsafeBitCast(present.__sigaction_handler.sa_handler, to: Int.self))
    }

    /// To this thread, whose signals Swift blocks.
    private func send(_ number: CInt) {
        var wanted = sigset_t()
        var before = sigset_t()
        sigemptyset(&wanted)
        sigaddset(&wanted, number)
        pthread_sigmask(SIG_UNBLOCK, &wanted, &before)
        raise(number)
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }

    /// Whichever thread gets it. A signalfd does not see what another thread has got.
    @Test func everySignalThatComesByItselfArrives() async {
        let (numbers, continuation) = AsyncStream.makeStream(of: CInt.self)
        let watch = SignalWatch(of: [SIGUSR1, SIGUSR2]) { continuation.yield($0) }
        var iterator = numbers.makeAsyncIterator()
        for number in Array(repeating: [SIGUSR1, SIGUSR2], count: 100).flatMap({ $0 }) {
            send(number)
            #expect(await iterator.next() == number)
        }
        watch.cancel()
    }

    @Test func afterTheEndASignalDoesWhatItDidBefore() {
        signal(SIGUSR1, SIG_IGN)
        defer { signal(SIGUSR1, SIG_DFL) }
        let watch = SignalWatch(of: [SIGUSR1], evenIgnored: true) { _ in }
        #expect(action(of: SIGUSR1) > 1)
        watch.cancel()
        #expect(action(of: SIGUSR1) == 1)
    }

    @Test func ignoredSignalStaysIgnored() {
        signal(SIGUSR1, SIG_IGN)
        defer { signal(SIGUSR1, SIG_DFL) }
        let watch = SignalWatch(of: [SIGUSR1]) { _ in }
        #expect(action(of: SIGUSR1) == 1)
        watch.cancel()
        #expect(action(of: SIGUSR1) == 1)
    }

    @Test func signalThatIsWatchedOnceEndsTheProcessTheSecondTime() async {
        let (numbers, continuation) = AsyncStream.makeStream(of: CInt.self)
        let watch = SignalWatch(of: [SIGUSR2], once: true) { continuation.yield($0) }
        var iterator = numbers.makeAsyncIterator()
        send(SIGUSR2)
        #expect(await iterator.next() == SIGUSR2)
        #expect(action(of: SIGUSR2) == 0)
        watch.cancel()
    }
}

// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import Supervision

@Suite struct BackoffTests {
    private let backoff = Backoff(base: .seconds(1), cap: .seconds(60))

    private func seconds(_ failures: Int, wasReady: Bool) -> Double {
        backoff.delay(failures: failures, wasReady: wasReady, jitter: 0.5).inSeconds
    }

    @Test func firstRestartAfterAReadyRunIsAtOnce() {
        #expect(backoff.delay(failures: 1, wasReady: true, jitter: 0.99) == .zero)
    }

    @Test func pauseDoublesUpToTheCap() {
        #expect((1...9).map { seconds($0, wasReady: false) } == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        #expect((1...9).map { seconds($0, wasReady: true) } == [0, 1, 2, 4, 8, 16, 32, 60, 60])
        #expect(seconds(1_000_000, wasReady: false) == 60)
    }

    @Test func jitterIsATenthEachWay() {
        #expect(backoff.delay(failures: 1, wasReady: false, jitter: 0).inSeconds == 0.9)
        #expect(backoff.delay(failures: 1, wasReady: false, jitter: 1).inSeconds == 1.1)
    }
}

@Suite struct PortAllocatorTests {
    /// `#expect` cannot hold a mutating call.
    private func check<Value: Equatable>(
        _ value: Value, _ expected: Value, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(value == expected, sourceLocation: sourceLocation)
    }

    @Test func twoOwnersNeverGetTheSamePort() {
        var ports = PortAllocator(range: 20_000...20_002)
        let handedOut = ["a", "b", "c"].map { ports.allocate(owner: $0) { _ in true } }
        #expect(handedOut == [20_000, 20_001, 20_002])
        check(ports.allocate(owner: "d") { _ in true }, nil)
        check(ports.allocate(owner: "b") { _ in false }, 20_001)
    }

    @Test func portOfAStrangerIsPassedOver() {
        var ports = PortAllocator(range: 20_000...20_002)
        check(ports.allocate(owner: "a") { $0 != 20_000 }, 20_001)
    }

    @Test func releasedPortComesLast() {
        var ports = PortAllocator(range: 20_000...20_002)
        _ = ports.allocate(owner: "a") { _ in true }
        ports.release(owner: "a")
        check(ports.allocate(owner: "b") { _ in true }, 20_001)
    }

    @Test func anOwnerWhoReservesAnotherPortHasThatAlone() {
        var ports = PortAllocator(range: 20_000...20_001)
        _ = ports.allocate(owner: "a") { _ in true }
        check(ports.reserve(20_001, owner: "a"), true)
        check(ports.port(of: "a"), 20_001)
        check(ports.allocate(owner: "b") { _ in true }, 20_000)
        ports.release(owner: "a")
        check(ports.port(of: "a"), nil)
        check(ports.allocate(owner: "c") { _ in true }, 20_001)
    }

    @Test func reservedPortIsNotHandedOut() {
        var ports = PortAllocator(range: 20_000...20_001)
        check(ports.reserve(20_000, owner: "a"), true)
        check(ports.reserve(20_000, owner: "b"), false)
        check(ports.allocate(owner: "b") { _ in true }, 20_001)
    }
}

@Suite struct ExitNarrativeTests {
    private func sentence(
        _ change: (inout ExitReport) -> Void, then adjust: (inout ExitNarrative) -> Void = { _ in }
    ) -> String {
        var report = ExitReport(at: Timestamp(microseconds: 0), uptimeMs: 4_200)
        change(&report)
        var narrative = ExitNarrative(report: report, graceSeconds: 30)
        adjust(&narrative)
        return narrative.sentence
    }

    @Test func codesAndSignalsAreNeverConfused() {
        #expect(sentence { $0.code = 137 } == "exited with code 137 after 4.2 s")
        #expect(
            sentence { $0.signal = "SIGKILL" } == "killed by SIGKILL (from outside, not for lack of memory) after 4.2 s"
        )
    }

    /// Without the memory controller nobody counts OOM kills of the run, and SIGKILL may be one of the machine's.
    @Test func sigkillIsNotExplainedWhereTheKernelDoesNotCount() {
        #expect(
            sentence {
                $0.signal = "SIGKILL"
            } then: {
                $0.countsOutOfMemoryKills = false
            }
                == "killed by SIGKILL (from outside, or for lack of memory: this node does not count that) after 4.2 s")
    }

    @Test func hangSaysWhatItWasDoing() {
        let text = sentence {
            $0.signal = "SIGKILL"
            $0.hang = HangReport(
                at: Timestamp(microseconds: 0),
                threads: [.init(tid: 1, name: "python3", state: "S", waitsIn: "futex_wait_queue", systemCall: 202)],
                threadCount: 4, sockets: [.init(state: "LISTEN", count: 1, waiting: 5)])
        } then: {
            $0.unhealthyReason = "failed its health check /h 3 times: it did not answer within 5 s"
        }
        #expect(
            text
                == "failed its health check /h 3 times: it did not answer within 5 s, and was killed (python3 waited in "
                + "futex_wait_queue; 4 threads; 5 connections waited to be accepted) after 4.2 s")
    }

    @Test func outOfMemoryShowsPeakAndLimit() {
        let text = sentence {
            $0.signal = "SIGKILL"
            $0.oomKilled = true
            $0.peakMemoryBytes = 256 << 20
            $0.memoryLimitBytes = 256 << 20
        }
        #expect(text == "out of memory: 256.0 of 256.0 MiB, after 4.2 s")
        let dated = sentence {
            $0.oomKilled = true
            $0.peakMemoryBytes = 900 << 10
            $0.memoryLimitBytes = 1 << 20
            $0.at = Timestamp(microseconds: 9_000_000)
            $0.memoryLimitReachedAt = Timestamp(microseconds: 5_000_000)
        }
        #expect(dated == "out of memory: 900.0 KiB of 1.0 MiB, limit first met 4.0 s before, after 4.2 s")
    }

    @Test func missingCommandQuotesTheShell() {
        let text = sentence {
            $0.code = 127
        } then: {
            $0.lastErrorLine = "/bin/sh: 1: nosuch: not found"
        }
        #expect(text == "exited with code 127 (command not found: /bin/sh: 1: nosuch: not found) after 4.2 s")
    }

    @Test func requestedEndSaysSo() {
        let text = sentence {
            $0.requested = true
            $0.code = 0
        } then: {
            $0.stopSignal = .term
        }
        #expect(text == "ended as asked by SIGTERM, exited with code 0, after 4.2 s")
        let killed = sentence {
            $0.requested = true
            $0.signal = "SIGKILL"
        } then: {
            $0.stopSignal = .term
            $0.graceExpired = true
        }
        #expect(killed == "did not end within 30 s of SIGTERM and was killed")
    }

    @Test func unknownEndIsNotMadeUp() {
        #expect(sentence { _ in } == "ended, the kernel could not tell how after 4.2 s")
        let asked = sentence {
            $0.requested = true
        } then: {
            $0.stopSignal = .term
        }
        #expect(asked == "ended as asked by SIGTERM, ended, the kernel could not tell how, after 4.2 s")
    }
}

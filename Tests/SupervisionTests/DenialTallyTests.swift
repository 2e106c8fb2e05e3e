// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import LinuxSystem
import Sandbox
import Testing

@testable import Supervision

struct DenialTallyTests {
    private static let mount = 165

    private func record(_ count: Int64, call: Int32? = 165) -> DenialRecord { DenialRecord(call: call, count: count) }

    @Test func aRecordThatIsReadTwiceCountsOnce() {
        var tally = DenialTally()
        for count: Int64 in [3, 3, 2, 5] { tally.take(record(count)) }
        #expect(tally.ofRun == [Self.mount: 5])
        let first = tally.tell(Self.mount)
        let again = tally.tell(Self.mount)
        tally.take(record(6))
        let later = tally.tell(Self.mount)
        #expect([first, again, later] == [5, nil, 1])
    }

    @Test func whatIsUntoldOutlivesTheRunAndADiskAndTheCountsBeginAnew() throws {
        var tally = DenialTally()
        tally.take(record(3))
        tally.take(record(0, call: nil))
        #expect(tally.isUnseen)
        tally.beginRun()
        tally = try JSONDecoder().decode(DenialTally.self, from: JSONEncoder().encode(tally))
        #expect(tally.ofRun.isEmpty && !tally.isUnseen && !tally.isEmpty)
        tally.take(record(2))
        let told = tally.tell(Self.mount)
        #expect(told == 5)
    }

    @Test func eachCallIsToldOnceInAPauseAndSixteenCallsInAll() {
        var pace = DenialPace(pause: .seconds(60))
        func at(_ seconds: Int64) -> MonotonicInstant { MonotonicInstant(nanoseconds: seconds * 1_000_000_000) }
        let first = [pace.allows(1, at: at(0)), pace.allows(1, at: at(59))]
        #expect(first == [true, false])
        #expect(pace.end == at(60))
        let others = (2...20).filter { pace.allows($0, at: at(59)) }
        #expect(others == Array(2...16))
        let next = [pace.allows(1, at: at(60)), pace.allows(1, at: at(61)), pace.allows(20, at: at(61))]
        #expect(next == [true, false, true])
    }

    /// An app could keep a call out of its events by others with lower numbers.
    @Test func noCallIsKeptFromBeingToldByOthersThatComeAgain() {
        var pace = DenialPace(pause: .seconds(60))
        func told(_ calls: Set<Int>, _ seconds: Int64) -> Set<Int> {
            let now = MonotonicInstant(nanoseconds: seconds * 1_000_000_000)
            return Set(pace.order(calls).filter { pace.allows($0, at: now) })
        }
        let busy = Set(155...173)
        #expect(told(busy, 0) == Set(155...170))
        #expect(told(busy.union([321]), 60).isSuperset(of: [171, 172, 173, 321]))
    }

    @Test func pauseDoublesUpToAnHourWhileItGoesOnAndBeginsAnewAfterAQuietTime() throws {
        var pace = DenialPace(pause: .seconds(60))
        var now = MonotonicInstant(nanoseconds: 0)
        var lengths: [Int64] = []
        for _ in 0..<9 {
            _ = pace.allows(1, at: now)
            let end = try #require(pace.end)
            lengths.append((end.nanoseconds - now.nanoseconds) / 60_000_000_000)
            now = end
        }
        #expect(lengths == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        now = MonotonicInstant(nanoseconds: now.nanoseconds + 3_600_000_000_000)
        _ = pace.allows(1, at: now)
        #expect(pace.end == MonotonicInstant(nanoseconds: now.nanoseconds + 60_000_000_000))
    }
}

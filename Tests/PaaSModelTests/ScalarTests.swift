// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@Suite struct ByteCountTests {
    @Test(
        arguments: [
            ("0", 0), ("4096", 4096), ("17b", 17), ("256M", 256 << 20), ("256m", 256 << 20), ("1.5G", 3 << 29),
            ("1k", 1024), ("1KB", 1024), ("1kib", 1024), ("2T", 2 << 40), (".5K", 512),
        ] as [(String, Int64)])
    func unitsArePowersOf1024(text: String, bytes: Int64) {
        #expect(ByteCount(text)?.bytes == bytes)
    }

    @Test(arguments: ["", "M", "-1", "1X", "1 M", "1e3", "0x10", "1.2.3K", "٣", "8388608T", "999999999999999999999"])
    func anythingElseIsNil(text: String) {
        #expect(ByteCount(text) == nil)
    }

    @Test(
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (256 << 20, "256.0 MiB"),
            ((1 << 20) - 1, "1.0 MiB"), (3 << 40, "3.0 TiB"), (.max, "8388608.0 TiB"),
        ] as [(Int64, String)])
    func descriptionIsForPeople(bytes: Int64, text: String) {
        #expect(ByteCount(bytes: bytes).description == text)
    }

    @Test func countsCompareByBytes() {
        #expect(ByteCount(bytes: 1023) < ByteCount(bytes: 1024))
    }
}

@Suite struct DurationTextTests {
    @Test(
        arguments: [
            ("500ms", .milliseconds(500)), ("10s", .seconds(10)), ("5m", .seconds(300)), ("2h", .seconds(7200)),
            ("1d", .seconds(86_400)), ("1m30s", .seconds(90)), ("90", .seconds(90)), ("0.5", .milliseconds(500)),
            ("0", .zero), ("0s", .zero), ("1.5h", .seconds(5400)), ("1d2h3m4s5ms", .milliseconds(93_784_005)),
        ] as [(String, Duration)])
    func durationsAreReadAsPeopleWriteThem(text: String, duration: Duration) {
        #expect(Duration(text: text) == duration)
    }

    @Test(arguments: ["", "s", "-1s", "1x", "1 s", "1m30", "0s5", "1.2.3s", "s1", "٣s", "9999999999s", "1e3s"])
    func anythingElseIsNil(text: String) {
        #expect(Duration(text: text) == nil)
    }

    @Test(
        arguments: [
            (.zero, "0 ms"), (.milliseconds(480), "480 ms"), (.milliseconds(4200), "4.2 s"), (.seconds(42), "42 s"),
            (.seconds(200), "3m 20s"), (.seconds(3_600), "1h 0m"), (.seconds(187_200), "2d 4h"),
            (.microseconds(999_600), "1.0 s"), (.milliseconds(9_960), "10 s"), (.milliseconds(59_600), "1m 0s"),
        ] as [(Duration, String)])
    func shortTextHasAtMostTwoUnits(duration: Duration, text: String) {
        #expect(duration.shortText == text)
    }

    @Test func secondsAreExactForWhatIsShown() {
        #expect(Duration.milliseconds(1500).inSeconds == 1.5)
        #expect(Duration.seconds(-2).inSeconds == -2)
    }
}

@Suite struct TimestampTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1_767_323_045_678_000, "2026-01-02T03:04:05.678Z"),
            (1_767_323_045_678_999, "2026-01-02T03:04:05.678Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (-1_000, "1969-12-31T23:59:59.999Z"), (-1_001, "1969-12-31T23:59:59.998Z"),
            (-86_400_000_000, "1969-12-31T00:00:00.000Z"), (1_582_934_400_001_000, "2020-02-29T00:00:00.001Z"),
        ] as [(Int64, String)])
    func textIsUTCRoundedDownToTheMillisecond(microseconds: Int64, text: String) {
        #expect(Timestamp(microseconds: microseconds).description == text)
    }

    @Test(
        arguments: [
            ("2026-01-02T03:04:05Z", 1_767_323_045_000_000), ("2026-01-02T03:04:05.6Z", 1_767_323_045_600_000),
            ("2026-01-02T03:04:05.678901Z", 1_767_323_045_678_901),
            ("2026-01-02T03:04:05.678901234Z", 1_767_323_045_678_901),
            ("2026-01-02T04:04:05+01:00", 1_767_323_045_000_000),
            ("2026-01-01T21:34:05.5-05:30", 1_767_323_045_500_000),
            ("1969-12-31T23:59:59.999999Z", -1),
        ] as [(String, Int64)])
    func rfc3339IsReadWithAnyFractionAndOffset(text: String, microseconds: Int64) {
        #expect(Timestamp(text)?.microseconds == microseconds)
    }

    @Test(arguments: ["", "now", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "1767323045"])
    func anythingElseIsNil(text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test func everyMillisecondComesBack() {
        for step in Int64(-3_000)...3_000 {
            // Over sixty years in both directions.
            let time = Timestamp(microseconds: step * 630_720_011 * 1_000)
            #expect(Timestamp(time.description) == time)
        }
    }

    @Test func secondsAreCountedInBothDirections() {
        let time = Timestamp(microseconds: 5_000_000)
        #expect(time.advanced(bySeconds: -1.5) == Timestamp(microseconds: 3_500_000))
        #expect(time.seconds(until: time.advanced(bySeconds: 2.25)) == 2.25)
        #expect(time.advanced(bySeconds: -1) < time)
    }

    @Test func advancingStopsAtTheYearsThatCanBeWritten() {
        // `--since 999999999d` once trapped.
        for seconds in [-1e300, -8.64e13, -1e11] {
            #expect(Timestamp.now.advanced(bySeconds: seconds).description.hasPrefix("0001-01-0"))
        }
        for seconds in [.infinity, 9.3e12, 1e12] {
            #expect(Timestamp.now.advanced(bySeconds: seconds).description.hasPrefix("9999-12-31"))
        }
    }

    @Test func datesAreKeptToTheMicrosecond() {
        let time = Timestamp(microseconds: 1_767_323_045_678_901)
        #expect(abs(Timestamp(time.date).microseconds - time.microseconds) <= 1)
    }
}

@Suite struct AppNameTests {
    @Test(arguments: ["a", "my-app", "0", "a--b", String(repeating: "x", count: 63)])
    func dnsLabelsAreNames(text: String) {
        #expect(AppName(rawValue: text)?.description == text)
    }

    @Test(arguments: [
        ("", "is empty"), (String(repeating: "x", count: 64), "longer than 63"), ("App", "not allowed"),
        ("a.b", "not allowed"), ("a/b", "not allowed"), ("é", "not allowed"), ("-a", "begins or ends"),
        ("a-", "begins or ends"), ("a\n", "not allowed"), ("..", "not allowed"),
    ])
    func anythingElseIsRefusedWithTheReason(text: String, reason: String) {
        #expect(AppName(rawValue: text) == nil)
        #expect {
            try AppName(validating: text)
        } throws: { error in
            (error as? ValidationError)?.field == "name" && "\(error)".contains(reason)
        }
    }

    @Test func messagesDoNotRepeatAHugeName() {
        #expect {
            try AppName(validating: String(repeating: "X", count: 1 << 20))
        } throws: { error in
            "\(error)".utf8.count < 250
        }
    }

    @Test func namesAreOrderedAndCodedAsText() throws {
        let names = try ["b", "a"].map(AppName.init(validating:)).sorted()
        #expect(names.map(\.rawValue) == ["a", "b"])
        #expect(try encoded(names) == #"["a","b"]"#)
        #expect(throws: (any Error).self) { try decoded([AppName].self, #"["A"]"#) }
    }
}

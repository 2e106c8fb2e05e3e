// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import PaaSModel
import Testing

@testable import AppLogs

@Suite struct RecordTimeTests {
    private func text(_ time: Timestamp) -> String {
        var clock = RecordTime()
        clock.set(time)
        return String(decoding: clock.text, as: UTF8.self)
    }

    private func parse(_ text: String) -> Timestamp? { Array(text.utf8).withUnsafeBytes { RecordTime.parse($0) } }

    @Test func timeIsWrittenToTheMicrosecond() {
        #expect(text(.base) == "2026-01-02T03:04:05.678901Z")
        #expect(text(Timestamp(microseconds: 0)) == "1970-01-01T00:00:00.000000Z")
        #expect(text(Timestamp(microseconds: -1)) == "1969-12-31T23:59:59.999999Z")
    }

    @Test func textIsTheOneThatFoundationWrites() {
        let style = Date.ISO8601FormatStyle()
        var clock = RecordTime()
        // Every 37 days and some seconds from 1589 (Foundation is Julian before 1582) to 9892.
        for second in stride(from: Int64(-12_000_000_000), to: 250_000_000_000, by: 3_196_807) {
            let time = Timestamp(microseconds: second * 1_000_000 + 7)
            clock.set(time)
            let expected = Date(timeIntervalSince1970: Double(second)).formatted(style).dropLast() + ".000007Z"
            #expect(String(decoding: clock.text, as: UTF8.self) == expected)
            #expect(clock.text.withUnsafeBytes { RecordTime.parse($0) } == time)
        }
    }

    @Test func everyDayOfFourCenturiesComesBack() {
        var clock = RecordTime()
        for day in Int64(-80_000)...80_000 {
            let time = Timestamp(microseconds: (day * 86_400 + 86_399) * 1_000_000)
            clock.set(time)
            #expect(clock.text.withUnsafeBytes { RecordTime.parse($0) } == time)
        }
    }

    @Test func timesOutsideTheCalendarAreShownAsTheNearest() {
        #expect(text(Timestamp(microseconds: .max)) == "9999-12-31T23:59:59.999999Z")
        #expect(text(Timestamp(microseconds: .min)) == "0001-01-01T00:00:00.000000Z")
    }

    @Test(arguments: [
        "", "2026-01-02T03:04:05.67890Z", "2026-01-02 03:04:05.678901Z", "2026-13-02T03:04:05.678901Z",
        "2026-00-02T03:04:05.678901Z", "2026-01-00T03:04:05.678901Z", "202x-01-02T03:04:05.678901Z",
        "0000-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678901+",
    ])
    func whatIsNotATimeIsNil(text: String) {
        #expect(parse(text) == nil)
    }
}

@Suite struct LogRecordTests {
    private func line(_ bytes: [UInt8]) -> LogLine? { bytes.withUnsafeBytes { LogRecord($0).map { LogLine($0) } } }

    @Test func fieldsAreReadAndTheTextKeepsItsSpaces() {
        #expect(
            line(Array("2026-01-02T03:04:05.678901Z stderr P web.2 v10  two  spaces ".utf8))
                == LogLine(
                    time: .base, stream: .stderr, instance: "web.2", release: "v10", text: " two  spaces ",
                    partial: true))
        #expect(line(Array("2026-01-02T03:04:05.678901Z stdout F web.1 v1 ".utf8))?.text == "")
    }

    @Test func invalidUTF8IsReadAsReplacementCharacters() {
        let bytes = Array("2026-01-02T03:04:05.678901Z stdout F web.1 v1 a".utf8) + [0xFF, 0x00, 0x0D]
        #expect(line(bytes)?.text == "a\u{FFFD}\0\r")
    }

    @Test(arguments: [
        "", "hello", "2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678901Z ",
        "2026-01-02T03:04:05.678901Z stdin F web.1 v1 x", "2026-01-02T03:04:05.678901Z stdout X web.1 v1 x",
        "2026-01-02T03:04:05.678901Z stdout F web.1", "2026-01-02T03:04:05.678901Z stdout F web.1 v1",
        "2026-01-02T03:04:05.678901Z stdout F  v1 x", "2026-01-02T03:04:05.678901Zstdout F web.1 v1 x",
    ])
    func damagedRecordsAreNil(text: String) {
        #expect(line(Array(text.utf8)) == nil)
    }

    @Test func tagNeverBreaksARecord() {
        let source = LogSource(instanceID: "i", instance: "we b\n\u{1B}é", release: "")
        #expect(String(decoding: source.tag, as: UTF8.self) == "we?b???? - ")
    }
}

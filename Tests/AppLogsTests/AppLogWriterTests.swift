// SPDX-License-Identifier: Apache-2.0

import Glibc
import PaaSModel
import Testing

@testable import AppLogs

@Suite struct AppLogWriterTests {
    private let directory: TemporaryDirectory
    private var reader: AppLogReader { AppLogReader(directory: directory.path) }

    init() throws { directory = try TemporaryDirectory() }

    private func writer(segmentBytes: Int = 1 << 20, segments: Int = 10) throws -> AppLogWriter {
        try AppLogWriter(directory: directory.path, segmentBytes: segmentBytes, segments: segments)
    }

    @Test func recordsAreTextLinesThatGrepCanRead() throws {
        let writer = try writer()
        writer.append("hello\n")
        writer.append("oops\npart", stream: .stderr)
        writer.flushPartial(of: .web1, .stderr, at: .base.advanced(bySeconds: 1))
        writer.system("started\nwell", from: .web1, at: .base.advanced(bySeconds: 1))
        #expect(
            try directory.text(of: "00000001.log") == """
                2026-01-02T03:04:05.678901Z stdout F web.1 v1 hello
                2026-01-02T03:04:05.678901Z stderr F web.1 v1 oops
                2026-01-02T03:04:06.678901Z stderr P web.1 v1 part
                2026-01-02T03:04:06.678901Z system F web.1 v1 started
                2026-01-02T03:04:06.678901Z system F web.1 v1 well

                """)
    }

    @Test func emptyLogHasNoFileUntilTheFirstLine() throws {
        let writer = try writer()
        #expect(try directory.segments() == [])
        writer.append("not a whole line")
        #expect(try directory.segments() == [])
        #expect(writer.rest(of: .web1, .stdout).bytes == Array("not a whole line".utf8))
    }

    @Test func directoryIsCreatedForItsOwnerAlone() throws {
        let path = directory.path + "/logs/a-1"
        _ = try AppLogWriter(directory: path)
        for created in [path, directory.path + "/logs"] {
            var status = stat()
            #expect(stat(created, &status) == 0)
            #expect(status.st_mode & 0o7777 == 0o700)
        }
    }

    @Test func instancesOfOneSlotAndReleaseDoNotMixTheirLines() throws {
        // A restart is rolled out start-first: both instances are web.1 of v1 for a while.
        let old = LogSource(instanceID: "i-old", instance: "web.1", release: "v1")
        let new = LogSource(instanceID: "i-new", instance: "web.1", release: "v1")
        let writer = try writer()
        writer.append("old ", from: old)
        writer.append("new ", from: new)
        writer.append("end\n", from: old)
        writer.append("end\n", from: new)
        #expect(try reader.texts() == ["old end", "new end"])
    }

    @Test func finishEndsOpenLinesOfThatInstanceOnly() throws {
        let other = LogSource(instanceID: "i-2", instance: "web.2", release: "v1")
        let writer = try writer()
        writer.append("out")
        writer.append("err", stream: .stderr)
        writer.append("other", from: other)
        writer.finish(.web1, .stdout, at: .base)
        writer.finish(.web1, .stderr, at: .base)
        #expect(try reader.query(LogQuery()).map(\.partial) == [nil, nil])
        #expect(writer.rest(of: other, .stdout).bytes == Array("other".utf8))
        writer.forget(other)
        #expect(writer.rest(of: other, .stdout).bytes.isEmpty)
    }

    @Test func lastLinesAreTheNewestOfTheAppItself() throws {
        let writer = try writer()
        for number in 1...30 { writer.append("line \(number)\n", stream: number % 2 == 0 ? .stderr : .stdout) }
        writer.system("exited", from: .web1, at: .base)
        #expect(writer.lastLines(3, of: .web1) == ["line 28", "line 29", "line 30"])
        #expect(writer.lastLines(of: .web1).count == Defaults.exitReportLines)
        #expect(writer.lastLines(100, of: .web1).first == "line 11")
        writer.forget(.web1)
        #expect(writer.lastLines(3, of: .web1) == [])
    }

    @Test func lastLinesAreBoundedAndJoinPieces() throws {
        let writer = try writer()
        writer.append("wai")
        writer.flushPartial(of: .web1, .stdout, at: .base)
        writer.append("between\n", stream: .stderr)
        writer.append("ting\n")
        writer.append(String(repeating: "x", count: 100_000) + "\n")
        let lines = writer.lastLines(of: .web1)
        #expect(lines.prefix(2) == ["waiting", "between"])
        #expect(lines.last == String(repeating: "x", count: 1024) + "…")
        for _ in 0..<30 { writer.append("short\n") }
        #expect(writer.lastLines(of: .web1) == [String](repeating: "short", count: Defaults.exitReportLines))
    }

    @Test func segmentsRotateAtTheirSizeAndTheOldestGo() throws {
        let writer = try writer(segmentBytes: 1000, segments: 3)
        for number in 0..<200 { writer.append("line \(number)\n") }
        let segments = try directory.segments()
        #expect(segments.count == 3)
        for segment in segments { #expect(try directory.bytes(of: segment).count <= 1000) }
        let texts = try reader.texts()
        #expect(texts == (200 - texts.count..<200).map { "line \($0)" })
    }

    @Test func oneCallMaySpanManySegments() throws {
        let writer = try writer(segmentBytes: 1000, segments: 1000)
        writer.append((0..<1000).map { "line \($0)\n" }.joined())
        #expect(try directory.segments().count > 50)
        #expect(try reader.texts() == (0..<1000).map { "line \($0)" })
    }

    @Test func writingGoesOnInTheNewestSegmentAfterARestart() throws {
        for number in 0..<50 { try writer(segmentBytes: 1000).append("line \(number)\n") }
        #expect(try reader.texts() == (0..<50).map { "line \($0)" })
        for segment in try directory.segments().dropLast() {
            #expect(try directory.bytes(of: segment).count > 900)
        }
    }

    @Test func fewerSegmentsAfterARestartDeleteTheOldOnesAtOnce() throws {
        try writer(segmentBytes: 100).append((0..<8).map { "line \($0)\n" }.joined())
        _ = try writer(segmentBytes: 100, segments: 2)
        #expect(try directory.segments().count == 2)
    }

    @Test(arguments: [
        ("2026-01-02T03:04:05.678901Z stdout F web.1 v1 torn", ["whole", "torn", "next"]),
        ("2026-01-02T03:04:05.6789", ["whole", "next"]),
        ("\0\0\0\0\0\0", ["whole", "next"]),
        ("", ["whole", "next"]),
    ])
    func tornTailIsRepairedAndNothingBeforeItIsLost(tail: String, expected: [String]) throws {
        try writer().append("whole\n")
        try directory.write(try directory.bytes(of: "00000001.log") + Array(tail.utf8), to: "00000001.log")
        try writer().append("next\n")
        #expect(try reader.texts() == expected)
        #expect(try directory.bytes(of: "00000001.log").count { $0 == 0x0A } == expected.count)
    }

    @Test func aSmallStepBackOfTheClockIsHeldAndALargeOneBeginsASegment() throws {
        let writer = try writer()
        for (text, second) in [("a", 0), ("b", -0.5), ("c", 10), ("d", -3600), ("e", -3599)] {
            writer.append(text + "\n", at: .base.advanced(bySeconds: second))
        }
        let lines = try reader.query(LogQuery())
        #expect(lines.map(\.text) == ["a", "b", "c", "d", "e"])
        #expect(lines.map { Timestamp.base.seconds(until: $0.time) } == [0, 0, 10, -3600, -3599])
        #expect(try directory.segments().count == 2)
        #expect(try reader.texts(LogQuery(since: .base)) == ["a", "b", "c"])
        #expect(try reader.texts(LogQuery(until: .base)) == ["d", "e"])
        #expect(try reader.texts(LogQuery(until: .base.advanced(bySeconds: 5))) == ["a", "b", "d", "e"])
    }

    @Test func theClockOfTheLastRecordIsKnownAfterARestart() throws {
        try writer().append("a\n")
        try writer().append("b\n", at: .base.advanced(bySeconds: -0.5))
        try writer().append("c\n", at: .base)
        #expect(try reader.query(LogQuery()).map(\.time) == [.base, .base, .base])
    }

    @Test func manyEmptyLinesAreManyRecords() throws {
        let writer = try writer(segmentBytes: 10 << 20)
        let chunk = [UInt8](repeating: 0x0A, count: 20_000)
        for _ in 0..<2 { writer.append(chunk) }
        let records = try directory.segments().reduce(0) { try $0 + directory.bytes(of: $1).count { $0 == 0x0A } }
        #expect(records == 40_000)
        #expect(try reader.query(LogQuery(limit: 2)).map(\.text) == ["", ""])
    }
}

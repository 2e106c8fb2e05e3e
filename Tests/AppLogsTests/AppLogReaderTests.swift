// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import PaaSModel
import Testing

@testable import AppLogs

@Suite struct AppLogReaderTests {
    private let directory: TemporaryDirectory
    private var reader: AppLogReader { AppLogReader(directory: directory.path) }

    init() throws { directory = try TemporaryDirectory() }

    /// Lines `0`, `1`, … one second apart; every third on stderr, every fifth of v2.
    private func fill(_ count: Int, segmentBytes: Int = 20_000, padding: Int = 0) throws -> [LogLine] {
        let writer = try AppLogWriter(directory: directory.path, segmentBytes: segmentBytes, segments: 1000)
        let v2 = LogSource(instanceID: "i-2", instance: "web.2", release: "v2")
        let tail = String(repeating: ".", count: padding)
        return (0..<count).map { number in
            let source = number % 5 == 0 ? v2 : .web1
            let line = LogLine(
                time: .base.advanced(bySeconds: Double(number)), stream: number % 3 == 0 ? .stderr : .stdout,
                instance: source.instance, release: source.release, text: "\(number)\(tail)")
            writer.append(line.text + "\n", stream: line.stream, from: source, at: line.time)
            return line
        }
    }

    /// What a query must give, said the slow way.
    private func expected(_ query: LogQuery, of lines: [LogLine]) -> [LogLine] {
        lines.filter { line in
            query.since.map { line.time >= $0 } ?? true && query.until.map { line.time < $0 } ?? true
                && query.stream.map { line.stream == $0 } ?? true && query.release.map { line.release == $0 } ?? true
        }.suffix(query.limit ?? .max)
    }

    @Test func logWithoutFilesOrDirectoryIsEmpty() throws {
        #expect(try reader.query(LogQuery()) == [])
        #expect(try AppLogReader(directory: directory.path + "/none").query(LogQuery()) == [])
    }

    @Test func limitGivesTheNewest() throws {
        let lines = try fill(3000)
        for limit in [0, 1, 2, 99, 1999, 3000, 5000] {
            #expect(try reader.query(LogQuery(limit: limit)) == lines.suffix(limit))
        }
    }

    @Test func limitIsKeptInItsRange() {
        #expect(LogQuery(limit: -1).limit == 0)
        #expect(LogQuery(limit: .max).limit == LogQuery.maxLimit)
        var query = LogQuery()
        query.limit = 20_000
        #expect(query.limit == LogQuery.maxLimit)
    }

    @Test func sinceIsIncludedAndUntilIsNot() throws {
        let lines = try fill(100)
        let query = LogQuery(since: lines[10].time, until: lines[20].time)
        #expect(try reader.query(query) == Array(lines[10..<20]))
        #expect(try reader.query(LogQuery(since: lines[50].time, until: lines[50].time)) == [])
        #expect(try reader.query(LogQuery(since: lines[60].time, until: lines[50].time)) == [])
    }

    @Test func streamAndReleaseFilter() throws {
        let lines = try fill(300)
        #expect(try reader.query(LogQuery(stream: .stderr)) == lines.filter { $0.stream == .stderr })
        #expect(try reader.query(LogQuery(release: "v2")) == lines.filter { $0.release == "v2" })
        #expect(try reader.query(LogQuery(release: "v")) == [])
        #expect(try reader.query(LogQuery(stream: .system)) == [])
    }

    /// Indexes that are whole, gone, and damaged.
    @Test(arguments: 1...12) func anyQueryGivesWhatAFullScanGives(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let segmentBytes = [500, 20_000, 300_000, 10 << 20].randomElement(using: &random) ?? 500
        let lines = try fill(1500, segmentBytes: segmentBytes, padding: Int.random(in: 0...400, using: &random))
        for segment in try directory.segments() where seed % 3 > 0 {
            let index = String(segment.dropLast(4)) + ".idx"
            guard Bool.random(using: &random), var bytes = try? directory.bytes(of: index), !bytes.isEmpty else {
                continue
            }
            let place = Int.random(in: 0..<bytes.count, using: &random)
            if seed % 3 == 1 { bytes.removeSubrange(place...) } else { bytes[place] ^= 0x10 }
            try directory.write(bytes, to: index)
        }
        func time() -> Timestamp? {
            Bool.random(using: &random)
                ? nil : Timestamp.base.advanced(bySeconds: Double.random(in: -100...1600, using: &random))
        }
        for _ in 0..<60 {
            let query = LogQuery(
                limit: Bool.random(using: &random) ? nil : Int.random(in: 0...1600, using: &random), since: time(),
                until: time(),
                stream: [nil, .stdout, .stderr].randomElement(using: &random) ?? nil,
                release: [nil, "v1", "v2"].randomElement(using: &random) ?? nil)
            #expect(try reader.query(query) == expected(query, of: lines))
        }
    }

    @Test func longLinesAreReadInAnyPlace() throws {
        let writer = try AppLogWriter(directory: directory.path, segmentBytes: 10 << 20, segments: 2)
        var random = SeededGenerator(seed: 7)
        let texts = (0..<300).map {
            String(repeating: "x", count: Int.random(in: 0...16_384, using: &random)) + "\($0)"
        }
        .map { String($0.suffix(16_384)) }
        for (number, text) in texts.enumerated() {
            writer.append(text + "\n", at: .base.advanced(bySeconds: Double(number)))
        }
        #expect(try reader.texts() == texts)
        #expect(try reader.texts(LogQuery(limit: 17)) == texts.suffix(17))
        #expect(try reader.texts(LogQuery(limit: 300, since: .base.advanced(bySeconds: 123))) == Array(texts[123...]))
    }

    /// Blocks that are read to find where a query's lines begin.
    private func blocksRead(_ query: LogQuery) throws -> Int {
        var locator = try LogLocator(
            directory: SegmentDirectory(path: directory.path), query: query, filter: LogFilter(query), visibleEnd: .end)
        var steps = 1
        while try locator.step() == nil { steps += 1 }
        return steps
    }

    @Test func indexLeadsPastWhatIsNotWanted() throws {
        let writer = try AppLogWriter(directory: directory.path, segmentBytes: 2 << 20, segments: 100)
        let line = String(repeating: ".", count: 400) + "\n"
        for number in 0..<20_000 {
            let isRare = number == 5_000
            writer.append(
                line, stream: isRare ? .stderr : .stdout,
                from: number < 12_000 ? .web1 : LogSource(instanceID: "i-2", instance: "web.1", release: "v2"),
                at: .base.advanced(bySeconds: Double(number)))
        }
        #expect(try directory.segments().count >= 4)
        let middle = Timestamp.base.advanced(bySeconds: 8_000)
        for query in [
            LogQuery(limit: 100), LogQuery(limit: 10_000), LogQuery(limit: nil, since: middle),
            LogQuery(limit: 10, until: middle), LogQuery(limit: 1, stream: .stderr), LogQuery(limit: 10, release: "v1"),
            LogQuery(limit: 5_000, since: middle, release: "v1"),
        ] { #expect(try blocksRead(query) <= 4) }
    }

    @Test func aReaderThatComesBackGoesOnBehindTheLineItHad() async throws {
        let lines = try fill(1000, segmentBytes: 5000)
        var random = SeededGenerator(seed: 3)
        var seen: [LogLine] = []
        var query = LogQuery(limit: nil)
        while seen.count < lines.count {
            var iterator = reader.lines(query).makeAsyncIterator()
            for _ in 0..<Int.random(in: 1...9, using: &random) {
                guard let batch = try await iterator.nextBatch() else { break }
                seen += batch.lines
                query.after = LogPosition(batch.end.description)
            }
        }
        #expect(seen == lines)
    }

    @Test func textThatLooksLikeARecordDoesNotMisleadTheSearch() throws {
        // The search's first step lands on the forged record inside the second line.
        let half = 200_000
        let old = Array("2026-01-02T03:04:05.000000Z stdout F web.1 v1 old\n".utf8)
        let head = Array("2026-01-02T03:04:06.000000Z stdout F web.1 v1 ".utf8)
        let forged = Array("0001-01-01T00:00:00.000000Z stdout F web.1 v1 forged".utf8)
        let filler = head + [UInt8](repeating: UInt8(ascii: "x"), count: 953) + [0x0A]
        var bytes = old
        while bytes.count + 2 * filler.count < half { bytes += filler }
        bytes += head
        bytes += [UInt8](repeating: UInt8(ascii: "x"), count: half - bytes.count) + forged + [0x0A]
        while bytes.count + 2 * filler.count < 2 * half { bytes += filler }
        bytes += head
        bytes += [UInt8](repeating: UInt8(ascii: "x"), count: 2 * half - 1 - bytes.count) + [0x0A]
        try directory.write(bytes, to: "00000001.log")
        let all = try reader.query(LogQuery(limit: 10_000))
        #expect(try reader.query(LogQuery(limit: 10_000, since: all[1].time)) == Array(all[1...]))
    }

    @Test func linesWrittenAfterAQueryBeganAreNotPartOfIt() async throws {
        let lines = try fill(2000, segmentBytes: 10 << 20, padding: 100)
        var iterator = reader.lines(LogQuery(limit: 2000)).makeAsyncIterator()
        var seen = [try await iterator.next(isolation: nil)]
        try AppLogWriter(directory: directory.path).append("late\n", at: lines[1999].time)
        while let line = try await iterator.next(isolation: nil) { seen.append(line) }
        #expect(seen == lines)
    }

    @Test func tornLastLineIsNotShown() throws {
        let lines = try fill(10)
        let bytes = try directory.bytes(of: "00000001.log")
        try directory.write(bytes + Array("2026-01-02T03:05:05.678901Z stdout F web.1 v1 to".utf8), to: "00000001.log")
        #expect(try reader.query(LogQuery()) == lines)
    }

    @Test func damageInTheMiddleIsSteppedOver() throws {
        let lines = try fill(2000, segmentBytes: 10 << 20)
        var bytes = try directory.bytes(of: "00000001.log")
        let first = try #require(bytes.firstIndex(of: 0x0A)) + 1
        // More than a block without a newline, as a hole after a power failure.
        bytes.insert(contentsOf: [UInt8](repeating: 0, count: 200_000) + [0x0A], at: first)
        try directory.write(bytes, to: "00000001.log")
        #expect(try reader.query(LogQuery(limit: 5000)) == lines)
        #expect(try reader.query(LogQuery(limit: 5000, since: lines[1].time)) == Array(lines[1...]))
        #expect(try reader.query(LogQuery(limit: 5000, until: lines[1].time)) == [lines[0]])
    }

    @Test func deletedSegmentsAreSteppedOver() throws {
        let lines = try fill(1000, segmentBytes: 5000)
        let segments = try directory.segments()
        for name in [segments[0], segments[4]] {
            try FileManager.default.removeItem(atPath: directory.path + "/" + name)
        }
        let left = try reader.query(LogQuery(limit: 1000)).filter { $0.stream != .system }
        #expect(left.count < lines.count && left.count > 500)
        #expect(left == lines.filter { Set(left).contains($0) })
    }

    @Test func aSegmentDeletedUnderAReaderCostsOnlyItself() async throws {
        let lines = try fill(1000, segmentBytes: 5000)
        var iterator = reader.lines(LogQuery(limit: 1000)).makeAsyncIterator()
        #expect(try await iterator.next(isolation: nil) == lines[0])
        let segments = try directory.segments()
        for name in segments.prefix(3) { try FileManager.default.removeItem(atPath: directory.path + "/" + name) }
        var rest: [LogLine] = []
        var notices: [LogLine] = []
        while let line = try await iterator.next(isolation: nil) {
            if line.stream == .system { notices.append(line) } else { rest.append(line) }
        }
        #expect(notices.map(\.text) == [LogBatch.Notice.missingLines.rawValue])
        // The first segment was open and is read to its end, the second and third are gone.
        let firstCount = try #require(
            rest.firstIndex { Int($0.text) != (Int(lines[0].text) ?? 0) + 1 + (rest.firstIndex(of: $0) ?? 0) })
        #expect(firstCount > 20)
        #expect(rest.last == lines.last)
        #expect(rest == lines.filter { Set(rest).contains($0) })
    }

    @Test func filesThatAreNotSegmentsAreLeftAlone() throws {
        for name in ["1.log", "00000001.log.gz", "notes", "0000000x.log"] { try directory.write([1], to: name) }
        let lines = try fill(3)
        #expect(try reader.query(LogQuery()) == lines)
        #expect(SegmentDirectory(path: "/x").path(of: 123_456_789) == "/x/123456789.log")
    }
}

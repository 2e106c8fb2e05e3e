// SPDX-License-Identifier: Apache-2.0

import CZstd
import FoundationEssentials
import Glibc
import PaaSModel
import Testing

@testable import AppLogs

@Suite struct CompressionTests {
    private let directory: TemporaryDirectory
    private var segments: SegmentDirectory { SegmentDirectory(path: directory.path) }
    private var reader: AppLogReader { AppLogReader(directory: directory.path) }

    init() throws { directory = try TemporaryDirectory() }

    private func fill(_ lines: Int = 6_000, random: Bool = false) throws {
        let writer = try AppLogWriter(directory: directory.path, segmentBytes: 200_000, segments: 100)
        var generator = SeededGenerator(seed: 7)
        for number in 0..<lines {
            let noise = random ? String(UInt64.random(in: 0 ... .max, using: &generator), radix: 36) : "GET /health 200"
            writer.append(
                "\(number) \(noise) \(String(repeating: "x", count: number % 90))\n",
                stream: number % 7 == 0 ? .stderr : .stdout,
                from: LogSource(instanceID: "i-1", instance: "web.1", release: "v\(1 + number / 2_000)"),
                at: .base.advanced(bySeconds: Double(number)))
        }
    }

    /// Compresses all segments but the newest.
    private func compress() throws {
        let compressor = BlockCompressor()
        for number in try segments.numbers().dropLast() {
            #expect(try SegmentCompression(of: number, in: segments).run(with: compressor, isWanted: { true }))
        }
    }

    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
    }

    private static let queries: [LogQuery] = {
        func at(_ second: Double) -> Timestamp { .base.advanced(bySeconds: second) }
        return [
            LogQuery(limit: nil), LogQuery(limit: 100), LogQuery(limit: 5_000), LogQuery(limit: nil, since: at(1_234)),
            LogQuery(limit: 17, until: at(2_345)), LogQuery(limit: nil, since: at(700), until: at(4_100)),
            LogQuery(limit: nil, stream: .stderr), LogQuery(limit: 300, release: "v2"),
            LogQuery(limit: nil, since: at(1_900), stream: .stdout, release: "v1"),
        ]
    }()

    @Test(arguments: [false, true]) func everyQueryGivesTheSameLines(withIndex: Bool) throws {
        try fill()
        let before = try Self.queries.map { try reader.query($0) }
        try compress()
        if !withIndex { for number in try segments.numbers() { unlink(segments.indexPath(of: number)) } }
        let after = try Self.queries.map { try reader.query($0) }
        #expect(before == after)
        #expect(before[0].count == 6_000)
        #expect(try names().filter { $0.hasSuffix(".log") }.count == 1)
        // Five times smaller at least, and seekable: no frame has more than a block.
        for segment in try segments.segments().dropLast() {
            let file = try #require(try SegmentFile.open(segment.number, in: segments))
            #expect(segment.bytes * 5 < (try file.size()))
        }
    }

    @Test func aReaderGoesOnWhereItWasInThePlainFile() throws {
        try fill()
        var places: [LogPosition] = []
        for number in try segments.numbers() {
            let file = try #require(try SegmentFile.open(number, in: segments))
            var block = [UInt8](repeating: 0, count: SegmentFile.blockBytes)
            let count = try file.wholeLines(from: 0, to: try file.size(), into: &block)
            places.append(LogPosition(segment: number, offset: Int64(count)))
        }
        func rest() throws -> [[String]] {
            try places.map { place in
                var query = LogQuery(limit: nil)
                query.after = place
                return try reader.texts(query)
            }
        }
        let before = try rest()
        try compress()
        #expect(try rest() == before)
    }

    @Test func searchReadsFewBlocksOfACompressedSegment() throws {
        try fill()
        try compress()
        let filter = LogFilter(LogQuery(limit: 10, until: .base.advanced(bySeconds: 3_000)))
        var locator = try LogLocator(
            directory: segments, query: LogQuery(limit: 10, until: .base.advanced(bySeconds: 3_000)), filter: filter,
            visibleEnd: .end)
        var steps = 0
        while try locator.step() == nil { steps += 1 }
        #expect(steps <= 2)
    }

    // MARK: The process may end behind any step

    @Test func anUnfinishedFileGoesAndNothingElse() throws {
        try fill()
        let before = try reader.texts()
        #expect(try SegmentCompression(of: 1, in: segments).write(with: BlockCompressor(), isWanted: { true }))
        // That of another process.
        try directory.write([1, 2, 3], to: "00000002.log.zst.1")
        #expect(try reader.texts() == before)
        _ = try AppLogWriter(directory: directory.path, segmentBytes: 200_000, segments: 100)
        #expect(try names().filter { $0.contains("zst") }.isEmpty)
        #expect(try reader.texts() == before)
    }

    @Test func whereBothFilesAreThereTheLinesAreThereOnceAndTheNextGoesOn() throws {
        try fill()
        let before = try reader.texts()
        let first = SegmentCompression(of: 1, in: segments)
        #expect(try first.write(with: BlockCompressor(), isWanted: { true }) && first.publish())
        #expect(try names().filter { $0.hasPrefix("00000001.log") } == ["00000001.log", "00000001.log.zst"])
        #expect(try reader.texts() == before)
        let writer = try AppLogWriter(directory: directory.path, segmentBytes: 200_000, segments: 100)
        writer.append("after\n", at: .base.advanced(bySeconds: 9_000))
        try compress()
        #expect(try names().filter { $0.hasPrefix("00000001.log") } == ["00000001.log.zst"])
        #expect(try reader.texts() == before + ["after"])
    }

    @Test func aSegmentThatIsDeletedMeanwhileDoesNotComeBack() throws {
        try fill()
        let isDone = try SegmentCompression(of: 1, in: segments).run(with: BlockCompressor(), isWanted: { true }) {
            try? segments.remove(1)
            return $0()
        }
        #expect(!isDone)
        #expect(try names().filter { $0.hasPrefix("00000001") }.isEmpty)
    }

    @Test func whatIsNotWantedAnyMoreLeavesNothing() throws {
        try fill()
        let before = try names()
        var blocks = 0
        let isDone = try SegmentCompression(of: 1, in: segments).run(with: BlockCompressor()) {
            blocks += 1
            return blocks < 2
        }
        #expect(!isDone)
        #expect(
            try !SegmentCompression(of: 2, in: segments).run(with: BlockCompressor(), isWanted: { true }) { _ in false }
        )
        #expect(try names() == before)
    }

    @Test func writerBeginsANewSegmentBehindACompressedOne() throws {
        try fill()
        let newest = try #require(try segments.numbers().last)
        #expect(try SegmentCompression(of: newest, in: segments).run(with: BlockCompressor(), isWanted: { true }))
        let writer = try AppLogWriter(directory: directory.path, segmentBytes: 200_000, segments: 100)
        writer.append("after\n", at: .base.advanced(bySeconds: 9_000))
        #expect(try segments.numbers().last == newest + 1)
        #expect(try reader.texts(LogQuery(limit: nil)).count == 6_001)
    }

    // MARK: Files that are not as they were written

    @Test func aFileWithoutItsTableIsReadToTheFirstFrameThatIsNotWhole() throws {
        try fill()
        let before = try reader.texts(LogQuery(limit: nil))
        try compress()
        let bytes = try directory.bytes(of: "00000001.log.zst")
        let table = try #require(try SegmentFile.open(1, in: segments)?.size())
        for cut in stride(from: bytes.count - 1, through: 0, by: -257) {
            try directory.write(Array(bytes[..<cut]), to: "00000001.log.zst")
            let size = try #require(try SegmentFile.open(1, in: segments)?.size())
            #expect(size <= table)
            let after = try reader.texts(LogQuery(limit: nil))
            // Whole lines from the beginning, and all other segments.
            let missing = before.count - after.count
            let gap = zip(before, after).prefix { $0 == $1 }.count
            #expect(Array(before[..<gap] + before[(gap + missing)...]) == after)
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func damageCostsTheFrameThatHasItAndIsTold(seed: UInt64) throws {
        try fill(random: true)
        let before = Set(try reader.texts(LogQuery(limit: nil)))
        try compress()
        let bytes = try directory.bytes(of: "00000001.log.zst")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<60 {
            var damaged = bytes
            damaged[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            try directory.write(damaged, to: "00000001.log.zst")
            let after = try reader.query(LogQuery(limit: nil))
            let notices = after.filter { $0.stream == .system }
            #expect(after.allSatisfy { $0.stream == .system || before.contains($0.text) })
            let lost = before.count - (after.count - notices.count)
            #expect(lost < 1_200)
            #expect((lost == 0) == notices.isEmpty)
        }
    }

    @Test func nothingInAFileMakesAReaderTakeMoreMemoryThanABlock() throws {
        try fill()
        try compress()
        // A frame of 16 MiB of zeros, which takes about 1 KiB.
        let bomb = try #require(Self.bomb(bytes: 16 << 20))
        #expect(bomb.count < 4_096)
        var table = FrameTable()
        table.add(storedBytes: bomb.count, bytes: SegmentFile.blockBytes)
        for end in [[], table.bytes] {
            try directory.write(bomb + end, to: "00000001.log.zst")
            let lines = try reader.query(LogQuery(limit: nil))
            #expect(lines.count > 4_000)
            #expect(lines.allSatisfy { $0.text.utf8.count < 200 })
        }
        // A table of more frames than there are bytes.
        var huge = table.bytes
        huge.replaceSubrange(huge.count - 9..<huge.count - 5, with: [0xFF, 0xFF, 0xFF, 0x7F])
        try directory.write(bomb + huge, to: "00000001.log.zst")
        #expect(try SegmentFile.open(1, in: segments)?.size() == 0)
    }

    private static func bomb(bytes: Int) -> [UInt8]? {
        let zeros = [UInt8](repeating: 0, count: bytes)
        var frame = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes))
        let count = ZSTD_compress(&frame, frame.count, zeros, zeros.count, 3)
        return ZSTD_isError(count) == 0 ? Array(frame[..<count]) : nil
    }

    // MARK: All of it

    @Test func closedSegmentsAreCompressedWhileALogIsWrittenAndFollowed() async throws {
        let (done, signal) = AsyncStream.makeStream(of: Void.self)
        let compressor = LogCompressor { signal.yield() }
        let notifier = LogNotifier()
        let writer = try AppLogWriter(
            directory: directory.path, retention: LogRetention(maxBytes: 1_000_000), notifier: notifier,
            compressor: compressor)
        writer.setRules(LogRules(sizeBytes: 1_000_000, compression: .zstd))
        var follower = reader.follow(LogQuery(limit: nil), notifier: notifier).makeAsyncIterator()
        var compressions = done.makeAsyncIterator()
        var next = 0
        var compressed: UInt64 = 0
        // Far more than the size of the log in all.
        for _ in 0..<60 {
            let text = (next..<next + 500).map { "\($0) \(String(repeating: "y", count: 100))\n" }.joined()
            writer.append(text, at: .base.advanced(bySeconds: Double(next)))
            for number in next..<next + 500 {
                let line = try #require(try await follower.next(isolation: nil))
                try #require(line.text.hasPrefix("\(number) "))
            }
            next += 500
            let newest = try #require(try segments.numbers().last)
            while compressed + 1 < newest {
                await compressions.next()
                compressed += 1
            }
        }
        #expect(try segments.segments().dropLast().allSatisfy { $0.plainBytes == nil })
        #expect(try reader.texts(LogQuery(limit: nil)).count == next)
        #expect(writer.inspection.sizeBytes < 1_000_000 && writer.inspection.compression == .zstd)
        // From the time before it was asked for, too, and by a writer that begins.
        let plain = try TemporaryDirectory()
        let old = try AppLogWriter(directory: plain.path, segmentBytes: 100_000, segments: 100)
        for _ in 0..<5 { old.append(String(repeating: "z\n", count: 2_000)) }
        let opened = try AppLogWriter(
            directory: plain.path, retention: LogRetention(maxBytes: 5_000_000), compressor: compressor)
        opened.setRules(LogRules(sizeBytes: 5_000_000, compression: .zstd))
        let count = try #require(try SegmentDirectory(path: plain.path).numbers().last)
        for _ in 1..<count { await compressions.next() }
        #expect(try AppLogReader(directory: plain.path).texts(LogQuery(limit: nil)).count == 10_000)
    }

    @Test func aLogThatIsRemovedOrLeftIsNotCompressed() throws {
        try fill()
        let before = try names()
        let compressor = LogCompressor()
        compressor.close()
        compressor.compress(below: 100, in: segments)
        #expect(try names() == before)
        try directory.write([1], to: "00000002.log.zst.77")
        try segments.removeAll()
        #expect(!FileManager.default.fileExists(atPath: directory.path))
    }

    @Test func retentionCountsWhatIsOnTheDisk() throws {
        try fill(20_000)
        try compress()
        let bytes = try segments.segments().reduce(0) { $0 + $1.bytes }
        let kept = LogRetention(segmentBytes: 200_000, segments: Int(bytes / 200_000) + 2)
        _ = try AppLogWriter(directory: directory.path, retention: kept)
        #expect(try reader.texts(LogQuery(limit: nil)).count == 20_000)
        _ = try AppLogWriter(directory: directory.path, retention: LogRetention(segmentBytes: 100_000, segments: 3))
        #expect(try segments.segments().reduce(0) { $0 + $1.bytes } <= 300_000)
        #expect(try reader.texts(LogQuery(limit: nil)).last?.hasPrefix("19999 ") == true)
    }
}

// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import PaaSModel
import Testing

@testable import AppLogs

@Suite struct SegmentIndexTests {
    private let directory: TemporaryDirectory
    private var segments: SegmentDirectory { SegmentDirectory(path: directory.path) }

    init() throws { directory = try TemporaryDirectory() }

    private func writer() throws -> AppLogWriter {
        try AppLogWriter(directory: directory.path, segmentBytes: 1 << 20, segments: 100)
    }

    private func entries(_ number: UInt64, scanning: Bool) throws -> [IndexEntry] {
        let file = try #require(try SegmentFile.open(number, in: segments))
        let size = try file.endOfWholeLines()
        if !scanning { return try SegmentIndex.written(number, in: segments, upTo: size) }
        var block = [UInt8](repeating: 0, count: SegmentFile.blockBytes)
        return try SegmentIndex.blocks(of: file, in: segments, upTo: size, block: &block)
    }

    private func fill(_ writer: AppLogWriter, _ range: Range<Int>, _ random: inout SeededGenerator) {
        for number in range {
            let text = String(repeating: "x", count: Int.random(in: 0...2_000, using: &random))
            writer.append(
                text + "\n", stream: number % 7 == 0 ? .stderr : .stdout, at: .base.advanced(bySeconds: Double(number)))
        }
    }

    @Test func closedSegmentIsIndexedToItsEnd() throws {
        var random = SeededGenerator(seed: 1)
        fill(try writer(), 0..<4_000, &random)
        let numbers = try segments.numbers()
        #expect(numbers.count > 2)
        for number in numbers.dropLast() {
            let written = try entries(number, scanning: false)
            #expect(written.last?.end == segments.size(of: number))
            #expect(written.count >= 16)
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func whatTheIndexSaysIsWhatTheSegmentHas(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var next = 0
        // Writers that begin and end anywhere.
        while next < 3_000 {
            let count = Int.random(in: 1...400, using: &random)
            fill(try writer(), next..<next + count, &random)
            next += count
        }
        for number in try segments.numbers() {
            let file = try #require(try SegmentFile.open(number, in: segments))
            var start: Int64 = 0
            var block = [UInt8](repeating: 0, count: SegmentFile.blockBytes)
            for entry in try entries(number, scanning: false) {
                let count = try file.read(Int(entry.end - start), at: start, into: &block)
                var counted = IndexEntry(from: entry.end, after: Timestamp(microseconds: .min))
                block.withUnsafeBytes { bytes in
                    Records.forEach(UnsafeRawBufferPointer(rebasing: bytes.prefix(count))) { record, _ in
                        counted.add(record.stream, release: IndexEntry.releaseNumber(record.release))
                        counted.lastTime = record.time
                    }
                }
                #expect(counted == entry)
                start = entry.end
            }
        }
    }

    @Test func indexOfASegmentThatWasCutEndsThere() throws {
        var random = SeededGenerator(seed: 4)
        fill(try writer(), 0..<500, &random)
        let whole = try entries(1, scanning: false)
        try segments.cut(after: LogPosition(segment: 1, offset: whole[1].end - 10))
        fill(try writer(), 500..<600, &random)
        let after = try entries(1, scanning: false)
        #expect(after.first == whole.first)
        #expect(try entries(1, scanning: true).last?.end == segments.size(of: 1))
        #expect(after.allSatisfy { $0.end <= segments.size(of: 1) })
    }

    @Test func entryIsReadAsItWasWrittenAndNothingElseIs() {
        var entry = IndexEntry(from: 65_000, after: .base)
        entry.add(.stderr, release: 12)
        entry.add(.stdout, release: 7)
        var bytes: [UInt8] = []
        entry.append(to: &bytes)
        #expect(bytes.count == IndexEntry.byteCount)
        #expect(bytes.withUnsafeBytes { IndexEntry($0) } == entry)
        for place in bytes.indices {
            var damaged = bytes
            damaged[place] ^= 0x40
            #expect(damaged.withUnsafeBytes { IndexEntry($0) } == nil)
        }
        #expect([UInt8](repeating: 0, count: 32).withUnsafeBytes { IndexEntry($0) } == nil)
    }

    @Test func releasesThatAreNoNumbersAreNeverPassedOver() {
        #expect(IndexEntry.releaseNumber(Array("v12".utf8)) == 12)
        for name in ["12", "v", "-", "v1a", "v12345678901"] {
            #expect(IndexEntry.releaseNumber(Array(name.utf8)) == nil)
        }
        var entry = IndexEntry(from: 1, after: .base)
        entry.add(.stdout, release: nil)
        #expect(LogFilter(LogQuery(release: "v3")).mayMatch(entry, after: .base))
    }
}

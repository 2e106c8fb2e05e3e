// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import AppLogs

@Suite struct LogRetentionTests {
    private let directory: TemporaryDirectory
    private var segments: SegmentDirectory { SegmentDirectory(path: directory.path) }

    init() throws { directory = try TemporaryDirectory() }

    private func bytes() throws -> Int64 { try segments.numbers().reduce(0) { $0 + segments.size(of: $1) } }

    @Test(arguments: [1_000_000, 3_000_000, 20_000_000] as [Int64])
    func logStaysBelowItsSizeAndKeepsMostOfIt(size: Int64) throws {
        let writer = try AppLogWriter(directory: directory.path, retention: LogRetention(maxBytes: size))
        let line = String(repeating: "x", count: 1_000) + "\n"
        for round in 0..<(3 * Int(size) / 100_000) {
            writer.append(String(repeating: line, count: 100))
            guard round % 5 == 0 else { continue }
            #expect(try bytes() <= size)
        }
        #expect(try bytes() > size * 8 / 10)
    }

    @Test func aSmallerSizeHoldsFromTheNextSegmentOn() throws {
        let writer = try AppLogWriter(directory: directory.path, retention: LogRetention(maxBytes: 5_000_000))
        let text = String(repeating: String(repeating: "x", count: 1_000) + "\n", count: 1_000)
        for _ in 0..<6 { writer.append(text) }
        #expect(try bytes() > 4_000_000)
        writer.setRules(LogRules(sizeBytes: 1_000_000))
        for _ in 0..<2 { writer.append(text) }
        #expect(try bytes() <= 1_000_000)
    }

    @Test func linesGoWithTheirAgeGiveOrTakeATenth() throws {
        let writer = try AppLogWriter(directory: directory.path, retention: LogRetention(keepSeconds: 1_000))
        for second in 0..<2_000 { writer.append("\(second)\n", at: .base.advanced(bySeconds: Double(second))) }
        let next = try writer.expire(at: .base.advanced(bySeconds: 2_000))
        let oldest = try #require(try AppLogReader(directory: directory.path).texts().first.flatMap { Int($0) })
        #expect((900...1_000).contains(oldest))
        // It says itself when there will be something to do again.
        let seconds = try #require(next.map { Timestamp.base.seconds(until: $0) })
        #expect(seconds > 2_000 && seconds <= 2_102)
        let after = try writer.expire(at: .base.advanced(bySeconds: seconds))
        #expect(after != next)
        #expect(try AppLogReader(directory: directory.path).texts().first.flatMap { Int($0) } ?? 0 > oldest)
    }

    @Test func theNewestSegmentGoesTooAndWritingGoesOn() throws {
        let writer = try AppLogWriter(directory: directory.path, retention: LogRetention(keepSeconds: 10))
        writer.append("old\n")
        #expect(try writer.expire(at: .base.advanced(bySeconds: 11)) == nil)
        #expect(try directory.segments().isEmpty)
        writer.append("new\n", at: .base.advanced(bySeconds: 12))
        #expect(try AppLogReader(directory: directory.path).texts() == ["new"])
        #expect(try directory.segments() == ["00000002.log"])
    }

    @Test func withoutAnAgeNothingExpires() throws {
        let writer = try AppLogWriter(directory: directory.path, retention: LogRetention())
        writer.append("old\n")
        #expect(try writer.expire(at: .base.advanced(bySeconds: 1e9)) == nil)
        #expect(try AppLogReader(directory: directory.path).texts() == ["old"])
    }
}

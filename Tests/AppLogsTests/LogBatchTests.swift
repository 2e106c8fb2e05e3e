// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import PaaSModel
import Testing

@testable import AppLogs

@Suite struct LogBatchTests {
    private func batch(_ texts: [[UInt8]]) async throws -> LogBatch {
        let directory = try TemporaryDirectory()
        let writer = try AppLogWriter(directory: directory.path)
        for text in texts { writer.append(text + [0x0A], stream: .stderr) }
        writer.append("open")
        writer.flushPartial(of: .web1, .stdout, at: .base)
        writer.makeVisible()
        var iterator = AppLogReader(directory: directory.path).lines(LogQuery()).makeAsyncIterator()
        return try #require(try await iterator.nextBatch())
    }

    private func decoded(_ json: [UInt8]) throws -> [LogLine] {
        try json.split(separator: 0x0A).map { try JSONDecoder().decode(LogLine.self, from: Data($0)) }
    }

    @Test func objectsAreTheLinesWithMilliseconds() async throws {
        var random = SeededGenerator(seed: 5)
        let texts = (0..<80).map { index in
            (0..<index).map { _ in
                let byte = UInt8.random(in: 0...255, using: &random)
                return byte == 0x0A ? 0x22 : byte
            }
        }
        let batch = try await batch(texts + [Array("plain".utf8), Array("\"\\/\t\r\u{1B}[0m ä日".utf8)])
        let lines = try decoded(batch.json(LogBatch.JSONOptions()))
        #expect(lines.map(\.text) == batch.lines.map(\.text))
        #expect(lines.map(\.stream) == batch.lines.map(\.stream))
        #expect(lines.map(\.partial) == batch.lines.map(\.partial))
        #expect(
            lines.allSatisfy { $0.time.microseconds == 1_767_323_045_678_000 && $0.bytes == nil && $0.cursor == nil })
        #expect(lines.allSatisfy { $0.instance == "web.1" && $0.release == "v1" })
    }

    @Test func bytesAreGivenForWhatIsNotUTF8Alone() async throws {
        let batch = try await batch([Array("ä\u{1B}".utf8), [0x61, 0xFF, 0x62]])
        var options = LogBatch.JSONOptions()
        options.withBytes = true
        let lines = try decoded(batch.json(options))
        #expect(lines.map(\.bytes) == [nil, "Yf9i", nil])
        #expect(lines[1].text == "a\u{FFFD}b")
    }

    @Test func cursorComesFirstAndLeadsBehindItsLine() async throws {
        let batch = try await batch([Array("a".utf8), Array("b".utf8)])
        var options = LogBatch.JSONOptions()
        options.cursorPrefix = "a-1"
        let json = batch.json(options)
        #expect(String(decoding: json, as: UTF8.self).hasPrefix(#"{"cursor":"a-1/1."#))
        let record = "2026-01-02T03:04:05.678901Z stderr F web.1 v1 a\n".utf8.count
        #expect(
            try decoded(json).map(\.cursor) == ["a-1/1.\(record)", "a-1/1.\(2 * record)", "a-1/1.\(3 * record + 3)"])
        #expect(batch.end.description == "1.\(3 * record + 3)")
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import PaaSClient

@Suite struct LineSplitterTests {
    private func lines(_ chunks: [String], limit: Int = 100) throws -> (lines: [String], rest: String?) {
        var splitter = LineSplitter(limit: limit)
        var lines: [String] = []
        for chunk in chunks {
            splitter.append(ByteBuffer(string: chunk))
            while let line = try splitter.next() { lines.append(String(buffer: line)) }
        }
        return (lines, splitter.rest().map { String(buffer: $0) })
    }

    @Test func chunkBoundariesDoNotMatter() throws {
        let text = "one\ntwo\r\n\nfour: é\nrest"
        let bytes = Array(text.utf8)
        for size in 1...bytes.count {
            var splitter = LineSplitter(limit: 100)
            var lines: [String] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                splitter.append(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
                while let line = try splitter.next() { lines.append(String(buffer: line)) }
            }
            #expect(lines == ["one", "two", "", "four: é"])
            #expect(splitter.rest().map { String(buffer: $0) } == "rest")
        }
    }

    @Test func endOfLineAtEndLeavesNoRest() throws {
        #expect(try lines(["a\nb\n"]).lines == ["a", "b"])
        #expect(try lines(["a\nb\n"]).rest == nil)
    }

    @Test func lineAtTheCapPassesAndOneByteMoreDoesNot() throws {
        #expect(try lines(["12345\n"], limit: 5).lines == ["12345"])
        #expect(throws: LineSplitter.LineTooLong.self) { try lines(["123456\n"], limit: 5) }
    }

    @Test func endlessLineIsRefusedBeforeItEnds() {
        #expect(throws: LineSplitter.LineTooLong.self) { try lines(["123", "456"], limit: 5) }
    }

    @Test func capIsPerLineNotPerStream() throws {
        #expect(try lines(["123\n123\n", "123\n12", "3\n"], limit: 3).lines.count == 4)
    }
}

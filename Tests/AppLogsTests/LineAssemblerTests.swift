// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import AppLogs

@Suite struct LineAssemblerTests {
    /// A piece as it was given out.
    struct Piece: Equatable {
        var bytes: [UInt8]
        var isFull: Bool

        init(_ bytes: [UInt8], _ isFull: Bool) {
            self.bytes = bytes
            self.isFull = isFull
        }

        init(_ text: String, _ isFull: Bool) { self.init(Array(text.utf8), isFull) }
    }

    private func append(_ bytes: [UInt8], to assembler: inout LineAssembler) -> [Piece] {
        var pieces: [Piece] = []
        bytes.withUnsafeBytes { assembler.append($0) { pieces.append(Piece(Array($0), $1)) } }
        return pieces
    }

    private func append(_ text: String, to assembler: inout LineAssembler) -> [Piece] {
        append(Array(text.utf8), to: &assembler)
    }

    @Test func everyNewlineEndsOneLine() {
        var assembler = LineAssembler()
        #expect(append("one\n\ntwo\nthr", to: &assembler) == [Piece("one", true), Piece("", true), Piece("two", true)])
        #expect(assembler.hasPartial)
        #expect(append("ee\n", to: &assembler) == [Piece("three", true)])
        #expect(!assembler.hasPartial)
    }

    @Test func bytesStayAsTheyAre() {
        var assembler = LineAssembler()
        let odd: [UInt8] = [0x00, 0xFF, 0x0D, 0x80, 0x1B, 0x5B, 0x0D]
        #expect(append(odd + [0x0A], to: &assembler) == [Piece(odd, true)])
    }

    @Test func lineOfExactlyTheCapIsNotSplit() {
        var assembler = LineAssembler(cap: 8)
        #expect(append("12345678", to: &assembler) == [])
        #expect(append("\n", to: &assembler) == [Piece("12345678", true)])
    }

    @Test func lineOverTheCapIsSplitAndMarked() {
        var assembler = LineAssembler(cap: 8)
        #expect(append("123456789\n", to: &assembler) == [Piece("12345678", false), Piece("9", true)])
    }

    @Test func splitNeverCutsAUTF8Character() {
        for shift in 0..<4 {
            for chunk in [1, 3, 1000] {
                var assembler = LineAssembler(cap: 16)
                let text = String(repeating: "x", count: shift) + String(repeating: "é€😀", count: 40)
                var pieces: [Piece] = []
                let bytes = Array((text + "\n").utf8)
                for start in stride(from: 0, to: bytes.count, by: chunk) {
                    pieces += append(Array(bytes[start..<min(start + chunk, bytes.count)]), to: &assembler)
                }
                #expect(pieces.allSatisfy { String(validating: $0.bytes, as: UTF8.self) != nil })
                #expect(pieces.flatMap(\.bytes) == Array(text.utf8))
            }
        }
    }

    @Test func bytesThatOnlyLookLikeUTF8AreSplitAtTheCap() {
        var assembler = LineAssembler(cap: 8)
        let continuations = [UInt8](repeating: 0x80, count: 20)
        #expect(append(continuations + [0x0A], to: &assembler).map(\.bytes.count) == [8, 8, 4])
    }

    @Test func flushGivesTheBeginningAndTheNewlineThenClosesTheLine() {
        var assembler = LineAssembler()
        _ = append("login: ", to: &assembler)
        var pieces: [Piece] = []
        assembler.flush { pieces.append(Piece(Array($0), $1)) }
        #expect(pieces == [Piece("login: ", false)])
        #expect(!assembler.hasPartial)
        #expect(append("\n", to: &assembler) == [Piece("", true)])
    }

    @Test func finishEndsTheOpenLineOnceAndOnlyIfThereIsOne() {
        var assembler = LineAssembler()
        var pieces: [Piece] = []
        assembler.finish { pieces.append(Piece(Array($0), $1)) }
        #expect(pieces == [])
        _ = append("last words", to: &assembler)
        assembler.finish { pieces.append(Piece(Array($0), $1)) }
        assembler.finish { pieces.append(Piece(Array($0), $1)) }
        #expect(pieces == [Piece("last words", true)])
    }

    @Test func finishClosesALineThatWasFlushed() {
        var assembler = LineAssembler()
        _ = append("login: ", to: &assembler)
        var pieces: [Piece] = []
        assembler.flush { pieces.append(Piece(Array($0), $1)) }
        assembler.finish { pieces.append(Piece(Array($0), $1)) }
        #expect(pieces == [Piece("login: ", false), Piece("", true)])
    }

    @Test(arguments: 1...40) func anyChunkingGivesTheSameLines(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let cap = Int.random(in: 4...64, using: &random)
        let bytes = (0..<4000).map { _ in
            Bool.random(using: &random) ? UInt8.random(in: .min ... .max, using: &random) : UInt8(ascii: "a")
        }
        let withNewlines = bytes.map { $0 % 23 == 0 ? 0x0A : $0 }
        var whole = LineAssembler(cap: cap)
        let expected = append(withNewlines, to: &whole)

        var chunked = LineAssembler(cap: cap)
        var pieces: [Piece] = []
        var rest = withNewlines[...]
        while !rest.isEmpty {
            let chunk = rest.prefix(Int.random(in: 1...100, using: &random))
            pieces += append(Array(chunk), to: &chunked)
            rest = rest.dropFirst(chunk.count)
            #expect(chunked.bufferedBytes <= cap)
        }
        #expect(pieces == expected)
        #expect(chunked.bufferedBytes == whole.bufferedBytes)

        // Joined again, the pieces are the lines that went in.
        whole.finish { _, _ in }
        let joined = expected.reduce(into: [[UInt8]()]) { lines, piece in
            lines[lines.count - 1] += piece.bytes
            if piece.isFull { lines.append([]) }
        }
        let lines = withNewlines.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
        #expect(joined.dropLast() == lines.dropLast())
        #expect(expected.allSatisfy { $0.bytes.count <= cap })
    }

    @Test func aHugeLineNeverFillsMoreThanTheCap() {
        var assembler = LineAssembler()
        let chunk = [UInt8](repeating: UInt8(ascii: "x"), count: 65_536)
        var bytes = 0
        var highest = 0
        for _ in 0..<1024 {
            chunk.withUnsafeBytes { pointer in
                assembler.append(pointer) { text, isFull in
                    bytes += text.count
                    highest = max(highest, text.count)
                    #expect(!isFull)
                }
            }
            highest = max(highest, assembler.bufferedBytes)
        }
        #expect(highest == LogRecord.maxTextBytes)
        #expect(bytes + assembler.bufferedBytes == 64 << 20)
    }
}

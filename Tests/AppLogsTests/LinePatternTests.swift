// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import AppLogs

@Suite struct LinePatternTests {
    private func matches(_ pattern: String, _ text: [UInt8]) throws -> Bool {
        let matcher = LinePattern.Matcher(try LinePattern(pattern))
        return try text.withUnsafeBytes { try matcher.matches($0) }
    }

    @Test(arguments: [
        ("timeout", "a timeout was met", true), ("(?i)TIMEOUT", "a timeout", true), ("^a.*z$", "a to z", true),
        ("^$", "", true), ("x", "", false), ("\\d{3}", "code 42", false), ("ä", "Übergänge", true), (".", "日", true),
    ])
    func findsWhatItSays(pattern: String, text: String, isFound: Bool) throws {
        #expect(try matches(pattern, Array(text.utf8)) == isFound)
    }

    @Test func bytesThatAreNoTextAreSearchedToo() throws {
        #expect(try matches("tail", [0xFF, 0x00, 0xC3] + Array("tail".utf8)))
        #expect(try matches("a\\x00b", Array("a\0b".utf8)))
    }

    @Test(arguments: ["(", "[z-a]", "\\C"]) func errorSaysWhatIsWrong(pattern: String) {
        #expect { try LinePattern(pattern) } throws: { error in
            "\(error)".hasPrefix("the regular expression ") && "\(error)".contains("at byte")
        }
    }

    @Test func lengthAndNestingAreBounded() {
        #expect(throws: AppLogError.self) { try LinePattern(String(repeating: "a", count: LinePattern.maxBytes + 1)) }
        #expect(throws: AppLogError.self) { try LinePattern("((((a{1000}){1000}){1000}){1000})") }
        #expect(throws: AppLogError.self) {
            try LinePattern(String(repeating: "(", count: 450) + String(repeating: ")", count: 450))
        }
    }

    @Test func patternThatNeverEndsIsStopped() throws {
        let bomb = Array(String(repeating: "a", count: 60).utf8) + Array("!".utf8)
        #expect(throws: AppLogError.patternTooCostly("^(a+)+$")) { try matches("^(a+)+$", bomb) }
    }

    @Test func readerThatMeetsABombFailsAndSaysSo() async throws {
        let directory = try TemporaryDirectory()
        let writer = try AppLogWriter(directory: directory.path)
        writer.append("fine\n" + String(repeating: "a", count: 100) + "!\n")
        let query = LogQuery(pattern: try LinePattern("^(a+)+$"))
        await #expect(throws: AppLogError.self) {
            for try await _ in AppLogReader(directory: directory.path).lines(query) {}
        }
    }

    @Test func linesAreFilteredAndCountedByIt() throws {
        let directory = try TemporaryDirectory()
        let writer = try AppLogWriter(directory: directory.path)
        for number in 0..<5_000 { writer.append("line \(number) end\n") }
        let reader = AppLogReader(directory: directory.path)
        let query = LogQuery(limit: 3, pattern: try LinePattern("7 end$"))
        #expect(try reader.texts(query) == ["line 4977 end", "line 4987 end", "line 4997 end"])
        #expect(try reader.texts(LogQuery(limit: nil, pattern: try LinePattern("^line 12 "))) == ["line 12 end"])
    }
}

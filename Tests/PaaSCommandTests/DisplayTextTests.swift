// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import paas

@Suite struct DisplayTextTests {
    @Test(arguments: [
        ("plain äöü 日本 🙂", "plain äöü 日本 🙂"), ("a\tb", "a\tb"), ("\u{1B}[31mred", "\\e[31mred"),
        ("\u{9B}31m", "\\x9b31m"), ("a\rb", "a\\rb"), ("a\nb", "a\\nb"), ("\u{00}\u{07}\u{7F}", "\\x00\\x07\\x7f"),
        ("\u{202E}evil\u{2066}", "\\u{202e}evil\\u{2066}"), ("\u{61C}\u{200F}", "\\u{61c}\\u{200f}"),
        ("a\u{2028}b", "a\\u{2028}b"),
    ])
    func controlCharactersAreShownAndNotObeyed(text: String, shown: String) {
        #expect(DisplayText.escaped(text) == shown)
    }

    @Test func everyControlCharacterButTabIsEscaped() {
        for value in Array(UInt32(0)..<0x20) + Array(0x7F..<0xA0) where value != 0x09 {
            let scalar = Unicode.Scalar(value).map(String.init) ?? ""
            let isControl = DisplayText.escaped(scalar).unicodeScalars.contains {
                $0.properties.generalCategory == .control
            }
            #expect(!isControl, "U+\(String(value, radix: 16))")
        }
    }

    @Test func logLineIsRawForPipesAndEscapedForTerminals() {
        let line = LogLine(
            time: Timestamp(microseconds: 1_500_000), stream: .stdout, instance: "web.1", release: "v1",
            text: "\u{1B}[2Jx")
        #expect(LogFormatter.text(line, isTerminal: false) == "1970-01-01T00:00:01.500Z app[web.1]: \u{1B}[2Jx")
        #expect(LogFormatter.text(line, isTerminal: true) == "1970-01-01T00:00:01.500Z app[web.1]: \\e[2Jx")
    }

    @Test func linesOfThePlatformAreMarked() {
        let line = LogLine(
            time: Timestamp(microseconds: 0), stream: .system, instance: "web.2", release: "v1", text: "started")
        #expect(LogFormatter.text(line, isTerminal: false) == "1970-01-01T00:00:00.000Z paas[web.2]: started")
    }

    @Test func detailsOfAnAppCannotMoveTheCursor() throws {
        let app = try sampleApp(status: .failed) {
            $0.command = .shell("printf '\u{1B}[2J'")
            $0.reason = "\u{1B}[1A"
            $0.lastExit = ExitReport(
                code: 1, at: Timestamp(microseconds: 0), reason: "\u{1B}[K", lastLines: ["\u{1B}]0;title\u{07}"])
        }
        let text = AppDetails(app: app).render(
            now: Timestamp(microseconds: 0), width: 80, style: .plain, isTerminal: true)
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
        #expect(text.contains("\\e]0;title\\x07"))
    }

    @Test func noColorAndDumbTerminalsGetNone() {
        #expect(Style.allowsColour(["TERM": "xterm"]))
        #expect(!Style.allowsColour(["TERM": "xterm", "NO_COLOR": "1"]))
        #expect(Style.allowsColour(["NO_COLOR": ""]))
        #expect(!Style.allowsColour(["TERM": "dumb"]))
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import PaaSModel
import Testing

@testable import ProgramSupport

struct StandardErrorLogHandlerTests {
    private let time = Timestamp(microseconds: 1_767_323_045_678_000)

    @Test func textIsOneLineWithSortedMetadata() {
        let handler = StandardErrorLogHandler(label: "paasd", format: .text)
        let line = handler.render(.warning, "hello", ["b": "two words", "a": "1"], at: time)
        #expect(line == "2026-01-02T03:04:05.678Z warning paasd: hello a=1 b=\"two words\"")
    }

    @Test func controlCharactersOfStrangersAreEscaped() {
        let handler = StandardErrorLogHandler(label: "paasd", format: .text)
        let line = handler.render(.info, "a\nb\u{1B}[31m", ["k": "x\ny"], at: time)
        #expect(line.hasSuffix("a\\nb\\u{1b}[31m k=\"x\\ny\""))
    }

    @Test func jsonIsOneObject() throws {
        let handler = StandardErrorLogHandler(label: "paasd", format: .json)
        let line = handler.render(.info, "a\nb", ["k": "v"], at: time)
        #expect(!line.contains("\n"))
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        #expect(object?["message"] as? String == "a\nb")
        #expect((object?["metadata"] as? [String: String]) == ["k": "v"])
    }

    @Test func aLoggersOwnLevelWinsOverTheProcess() {
        var handler = StandardErrorLogHandler(label: "x", format: .text)
        #expect(handler.logLevel == LogBootstrap.level)
        handler.logLevel = .critical
        #expect(handler.logLevel == .critical)
    }
}

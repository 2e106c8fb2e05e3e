// SPDX-License-Identifier: Apache-2.0

import Foundation
import ProgramSupport
import Testing

struct ConfigurationFileTests {
    private func read(_ text: String, keys: Set<String>) throws -> ConfigurationFile {
        try ConfigurationFile(text: text, path: "x.toml", allowedKeys: keys)
    }

    @Test func valuesAreReadByType() throws {
        let file = try read(
            """
            listen = "127.0.0.1:1"
            count = 3
            ratio = 0.5
            on = true
            words = ["a", "b"]
            [env]
            KEY = "v"
            """, keys: ["listen", "count", "ratio", "on", "words", "env.*"])
        #expect(try file.string("listen") == "127.0.0.1:1")
        #expect(try file.integer("count") == 3)
        #expect(try file.number("count") == 3.0)
        #expect(try file.number("ratio") == 0.5)
        #expect(try file.boolean("on") == true)
        #expect(try file.strings("words") == ["a", "b"])
        #expect(try file.text("count") == "3")
        #expect(file.keys(below: "env") == ["KEY"])
        #expect(try file.string("absent") == nil)
    }

    @Test func unknownKeysAreErrorsThatNameTheLine() {
        let error = #expect(throws: ConfigurationError.self) {
            try read("# comment\nlisten = \"a:1\"\nlisen = \"b:2\"\n", keys: ["listen"])
        }
        #expect(error?.line == 3)
        #expect(error?.description.hasPrefix("x.toml:3: unknown key 'lisen'; known keys are listen") == true)
    }

    @Test func unknownKeysInTablesAreErrorsThatNameTheLine() {
        let error = #expect(throws: ConfigurationError.self) {
            try read("size = 1\n[limits]\nsize = 1\n", keys: ["size", "limits.memory"])
        }
        #expect(error?.line == 3)
        #expect(error?.message.hasPrefix("unknown key 'limits.size'") == true)
        let table = #expect(throws: ConfigurationError.self) { try read("\n[other]\nx = 1\n", keys: ["size"]) }
        #expect(table?.line == 2)
    }

    @Test func syntaxErrorsNameTheLine() {
        let error = #expect(throws: ConfigurationError.self) { try read("a = 1\nb = = 2\n", keys: ["a", "b"]) }
        #expect(error?.line == 2)
    }

    @Test func aValueOfTheWrongTypeIsAnErrorThatSaysBoth() throws {
        let file = try read("listen = 5\n", keys: ["listen"])
        let error = #expect(throws: ConfigurationError.self) { try file.string("listen") }
        #expect(error?.description == "x.toml:1: 'listen' is an integer, not a string")
    }

    @Test func aMissingFileSaysSo() {
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationFile(path: "/nonexistent/x.toml", allowedKeys: [])
        }
        #expect(error?.message.contains("no such file") == true)
    }

    @Test func rereadSeesTheNewContentAndKeepsTheRules() throws {
        let path = NSTemporaryDirectory() + "paas-config-\(UUID().uuidString).toml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try "level = \"info\"\n".write(toFile: path, atomically: true, encoding: .utf8)
        let first = try ConfigurationFile(path: path, allowedKeys: ["level"])
        try "level = \"debug\"\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try first.reread().string("level") == "debug")
        try "other = 1\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: ConfigurationError.self) { try first.reread() }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Glibc
import PaaSModel
import ProgramSupport
import Testing

@testable import paas

@Suite struct ContextChoiceTests {
    private let file = ContextFile(
        current: "office",
        contexts: [
            "office": .init(url: "https://office.example", token: "office-token"),
            "lab": .init(url: "http://lab.example:7070", token: nil),
        ])

    private func choice(
        _ flags: ContextChoice.Flags = .init(), _ environment: [String: String] = [:], current: String? = "office"
    ) throws -> ContextChoice {
        var file = file
        file.current = current
        return try ContextChoice(flags, Settings(environment: environment, file: nil), file)
    }

    @Test func flagWinsOverEnvironmentOverContextOverHome() throws {
        let environment = ["PAAS_URL": "http://variable.example"]
        let byFlag = try choice(.init(url: "http://flag.example"), environment)
        #expect(byFlag.url == "http://flag.example" && byFlag.origin == .flag("--url"))
        #expect(try choice(.init(context: "lab"), environment).url == "http://lab.example:7070")
        #expect(try choice(.init(home: "/h"), environment).url == nil)
        #expect(try choice(.init(), environment).url == "http://variable.example")
        #expect(try choice(.init(), ["PAAS_CONTEXT": "lab"]).name == "lab")
        #expect(try choice(.init(), ["PAAS_HOME": "/h"]).origin == .variable("PAAS_HOME"))
        #expect(try choice().name == "office")
        #expect(try choice(current: nil).origin == .home)
        #expect(try choice(.init(), ["PAAS_URL": "", "PAAS_HOME": ""]).name == "office")
    }

    @Test func tokenOfAContextGoesToItsOwnUrlOnly() throws {
        #expect(try choice().token == "office-token")
        #expect(try choice(.init(url: "http://evil.example")).token == nil)
        #expect(try choice(.init(), ["PAAS_URL": "http://evil.example"]).token == nil)
        #expect(try choice(.init(home: "/h")).token == nil)
        #expect(try choice(.init(context: "lab")).token == nil)
        #expect(try choice(.init(token: "given")).token == "given")
        #expect(try choice(.init(), ["PAAS_TOKEN": "set"]).token == "set")
    }

    @Test func aContextThatIsNotThereIsNamedWithThoseThatAre() {
        #expect {
            try choice(.init(context: "offic"))
        } throws: { error in
            guard let failure = error as? CommandFailure else { return false }
            return failure.code == 64 && failure.hint == "there are lab, office"
        }
        #expect(throws: CommandFailure.self) { try choice(.init(url: "http://x", context: "lab")) }
    }
}

@Suite struct ContextFileTests {
    private func temporaryPath() -> String { "/tmp/paas-context-\(UInt64.random(in: 0...UInt64.max))/a/contexts.json" }

    @Test func fileIsWrittenForItsOwnerAloneAndReadBack() throws {
        let path = temporaryPath()
        defer {
            unlink(path)
            rmdir(path.replacing("/contexts.json", with: ""))
            rmdir(path.replacing("/a/contexts.json", with: ""))
        }
        #expect(try ContextFile.read(path) == ContextFile())
        var file = ContextFile()
        file.contexts["x"] = .init(url: "http://x", token: "secret")
        file.current = "x"
        try file.write(path)
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(try ContextFile.read(path) == file)
        chmod(path, 0o644)
        try file.write(path)
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    }

    @Test func fileThatIsNoneIsAnErrorThatNamesItAndNotItsText() throws {
        let path = "/tmp/paas-context-\(UInt64.random(in: 0...UInt64.max))"
        defer { unlink(path) }
        let file = fopen(path, "w")
        fputs("{\"token\": \"secret\"", file)
        fclose(file)
        #expect {
            try ContextFile.read(path)
        } throws: { error in
            "\(error)".contains(path) && !"\(error)".contains("secret")
        }
    }

    @Test func placeFollowsTheXDGSpecification() {
        #expect(ContextFile.path(["XDG_CONFIG_HOME": "/c", "HOME": "/h"]) == "/c/mini-paas/contexts.json")
        #expect(ContextFile.path(["XDG_CONFIG_HOME": "", "HOME": "/h"]) == "/h/.config/mini-paas/contexts.json")
        #expect(ContextFile.path([:]) == nil)
    }

    @Test(arguments: [("office", true), ("a.b_c-1", true), ("1", true), ("-a", false), ("", false), ("a b", false)])
    func namesAreOneWord(name: String, isName: Bool) {
        #expect(ContextFile.isName(name) == isName)
    }
}

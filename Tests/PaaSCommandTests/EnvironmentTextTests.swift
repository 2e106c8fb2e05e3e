// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import PaaSModel
import Testing

@testable import paas

@Suite struct EnvironmentTextTests {
    @Test func whatIsListedIsReadBack() throws {
        let variables = [
            "PLAIN": "a-b_c.1/2:3", "EMPTY": "", "SPACES": " a b ", "HASH": "a #b", "QUOTES": #"say "hi" 'x'"#,
            "LINES": "one\ntwo\tthree", "MONEY": "$HOME \\n", "UTF8": "größer",
        ]
        let text = EnvironmentText.lines(variables)
        let read = try EnvironmentFile.parse(text, path: "x")
        #expect(Dictionary(uniqueKeysWithValues: read.map { ($0.key, $0.value) }) == variables)
        #expect(read.map(\.key) == variables.keys.sorted())
    }

    @Test(
        arguments: [
            ("NAME", "NAME", nil), ("NAME=@file", "NAME", "file"), ("A=@/x=y", "A", "/x=y"),
        ] as [(String, String, String?)])
    func secretsAreNamedWithOrWithoutAFile(text: String, name: String, file: String?) throws {
        let wanted = try #require(SecretInput.Wanted(text))
        #expect(wanted.name == name && wanted.file == file)
    }

    @Test(arguments: ["", "1A", "NAME=value", "NAME=", "NAME=@", "A-B"])
    func valuesAreNotTakenFromTheCommandLine(text: String) {
        #expect(SecretInput.Wanted(text) == nil)
    }

    @Test func refusalOfAValueDoesNotRepeatIt() {
        #expect {
            try PaaSCommand.parseAsRoot(["secret", "set", "shop", "KEY=hunter2"])
        } throws: { error in
            let message = PaaSCommand.fullMessage(for: error)
            return PaaSCommand.exitCode(for: error).rawValue == 64 && !message.contains("hunter2")
                && message.contains("command line")
        }
        #expect {
            try PaaSCommand.parseAsRoot(["env", "set", "shop", "1KEY=hunter2"])
        } throws: { error in
            !PaaSCommand.fullMessage(for: error).contains("hunter2")
        }
    }

    @Test(arguments: [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("\n", ""), ("", "")])
    func oneLineEndOfAPipedValueGoes(given: String, kept: String) {
        #expect(SecretInput.withoutLineEnd(Array(given.utf8)) == Array(kept.utf8))
    }
}

@Suite struct SessionCommandTests {
    private func exec(_ words: String...) throws -> ExecCommand {
        try #require(try PaaSCommand.parseAsRoot(["exec"] + words) as? ExecCommand)
    }

    @Test func everythingBehindTheAppIsTheCommand() throws {
        let command = try exec("--instance", "web.2", "shop", "ls", "--json", "-l", "--url", "x")
        #expect(command.app == "shop" && command.instance == "web.2")
        #expect(command.command == ["ls", "--json", "-l", "--url", "x"])
        #expect(try SessionOptions.command(try exec("shop", "--", "ls", "-l").command) == ["ls", "-l"])
    }

    @Test func optionsMayStandBehindTheAppAsLongAsNoProgramHasCome() throws {
        let command = try exec(
            "-e", "A=1", "shop", "--instance", "2", "-e", "B=2", "--url", "http://x", "ls", "-e", "C=3")
        #expect(command.app == "shop" && command.instance == "2" && command.connection.url == "http://x")
        #expect(command.session.env == ["A=1", "B=2"] && command.command == ["ls", "-e", "C=3"])
    }

    @Test func optionsStandBeforeTheApp() throws {
        let command = try exec("-e", "A=1", "--no-tty", "shop", "env")
        #expect(command.session.env == ["A=1"] && command.session.tty == false && command.command == ["env"])
    }

    @Test(arguments: [
        [], ["shop"], ["shop", "--"], ["-e", "1=x", "shop", "ls"], ["shop", "--no-such", "ls"], ["shop", "-e", "A=1"],
    ])
    func whatCannotBeRunIsWrongUsage(words: [String]) {
        for command in ["exec", "run"] {
            #expect {
                try PaaSCommand.parseAsRoot([command] + words)
            } throws: { error in
                PaaSCommand.exitCode(for: error).rawValue == 64
            }
        }
    }
}

@Suite struct CompletionTests {
    @Test func ofTheLineOnlyTheControlPlaneCounts() {
        let words = ["paas", "--url", "http://x", "logs", "--token=t", "-n", "5", "--context", "lab", "--url"]
        #expect(CompletedNames.connectionWords(words) == ["--url", "http://x", "--token=t", "--context", "lab"])
    }

    @Test func everyShellHasAScriptThatAsksForNames() {
        for shell in CompletionCommand.Shell.allCases {
            let script = PaaSCommand.completionScript(for: shell.parsed)
            #expect(script.contains("---completion"), "\(shell)")
        }
    }

    @Test(arguments: [
        ([:], false), (["DISPLAY": ""], false), (["DISPLAY": ":0"], true), (["WAYLAND_DISPLAY": "w"], true),
    ])
    func aBrowserIsOpenedOnlyWhereItCanBeSeen(environment: [String: String], has: Bool) {
        #expect(OpenCommand.hasDisplay(environment) == has)
    }
}

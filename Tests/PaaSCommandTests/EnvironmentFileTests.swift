// SPDX-License-Identifier: Apache-2.0

import ProgramSupport
import Testing

@testable import paas

@Suite struct EnvironmentFileTests {
    private func value(_ line: String) throws -> String? {
        try EnvironmentFile.parse(line, path: "x.env").first?.value
    }

    @Test func commentsAndBlankLinesAreSkipped() throws {
        let text = "# one\n\nA=1\r\n  # two\nexport B=2\n"
        #expect(try EnvironmentFile.parse(text, path: "x.env").map { "\($0.key)=\($0.value)" } == ["A=1", "B=2"])
    }

    @Test(arguments: [
        ("A=plain", "plain"), ("A=", ""), ("A = spaced ", "spaced"), ("A=a=b", "a=b"), ("A=x # comment", "x"),
        ("A=x#y", "x#y"), ("A='si$ngle # \\n'", "si$ngle # \\n"), (#"A="a\nb\t\"c\" \$x \q""#, "a\nb\t\"c\" $x \\q"),
        ("A='x' # comment", "x"), ("A=#nothing", ""),
    ])
    func valuesAreReadAsShellsAndDockerWouldWithoutExpansion(line: String, value: String) throws {
        #expect(try self.value(line) == value)
    }

    @Test(arguments: ["A", "1A=x", "A B=x", "=x", "A=\"open", "A='x'y"])
    func badLineIsNamedWithoutItsValue(line: String) {
        let error = #expect(throws: ConfigurationError.self) {
            try EnvironmentFile.parse("OK=1\n" + line.replacing("x", with: "geheim"), path: "x.env")
        }
        #expect(error?.line == 2)
        #expect(error?.description.contains("geheim") == false)
    }

    @Test func flagIsKeyAndEverythingAfterTheFirstEquals() {
        #expect(EnvironmentVariable("A=b=c")?.value == "b=c")
        #expect(EnvironmentVariable("A") == nil)
        #expect(EnvironmentVariable("A-B=c") == nil)
    }
}

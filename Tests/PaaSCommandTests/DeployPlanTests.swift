// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import PaaSModel
import ProgramSupport
import Testing

@testable import paas

@Suite struct DeployPlanTests {
    /// A directory with files, and the plan of a command line in it.
    private func plan(
        _ arguments: [String], files: [String: String] = [:], name: String = "My_Shop"
    ) throws -> (plan: DeployPlan, directory: String) {
        let root = "/tmp/paas-plan-\(UInt32.random(in: 0...UInt32.max))"
        let directory = "\(root)/\(name)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: "\(directory)/\(name)")) }
        let options = try DeployOptions.parse(arguments.map { $0.replacing("HERE", with: directory) })
        return (try DeployPlan(options, directory: directory, home: "/home/me"), directory)
    }

    @Test func oneWordIsForTheShellAndSeveralAreNot() throws {
        #expect(try plan(["a && b", "--name", "x"]).plan.spec.command == .shell("a && b"))
        #expect(try plan(["--name", "x", "--", "./a", "-v"]).plan.spec.command == .exec(["./a", "-v"]))
    }

    @Test func commandWithoutSourceUploadsAndReadsNothing() throws {
        let plan = try plan(["./a", "--name", "x"], files: ["paas.toml": "nonsense = 1"]).plan
        #expect(plan.source == nil)
        #expect(plan.spec.limits == nil)
    }

    @Test func projectInThePresentDirectoryIsTheSource() throws {
        let (plan, directory) = try plan([], files: ["paas.toml": "command = './a'\n[limits]\npids = 5"])
        #expect(plan.source?.path == directory)
        #expect(plan.spec.command == .shell("./a"))
        #expect(plan.spec.limits == Limits(pids: 5))
    }

    @Test func procfileIsReadWhenTheManifestNamesNoCommand() throws {
        let files = ["paas.toml": "instances = 2", "Procfile": "web: ./b"]
        #expect(try plan(["--source", "HERE"], files: files).plan.spec.command == .shell("./b"))
    }

    @Test func flagsWinOverTheFileFieldByField() throws {
        let toml =
            "name = 'a'\ncommand = './a'\nhealth-path = '/a'\n[limits]\npids = 5\nmemory = '1M'\n[env]\nA = '1'\nB = '1'"
        let (plan, _) = try plan(
            ["./b", "--source", "HERE", "--name", "b", "--pids", "6", "-e", "A=2", "--env-file", "HERE/x.env"],
            files: ["paas.toml": toml, "x.env": "A=3\nC=3"])
        #expect(plan.name.rawValue == "b")
        #expect(plan.spec.command == .shell("./b"))
        #expect(plan.spec.limits == Limits(memoryBytes: 1 << 20, pids: 6))
        #expect(plan.spec.env == ["A": "2", "B": "1", "C": "3"])
        #expect(plan.spec.healthPath == "/a")
        // A patch may not carry a name.
        #expect(plan.spec.name == nil)
    }

    @Test func nameComesFromFlagThenFileThenDirectory() throws {
        let files = ["paas.toml": "name = 'filed'\ncommand = './a'"]
        #expect(try plan(["--name", "flagged"], files: files).plan.name.rawValue == "flagged")
        #expect(try plan([], files: files).plan.name.rawValue == "filed")
        #expect(try plan(["./a"]).plan.name.rawValue == "my-shop")
    }

    @Test(arguments: [
        ("/srv/My_Shop 2", "my-shop-2"), ("/x/--a--", "a"), ("/x/äpp", "pp"), ("/x/a.b.c/", "a-b-c"),
        ("/x/\(String(repeating: "a", count: 70))", String(repeating: "a", count: 63)), ("/", nil), ("/x/---", nil),
    ])
    func directoryNameBecomesAnAppName(path: String, name: String?) {
        #expect(DerivedName.from(directory: path)?.rawValue == name)
    }

    @Test func valueOutOfRangeIsRefusedBeforeAnythingIsSent() {
        #expect(throws: PaaSModel.ValidationError.self) { try plan(["./a", "--memory", "1K"]) }
        #expect(throws: PaaSModel.ValidationError.self) { try plan(["./a", "-e", "PORT=1"]) }
        #expect(throws: PaaSModel.ValidationError.self) { try plan(["./a", "--instances", "101"]) }
    }

    @Test func limitsAreTakenFromFileAndFlagsAndTakenAwayByNone() throws {
        let files = [
            "paas.toml": "command = './a'\n[limits]\nmemory = '1M'\ncpu = 1\nio-write-iops = 7\ncpu-weight = 9"
        ]
        let plan = try plan(
            ["--memory-high", "none", "--cpu", "none", "--pids", "5", "--io-read-bps", "4K"], files: files
        )
        .plan
        var wanted = Limits(memoryBytes: 1 << 20, pids: 5)
        (wanted.ioReadBytesPerSecond, wanted.ioWritesPerSecond, wanted.cpuWeight) = (4_096, 7, 9)
        #expect(plan.spec.limits == wanted)
        #expect(plan.clearedLimits == ["memoryHighBytes", "cpu"])
        let patch = DeployPatch(spec: plan.spec, clearedLimits: plan.clearedLimits)
        #expect(
            try JSONOutput.line(patch) == #"{"command":"./a","limits":{"cpu":null,"cpuWeight":9,"#
                + #""ioReadBytesPerSecond":4096,"ioWritesPerSecond":7,"memoryBytes":1048576,"memoryHighBytes":null,"#
                + #""pids":5}}"# + "\n")
    }

    @Test func everyLimitIsAnOptionAndAKey() throws {
        for field in Limits.fields {
            let value = field.unit == .bytes || field.unit == .bytesPerSecond ? "4M" : "1"
            let flagged = try plan(["./a", "--\(field.option)", value]).plan.spec.limits
            #expect(flagged.flatMap { field.text($0) } != nil, "\(field.option)")
            let quoted = field.unit == .count || field.unit == .cores ? value : "'\(value)'"
            let filed = try plan([], files: ["paas.toml": "command = './a'\n[limits]\n\(field.option) = \(quoted)"])
            #expect(filed.plan.spec.limits == flagged, "\(field.option)")
            #expect(try plan(["./a", "--\(field.option)", "none"]).plan.clearedLimits == [field.name])
        }
    }

    @Test func aBurstMayCountOnTheLimitOfTheAppThatIsThere() throws {
        #expect(try plan(["--name", "x", "--cpu-burst", "0.25"]).plan.spec.limits?.cpuBurst == 0.25)
        #expect(throws: PaaSModel.ValidationError.self) { try plan(["./a", "--cpu", "0.5", "--cpu-burst", "1"]) }
    }

    @Test func rootHomeAndWhatIsAboveAreRefused() {
        #expect(SourceDirectory.refusal(of: "/", home: nil) != nil)
        #expect(SourceDirectory.refusal(of: "/home/me", home: "/home/me") != nil)
        #expect(SourceDirectory.refusal(of: "/home", home: "/home/me") != nil)
        #expect(SourceDirectory.refusal(of: "/home/me/shop", home: "/home/me") == nil)
        #expect(SourceDirectory.refusal(of: "/home/m", home: "/home/me") == nil)
        #expect(throws: CommandFailure.self) { try SourceDirectory(path: "/", home: "/root") }
        #expect(throws: CommandFailure.self) { try SourceDirectory(path: "/no/such/directory", home: nil) }
    }
}

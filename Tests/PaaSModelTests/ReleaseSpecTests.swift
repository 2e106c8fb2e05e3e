// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@Suite struct CommandTests {
    @Test func textIsAShellCommandAndAListIsNot() throws {
        #expect(try decoded(Command.self, #""./server --port $PORT""#) == .shell("./server --port $PORT"))
        #expect(try decoded(Command.self, #"["./server","a b"]"#) == .exec(["./server", "a b"]))
        #expect(try encoded(Command.shell("x")) == #""x""#)
        #expect(try encoded(Command.exec(["x", "y"])) == #"["x","y"]"#)
        #expect(Command.shell("a && b").argumentVector == ["/bin/sh", "-c", "a && b"])
        #expect(Command.exec(["a", "b"]).argumentVector == ["a", "b"])
        #expect(Command.exec(["a", "b c"]).text == "a b c")
    }

    @Test(arguments: ["1", "null", "{}", "[1]", #"["a",null]"#]) func otherJSONIsNoCommand(json: String) {
        #expect(throws: DecodingError.self) { try decoded(Command.self, json) }
    }

    @Test(arguments: [
        Command.shell("x"), .exec(["x"]), .exec(["x", ""]), .shell(String(repeating: "x", count: 60_000)),
    ])
    func commandsWithinTheLimitsAreValid(command: Command) throws {
        try command.validate()
    }

    @Test(arguments: [
        Command.shell(""), .shell(" \n\t"), .shell("a\0b"), .shell(String(repeating: "x", count: 70_000)), .exec([]),
        .exec([""]), .exec(["a", "b\0"]), .exec([String](repeating: "", count: 70_000)),
    ])
    func commandsOutsideTheLimitsAreRefused(command: Command) {
        #expect {
            try command.validate()
        } throws: { error in
            (error as? ValidationError)?.field == "command"
        }
    }
}

@Suite struct ReleaseSpecTests {
    private func field(_ change: (inout ReleaseSpec) -> Void) -> String? {
        var spec = ReleaseSpec(command: .shell("x"))
        change(&spec)
        do {
            try spec.validate()
            return nil
        } catch {
            return (error as? ValidationError)?.field
        }
    }

    @Test func defaultsAreTheContracts() throws {
        let spec = ReleaseSpec(command: .shell("x"))
        try spec.validate()
        #expect(spec.restart == .always)
        #expect(spec.stopSignal == .term)
        #expect(spec.stopGraceSeconds == 30)
        #expect(spec.sandbox == .standard)
        #expect(spec.network == nil)
    }

    @Test func everyFieldIsCheckedByName() {
        #expect(field { $0.command = .exec([]) } == "command")
        #expect(field { $0.limits.memoryBytes = 1 } == "limits.memoryBytes")
        #expect(field { $0.limits.memoryBytes = -1 } == "limits.memoryBytes")
        #expect(field { $0.limits.cpu = 0 } == "limits.cpu")
        #expect(field { $0.limits.cpu = .nan } == "limits.cpu")
        #expect(field { $0.limits.cpu = .infinity } == "limits.cpu")
        #expect(field { $0.limits.pids = 0 } == "limits.pids")
        #expect(field { $0.limits.diskBytes = (4 << 20) - 1 } == "limits.diskBytes")
        #expect(field { $0.stopGraceSeconds = -1 } == "stopGraceSeconds")
        #expect(field { $0.stopGraceSeconds = .nan } == "stopGraceSeconds")
        #expect(field { $0.stopGraceSeconds = 3601 } == "stopGraceSeconds")
    }

    @Test func limitsThatDependOnEachOtherAreChecked() {
        #expect(field { $0.limits.cpuBurst = 0.5 } == "limits.cpuBurst")
        #expect(field { ($0.limits.cpu, $0.limits.cpuBurst) = (0.5, 0.6) } == "limits.cpuBurst")
        #expect(field { ($0.limits.cpu, $0.limits.cpuBurst) = (0.5, 0.5) } == nil)
        #expect(
            field { ($0.limits.memoryBytes, $0.limits.memoryHighBytes) = (2 << 20, 3 << 20) }
                == "limits.memoryHighBytes")
        #expect(field { $0.limits.cpuWeight = 0 } == "limits.cpuWeight")
        #expect(field { $0.limits.ioWeight = 10_001 } == "limits.ioWeight")
        #expect(field { $0.limits.ioReadBytesPerSecond = 4_095 } == "limits.ioReadBytesPerSecond")
        #expect(field { $0.limits.ioWritesPerSecond = 0 } == "limits.ioWritesPerSecond")
    }

    @Test func onlyLimitsOfTheCgroupCanChangeLive() {
        let base = ReleaseSpec(command: .shell("./a"), limits: Limits(memoryBytes: 1 << 20))
        func differs(_ change: (inout ReleaseSpec) -> Void) -> Bool {
            var other = base
            change(&other)
            return base.differsOnlyInLiveLimits(from: other)
        }
        #expect(differs { $0.limits.memoryBytes = nil })
        #expect(differs { ($0.limits.pids, $0.limits.ioWeight) = (5, 5) })
        #expect(!differs { _ in })
        #expect(!differs { ($0.limits.pids, $0.env["A"]) = (5, "1") })
        #expect(!differs { $0.limits.diskBytes = 1 << 30 })
    }

    @Test func limitsAreDescribedAndCompared() {
        var limits = Limits(memoryBytes: 256 << 20, cpu: 0.5)
        limits.ioReadBytesPerSecond = 10 << 20
        #expect(limits.text == "memory 256.0 MiB, cpu 0.5, io-read-bps 10.0 MiB/s")
        #expect(Limits().text == nil)
        #expect(
            limits.changes(from: Limits(cpu: 0.5, pids: 3)) == "memory none to 256.0 MiB, pids 3 to none, "
                + "io-read-bps none to 10.0 MiB/s")
    }

    @Test func everyLimitHasAFieldOfItsOwn() throws {
        // Each name is a key of the JSON, and clearing all of them leaves nothing.
        var limits = try decoded(
            Limits.self,
            "{" + Limits.fields.map { "\"\($0.name)\": 1" }.joined(separator: ",") + "}")
        #expect(Limits.fields.allSatisfy { $0.text(limits) != nil })
        for field in Limits.fields { field.clear(&limits) }
        #expect(limits.isEmpty)
    }

    @Test func limitsAtTheirEdgesAreValid() {
        #expect(field { $0.limits = Limits(memoryBytes: 1 << 20, cpu: 0.01, pids: 1, diskBytes: 4 << 20) } == nil)
        #expect(field { $0.stopGraceSeconds = 0 } == nil)
    }

    @Test(
        arguments: [
            ("/", nil), ("/healthz?x=1", nil), ("health", "healthPath"), ("", "healthPath"), ("/a b", "healthPath"),
            ("/a\r\nX: y", "healthPath"), ("/é", "healthPath"),
            ("/" + String(repeating: "a", count: 1024), "healthPath"),
        ] as [(String, String?)])
    func healthPathCannotSmuggleARequest(path: String, expected: String?) {
        #expect(field { $0.healthPath = path } == expected)
    }

    @Test(arguments: [
        "", "abc", String(repeating: "A", count: 64), String(repeating: "g", count: 64), "../../etc/passwd",
    ])
    func bundleIsNothingButASHA256(bundle: String) {
        #expect(field { $0.bundle = bundle } == "bundle")
        #expect(field { $0.bundle = String(repeating: "0a", count: 32) } == nil)
    }

    @Test func environmentIsCheckedWithoutShowingValues() {
        #expect(field { $0.env = ["A_1": "any = value\n"] } == nil)
        for key in ["", "1A", "A-B", "A=B", "É", String(repeating: "A", count: 257)] {
            #expect(field { $0.env = [key: "x"] } == "env")
        }
        #expect(field { $0.env = ["A": "a\0b"] } == "env.A")
        for key in ReleaseSpec.reservedEnvironment { #expect(field { $0.env = [key: "x"] } == "env.\(key)") }
        #expect(field { $0.env = ["A": String(repeating: "x", count: 140_000)] } == "env")
        #expect {
            try ReleaseSpec(command: .shell("x"), env: ["PORT": "secret\0"]).validate()
        } throws: { error in
            !"\(error)".contains("secret")
        }
    }

    @Test func specSurvivesTheWire() throws {
        let spec = ReleaseSpec(
            command: .exec(["a", "b"]), env: ["K": "V"], limits: Limits(memoryBytes: 256 << 20, cpu: 0.5),
            healthPath: "/h", restart: .onFailure, network: .egress, sandbox: .strict,
            bundle: String(repeating: "0", count: 64), stopSignal: .user2, stopGraceSeconds: 1.5)
        #expect(try roundTrip(spec) == spec)
        #expect(try encoded(spec).contains(#""restart":"on-failure""#))
        #expect(try encoded(spec).contains(#""stopSignal":"SIGUSR2""#))
    }
}

@Suite struct AppSpecTests {
    private let base = ReleaseSpec(
        command: .shell("old"), env: ["KEEP": "1", "CHANGE": "1", "REMOVE": "1"],
        limits: Limits(memoryBytes: 64 << 20, cpu: 1), healthPath: "/old", network: .host)

    @Test func creatingNeedsACommandAndTakesTheDefaults() throws {
        #expect {
            try AppSpec().applied(to: nil)
        } throws: { error in
            (error as? ValidationError)?.field == "command"
        }
        let spec = try decoded(AppSpec.self, #"{"name":"x","command":"run"}"#).applied(to: nil)
        #expect(spec == ReleaseSpec(command: .shell("run")))
    }

    @Test func emptyPatchChangesNothing() throws {
        #expect(try decoded(AppSpec.self, "{}").applied(to: base) == base)
    }

    @Test func environmentIsMergedKeyByKeyAndNullRemoves() throws {
        let patch = try decoded(AppSpec.self, #"{"env":{"CHANGE":"2","ADD":"3","REMOVE":null,"NEVER":null}}"#)
        #expect(try patch.applied(to: base).env == ["KEEP": "1", "CHANGE": "2", "ADD": "3"])
    }

    @Test func limitsAreMergedOneByOne() throws {
        let patch = try decoded(AppSpec.self, #"{"limits":{"memoryBytes":134217728,"pids":64}}"#)
        #expect(
            try patch.applied(to: base).limits == Limits(memoryBytes: 128 << 20, cpu: 1, pids: 64))
    }

    @Test func everyOtherFieldReplaces() throws {
        let patch = try decoded(
            AppSpec.self,
            """
            {"command":["new"],"healthPath":"/new","restart":"never","network":"isolated","sandbox":"off",
             "bundle":"\(String(repeating: "a", count: 64))","stopSignal":"SIGINT","stopGraceSeconds":5,"instances":3}
            """)
        let spec = try patch.applied(to: base)
        #expect(spec.command == .exec(["new"]))
        #expect(spec.healthPath == "/new")
        #expect(spec.restart == .never)
        #expect(spec.network == .isolated)
        #expect(spec.sandbox == .off)
        #expect(spec.bundle == String(repeating: "a", count: 64))
        #expect(spec.stopSignal == .interrupt)
        #expect(spec.stopGraceSeconds == 5)
        #expect(spec.env == base.env)
    }

    @Test func theResultIsValidated() throws {
        for json in [#"{"instances":101}"#, #"{"instances":-1}"#] {
            #expect {
                try decoded(AppSpec.self, json).applied(to: base)
            } throws: { error in
                (error as? ValidationError)?.field == "instances"
            }
        }
        _ = try decoded(AppSpec.self, #"{"instances":0}"#).applied(to: base)
        #expect(throws: ValidationError.self) {
            try decoded(AppSpec.self, #"{"env":{"PORT":"1"}}"#).applied(to: base)
        }
    }

    @Test func fieldNamesAreExactlyTheFields() throws {
        var spec = AppSpec()
        spec.name = try AppName(validating: "x")
        spec.command = .shell("x")
        spec.env = [:]
        spec.limits = Limits()
        spec.instances = 1
        spec.healthPath = "/"
        spec.restart = .always
        spec.network = .host
        spec.sandbox = .standard
        spec.bundle = ""
        spec.stopSignal = .term
        spec.stopGraceSeconds = 1
        spec.lifecycle = LifecycleRules()
        spec.secrets = [:]
        #expect(Mirror(reflecting: spec).children.compactMap(\.label).sorted() == AppSpec.fieldNames.sorted())
        #expect(try decoded([String: AnyValue].self, try encoded(spec)).keys.sorted() == AppSpec.fieldNames.sorted())
    }

    /// Any JSON, unread.
    private struct AnyValue: Decodable {
        init(from decoder: any Decoder) {}
    }
}

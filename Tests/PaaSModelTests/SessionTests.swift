// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@Suite struct SessionFrameTests {
    private let frames = [
        SessionFrame(.open, Array("{}".utf8)), SessionFrame(.inputEnd), SessionFrame(.output, Array(0...255)),
    ]

    @Test(arguments: [1, 2, 5, 7, 1_000]) func framesComeOutHoweverTheBytesWereSplit(size: Int) throws {
        let bytes = frames.flatMap(\.bytes)
        var decoder = SessionFrameDecoder()
        var found: [SessionFrame] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            try decoder.append(bytes[start..<min(start + size, bytes.count)])
            while let frame = try decoder.next() { found.append(frame) }
        }
        #expect(found == frames)
    }

    @Test func aFrameThatIsTooLargeIsRefusedBeforeItsBytesCome() {
        var decoder = SessionFrameDecoder()
        #expect(throws: ValidationError.self) { try decoder.append([2, 0, 16, 0, 1]) }
    }

    @Test func aKindThatIsNotKnownKeepsItsNumber() throws {
        var decoder = SessionFrameDecoder()
        try decoder.append([200, 0, 0, 0, 1, 7])
        #expect(try decoder.next() == SessionFrame(SessionFrame.Kind(rawValue: 200), [7]))
    }
}

@Suite struct SessionRequestTests {
    @Test func onlyTheProgramIsWrittenDown() {
        #expect(SessionRequest(command: ["psql", "postgres://user:secret@host"]).program == "psql")
    }

    @Test(arguments: [
        (SessionRequest(command: []), "command"), (SessionRequest(command: ["a"], instance: ""), "instance"),
        (SessionRequest(command: ["a"], terminal: TerminalSize(columns: 0, rows: 24)), "terminal"),
        (SessionRequest(command: ["a"], env: ["PORT": "1"]), "env.PORT"),
    ])
    func whatCannotBeRunIsRefusedByField(request: SessionRequest, field: String) {
        #expect {
            try request.validate()
        } throws: { error in
            (error as? ValidationError)?.field == field
        }
    }
}

@Suite struct SecretTests {
    private let value = SecretValue("hunter2")

    @Test func aValueIsNotInWhatIsPrinted() {
        var dumped = ""
        dump(["NAME": value], to: &dumped)
        let release = ReleaseSpec(command: .shell("x"))
        for text in ["\(value)", "\([value])", String(reflecting: value), String(describing: ["k": value]), dumped] {
            #expect(!text.contains("hunter2"), "\(text)")
        }
        var spec = release
        spec.secrets = ["NAME": value]
        #expect(!"\(spec)".contains("hunter2"))
    }

    @Test func aValueGoesOverTheWireAsText() throws {
        #expect(try encoded(value) == #""hunter2""#)
        #expect(try roundTrip(value) == value)
    }

    @Test func patchesMergeNameByName() throws {
        var base = ReleaseSpec(command: .shell("x"))
        base.secrets = ["A": SecretValue("1"), "B": SecretValue("2")]
        let patch = try decoded(AppSpec.self, #"{"secrets": {"A": null, "C": "3"}}"#)
        #expect(try patch.applied(to: base).secrets == ["B": SecretValue("2"), "C": SecretValue("3")])
        #expect(try decoded(AppSpec.self, #"{"secrets": {"A": null, "B": null}}"#).applied(to: base).secrets == nil)
    }

    @Test func aReleaseOfBeforeThereWereSecretsIsRead() throws {
        let old = try encoded(ReleaseSpec(command: .shell("x")))
        #expect(!old.contains("secrets"))
        #expect(try decoded(ReleaseSpec.self, old).secrets == nil)
    }

    @Test func aNameCannotBeAVariableToo() {
        var spec = ReleaseSpec(command: .shell("x"), env: ["KEY": "shown"])
        spec.secrets = ["KEY": value]
        #expect {
            try spec.validate()
        } throws: { error in
            (error as? ValidationError)?.field == "secrets.KEY" && !"\(error)".contains("hunter2")
        }
    }

    @Test(arguments: [
        ["1A": "x"], ["PORT": "x"], ["A": "a\0b"],
        Dictionary(uniqueKeysWithValues: (0...64).map { ("K\($0)", "x") }),
        ["A": String(repeating: "x", count: 140_000)],
    ])
    func secretsOutsideTheLimitsAreRefusedWithoutTheirValues(secrets: [String: String]) {
        var spec = ReleaseSpec(command: .shell("x"))
        spec.secrets = secrets.mapValues { SecretValue($0) }
        #expect {
            try spec.validate()
        } throws: { error in
            (error as? ValidationError)?.field.hasPrefix("secrets") == true
        }
    }
}

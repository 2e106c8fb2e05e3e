// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

struct RunPlanTests {
    private static let plain = RunPlan(argumentVector: ["/bin/true"], userID: 1_900_000_000, groupID: 1_900_000_000)

    @Test func encodingIsTheProtocolsLayout() throws {
        var plan = Self.plain
        plan.argumentVector = ["a", "b"]
        plan.environment = ["Z": "1", "A": "="]
        plan.hostname = "h"
        plan.outOfMemoryScoreAdjustment = -1
        plan.connectorPort = 20_001
        plan.lingers = true
        plan.waits = true
        plan.denialPause = .seconds(60)
        let bytes = try plan.encoded()
        var reader = RecordReader(bytes)
        let header = (0..<24).map { _ in reader.next(UInt32.self) }
        #expect(
            header == [
                0x4E4C_5050, 8, UInt32(bytes.count), 0, 1_900_000_000, 1_900_000_000, UInt32.max, 2, 2, 0, 0, 0,
            ] + Array(repeating: 0, count: 8) + [20_001, 0, 9, 60_000])
        let strings: [[UInt8]] = ["h", "/", "a", "b", "A==", "Z=1"].map { text in
            [UInt8(text.utf8.count), 0, 0, 0] + Array(text.utf8) + [0]
        }
        #expect(Array(bytes[96...]) == strings.flatMap { $0 })
    }

    @Test func whatInitWouldRefuseIsRefusedHere() throws {
        let changes: [(inout RunPlan) -> Void] = [
            { $0.argumentVector = [] },
            { $0.argumentVector = [""] },
            { $0.argumentVector = ["a\0b"] },
            { $0.argumentVector = Array(repeating: "", count: 65_537) },
            { $0.environment = ["A": "x\0y"] },
            { $0.environment = ["": "x"] },
            { $0.environment = ["A=B": "x"] },
            { $0.environment = ["A": String(repeating: "x", count: 1 << 20)] },
            { $0.argumentVector = Array(repeating: String(repeating: "x", count: 1_000), count: 1_100) },
            { $0.workingDirectory = "app" },
            { $0.userID = 0 },
            { $0.groupID = 0 },
            { $0.userID = .max },
            { $0.outOfMemoryScoreAdjustment = 1_001 },
            { $0.hostname = String(repeating: "h", count: 65) },
            { $0.mounts = [.processes(target: "/proc")] },
            { $0.denialPause = .zero },
            { $0.denialPause = .seconds(3_601) },
            {
                $0.joins = true
                $0.denialPause = .seconds(1)
            },
            {
                $0.joins = true
                $0.waits = true
            },
            { $0.resourceLimits = Array(repeating: ResourceLimit(.coreBytes, soft: 0), count: 17) },
        ]
        for (index, change) in changes.enumerated() {
            var plan = Self.plain
            change(&plan)
            let error = try #require(throws: SandboxError.self, "change \(index)") { try plan.encoded() }
            #expect(error.code == .invalidPlan)
        }
    }

    @Test(arguments: ["app", "/", "", "/a/", "//a", "/a//b", "/a/../b", "/./a", "/.."])
    func aTargetThatCouldLeaveTheViewIsRefused(target: String) {
        var plan = Self.plain
        plan.namespaces = .mount
        plan.mounts = [.bind(source: "/usr", target: target, options: .readOnly)]
        #expect(throws: SandboxError.self) { try plan.encoded() }
    }

    @Test(
        arguments: [
            Mount.bind(source: "usr", target: "/usr", options: .readOnly),
            .disk(image: "disk", target: "/data", growingTo: 0),
        ])
    func aRelativeSourceIsRefused(mount: Mount) {
        var plan = Self.plain
        plan.namespaces = .mount
        plan.mounts = [mount]
        #expect(throws: SandboxError.self) { try plan.encoded() }
    }

    @Test func tooManyMountsAreRefused() {
        var plan = Self.plain
        plan.namespaces = .mount
        plan.mounts = (0...RunPlan.maxMounts).map { .symbolicLink(target: "/l\($0)", text: "x") }
        #expect(throws: SandboxError.self) { try plan.encoded() }
    }
}

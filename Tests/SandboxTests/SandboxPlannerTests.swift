// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import Sandbox

struct SandboxPlannerTests {
    private static let directories = AppDirectories(app: "/srv/bundle", data: "/srv/data")

    private func plan(
        _ spec: ReleaseSpec, allowOff: Bool = false, port: Int = 20_001, userID: UInt32 = 1_900_000_001,
        directories: AppDirectories = directories
    ) throws -> RunPlan {
        var configuration = SandboxPlanner.Configuration()
        configuration.allowOff = allowOff
        let assignment = Assignment(
            instanceID: "i-abcdefghijklmnopqrst", appID: "a-abcdefghijklmnopqrst",
            app: try AppName(validating: "hello"),
            slot: "web.2", release: "v3", spec: spec, desired: .running)
        return try SandboxPlanner(configuration: configuration).plan(
            assignment: assignment, port: port, userID: userID, directories: directories)
    }

    private func refusal(_ spec: ReleaseSpec) throws -> SandboxError {
        try #require(throws: SandboxError.self) { try plan(spec) }
    }

    @Test func standardConfinesByEveryNamespaceAndAUserOfItsOwn() throws {
        let plan = try plan(ReleaseSpec(command: .shell("./server")))
        #expect(plan.argumentVector == ["/bin/sh", "-c", "./server"])
        #expect(plan.namespaces == .all)
        #expect(plan.userID == 1_900_000_001 && plan.groupID == plan.userID)
        #expect(plan.workingDirectory == "/app")
        #expect(plan.hostname == "hello")
        #expect(plan.mounts.contains(.bind(source: "/srv/bundle", target: "/app", options: .readOnly)))
        #expect(plan.mounts.contains(.bind(source: "/srv/data", target: "/data", options: [])))
        #expect(plan.mounts.contains(.processes(target: "/proc")))
        #expect(plan.resourceLimits.contains(ResourceLimit(.coreBytes, soft: 0)))
        #expect(try plan.encoded().count < RunPlan.maxBytes)
    }

    @Test func hostDirectoriesAreShownReadOnlyAndOnlyThoseThatProgramsNeed() throws {
        let plan = try plan(ReleaseSpec(command: .shell("x")))
        for mount in plan.mounts {
            guard case .bind(let source, let target, let options) = mount, target != "/data" else { continue }
            #expect(options.contains(.readOnly))
            let first = source.split(separator: "/").first ?? ""
            #expect(["usr", "opt", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "srv"].contains(first))
            #expect(source != "/etc" && source != "/")
        }
    }

    @Test func withoutABundleTheAppDirectoryIsEmptyAndReadOnly() throws {
        let plan = try plan(
            ReleaseSpec(command: .shell("x")), directories: AppDirectories(app: nil, data: "/srv/data"))
        #expect(
            plan.mounts.contains(.temporary(target: "/app", sizeBytes: 4_096, mode: 0o555, options: .noExecution)))
    }

    @Test func theAppsEnvironmentReplacesOnlyWhatItMay() throws {
        let own = [
            "HOME": "/data/home", "LANG": "de_DE.UTF-8", "PATH": "/app/bin", "PORT": "1", "PAAS_APP": "liar",
            "PAAS_INSTANCE": "liar", "PAAS_RELEASE": "liar", "USER": "root", "LOGNAME": "root", "SECRET": "s",
        ]
        let environment = try plan(ReleaseSpec(command: .shell("x"), env: own)).environment
        #expect(
            environment == [
                "HOME": "/data/home", "LANG": "de_DE.UTF-8", "PATH": "/app/bin", "TMPDIR": "/tmp", "PORT": "20001",
                "PAAS_APP": "hello", "PAAS_INSTANCE": "web.2", "PAAS_RELEASE": "v3", "PYTHONUNBUFFERED": "1",
                "USER": "app", "LOGNAME": "app", "SECRET": "s",
            ])
    }

    @Test(arguments: [NetworkMode.isolated, .egress])
    func networkModesThatAreNotBuiltAreRefused(mode: NetworkMode) throws {
        let error = try refusal(ReleaseSpec(command: .shell("x"), network: mode))
        #expect(error.code == .networkUnavailable)
        #expect(error.message.contains(mode.rawValue) && error.message.contains("--network host"))
    }

    @Test func hostNetworkAndTheNodesChoiceAreAccepted() throws {
        _ = try plan(ReleaseSpec(command: .shell("x"), network: .host))
        _ = try plan(ReleaseSpec(command: .shell("x"), network: nil))
    }

    @Test func strictIsRefusedUntilItIsBuilt() throws {
        let error = try refusal(ReleaseSpec(command: .shell("x"), sandbox: .strict))
        #expect(error.code == .profileUnavailable)
        #expect(error.message.contains("--sandbox standard"))
    }

    @Test func offNeedsTheOperatorAndStillHasItsOwnUser() throws {
        let spec = ReleaseSpec(command: .exec(["/bin/true"]), sandbox: .off)
        #expect(try refusal(spec).code == .profileForbidden)
        let plan = try plan(spec, allowOff: true)
        #expect(plan.namespaces.isEmpty && plan.mounts.isEmpty)
        #expect(plan.userID == 1_900_000_001)
        #expect(plan.workingDirectory == "/srv/bundle")
        #expect(plan.environment["HOME"] == "/srv/data")
    }

    @Test func aDiskLimitIsRefusedBecauseNothingWouldEnforceIt() throws {
        let error = try refusal(ReleaseSpec(command: .shell("x"), limits: Limits(diskBytes: 1 << 30)))
        #expect(error.code == .limitUnavailable)
        #expect(error.message.contains("--disk"))
    }

    @Test(arguments: [0, 1000, 65_534, 1_899_999_999, 1_901_000_000, UInt32.max])
    func onlyUserIDsOfTheRangeAreTaken(id: UInt32) {
        #expect(throws: SandboxError.self) { try plan(ReleaseSpec(command: .shell("x")), userID: id) }
    }

    @Test func hostsKeepTheHostsNamesAndNameTheAppItself() {
        let text = IdentityFiles.hosts(hostname: "hello", hostsOfTheHost: "10.0.0.1 database\n")
        #expect(text.hasPrefix("127.0.0.1 localhost hello\n::1 localhost"))
        #expect(text.hasSuffix("10.0.0.1 database\n"))
        #expect(!IdentityFiles.hosts(hostname: "h", hostsOfTheHost: "a\0b").utf8.contains(0))
        #expect(IdentityFiles.hosts(hostname: "h", hostsOfTheHost: String(repeating: "x", count: 70_000)).count < 200)
    }
}

// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import Sandbox

struct SandboxPlannerTests {
    private static let directories = AppDirectories(app: "/srv/bundle", data: "/srv/data")

    private func plan(
        _ spec: ReleaseSpec, allowOff: Bool = false, port: Int = 20_001, userID: UInt32 = 1_900_000_001,
        directories: AppDirectories = directories, networks: NetworkSupport = NetworkSupport(reasons: [:])
    ) throws -> RunPlan {
        var configuration = SandboxPlanner.Configuration()
        configuration.allowOff = allowOff
        configuration.networks = networks
        let assignment = Assignment(
            instanceID: "i-abcdefghijklmnopqrst", appID: "a-abcdefghijklmnopqrst",
            app: try AppName(validating: "hello"),
            slot: "web.2", release: "v3", spec: spec, desired: .running)
        return try SandboxPlanner(configuration: configuration).plan(
            assignment: assignment, port: port, userID: userID, directories: directories)
    }

    private func refusal(
        _ spec: ReleaseSpec, networks: NetworkSupport = NetworkSupport(reasons: [:])
    ) throws -> SandboxError {
        try #require(throws: SandboxError.self) { try plan(spec, networks: networks) }
    }

    @Test func standardConfinesByEveryNamespaceAndAUserOfItsOwn() throws {
        let plan = try plan(ReleaseSpec(command: .shell("./server")))
        #expect(plan.argumentVector == ["/bin/sh", "-c", "./server"])
        #expect(plan.namespaces == [.standard, .network])
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
    func aNetworkModeThatTheNodeDoesNotHaveIsRefusedWithTheReason(mode: NetworkMode) throws {
        let error = try refusal(
            ReleaseSpec(command: .shell("x"), network: mode), networks: NetworkSupport(reasons: [mode: "no luck"]))
        #expect(error.code == .networkUnavailable)
        #expect(error.message.contains("'\(mode.rawValue)': no luck; or deploy with --network host"))
    }

    @Test func withoutAWishTheStrictestNetworkIsTaken() throws {
        let spec = ReleaseSpec(command: .shell("x"), network: nil)
        let isolated = try plan(spec, port: 20_007)
        #expect(isolated.namespaces.contains(.network) && isolated.connectorPort == 20_007)
        let weaker = NetworkSupport(reasons: [.isolated: "x", .egress: "x"])
        let shared = try plan(spec, networks: weaker)
        #expect(!shared.namespaces.contains(.network) && shared.connectorPort == nil)
    }

    @Test func anAppOnTheHostsNetworkSeesItsNamesAndAnotherDoesNot() throws {
        func resolver(_ mode: NetworkMode) throws -> [Mount] {
            try plan(ReleaseSpec(command: .shell("x"), network: mode)).mounts.filter {
                $0.target == "/etc/resolv.conf"
            }
        }
        guard case .bind = try resolver(.host).first else { Issue.record("the host's file is not shown"); return }
        let isolated = try resolver(.isolated)
        #expect(
            isolated == [
                .file(target: "/etc/resolv.conf", contents: "# This app has no network but its own loopback.\n")
            ])
        #expect(try resolver(.egress) == [.file(target: "/etc/resolv.conf", contents: "nameserver 198.18.0.3\n")])
    }

    @Test func onlyEgressWaitsForItsWayOut() throws {
        for mode in NetworkMode.allCases {
            let plan = try plan(ReleaseSpec(command: .shell("x"), network: mode))
            #expect(plan.awaitsEgress == (mode == .egress))
            #expect(plan.namespaces.contains(.network) == (mode != .host))
        }
    }

    @Test func strictAllowsFewerSystemCallsAndNoFileThatTheAppWroteIsExecutable() throws {
        let strict = try plan(ReleaseSpec(command: .shell("x"), sandbox: .strict))
        let standard = try plan(ReleaseSpec(command: .shell("x")))
        #expect(strict.namespaces == [.standard, .network])
        #expect(strict.systemCallFilter != nil && standard.systemCallFilter != nil)
        #expect(strict.systemCallFilter != standard.systemCallFilter)
        #expect(strict.mounts.contains(.bind(source: "/srv/data", target: "/data", options: .noExecution)))
        #expect(
            strict.mounts.contains(
                .temporary(target: "/tmp", sizeBytes: 256 << 20, mode: 0o1777, options: .noExecution)))
    }

    @Test func offNeedsTheOperatorAndStillHasItsOwnUser() throws {
        let spec = ReleaseSpec(command: .exec(["/bin/true"]), sandbox: .off)
        #expect(try refusal(spec).code == .profileForbidden)
        let plan = try plan(spec, allowOff: true)
        #expect(plan.namespaces == .network && plan.mounts.isEmpty && plan.systemCallFilter == nil)
        #expect(plan.userID == 1_900_000_001)
        #expect(plan.workingDirectory == "/srv/bundle")
        #expect(plan.environment["HOME"] == "/srv/data")
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

struct SessionPlanTests {
    private func assignment(_ spec: ReleaseSpec) throws -> Assignment {
        Assignment(
            instanceID: "i-abcdefghijklmnopqrst", appID: "a-abcdefghijklmnopqrst",
            app: try AppName(validating: "hello"), slot: "web.1", release: "v1", spec: spec, desired: .running)
    }

    private func joining(_ spec: ReleaseSpec) throws -> RunPlan {
        try SandboxPlanner().joiningPlan(
            assignment: try assignment(spec), port: 20_001, userID: 1_900_000_001,
            directories: AppDirectories(app: nil, data: "/srv/data"))
    }

    @Test func aCommandBesideAnAppGetsTheAppsRulesAndNoMountsOfItsOwn() throws {
        let plan = try joining(ReleaseSpec(command: .exec(["id"]), env: ["A": "1"]))
        #expect(plan.joins && plan.mounts.isEmpty && plan.connectorPort == nil)
        #expect(plan.namespaces.isSuperset(of: .standard))
        #expect(plan.environment["A"] == "1" && plan.systemCallFilter != nil)
        #expect(try plan.encoded().count < RunPlan.maxBytes)
    }

    @Test func aCommandBesideAnAppMaySignalItAndKeepsEveryOtherRule() throws {
        guard SandboxProbe.landlockABI ?? 0 >= Landlock.scopeABI else { return }
        let plan = try joining(ReleaseSpec(command: .exec(["id"])))
        #expect(plan.landlock?.scopes == 1)
    }

    @Test func secretsAreVariablesAndFilesOfTheAppsUser() throws {
        var spec = ReleaseSpec(command: .shell("x"))
        spec.secrets = Dictionary(
            uniqueKeysWithValues: (0..<ReleaseSpec.maxSecrets).map { ("KEY_\($0)", SecretValue("v\($0)")) })
        let plan = try SandboxPlanner().plan(
            assignment: try assignment(spec), port: 20_001, userID: 1_900_000_001,
            directories: AppDirectories(app: nil, data: "/srv/data"))
        #expect(plan.environment["KEY_7"] == "v7")
        #expect(
            plan.mounts.contains(.file(target: "/run/secrets/KEY_7", contents: "v7", mode: 0o400, options: .owned)))
        #expect(try plan.encoded().count < RunPlan.maxBytes)
    }

    /// The smallest archive with one entry too many has to be counted, and those of most apps need not.
    @Test func onlyAnArchiveThatMayHaveTooManyEntriesIsCounted() throws {
        let header: Int64 = 512
        #expect(SandboxPlanner.mustBeCounted(archiveBytes: header * Int64(SandboxPlanner.maxArchiveEntries + 1)))
        #expect(!SandboxPlanner.mustBeCounted(archiveBytes: header * Int64(SandboxPlanner.maxArchiveEntries)))
        for (bytes, counts) in [(Int64(1) << 20, false), (1 << 30, true)] {
            let plan = try SandboxPlanner().unpackPlan(
                archive: "/tmp/a.tar", archiveBytes: bytes, destination: "/tmp/a", userID: UserIDs.range.lowerBound)
            #expect(plan.argumentVector.last?.contains("tar --list") == counts)
        }
    }
}

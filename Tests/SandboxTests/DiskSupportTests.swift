// SPDX-License-Identifier: Apache-2.0

import Glibc
import PaaSModel
import Testing

@testable import Sandbox

struct DiskSupportTests {
    private static let root = "CapEff:\t000001ffffffffff\n"
    private static let limited = ReleaseSpec(command: .shell("x"), limits: Limits(diskBytes: 1 << 30))

    private func support(
        isRootless: Bool = false, status: String = root, fileSystems: String = "nodev\tproc\n\text4\n",
        loopControl: Int32 = 0, missing: String? = nil
    ) -> DiskSupport {
        var facts = DiskSupport.Facts()
        facts.isRootless = isRootless
        facts.processStatus = status
        facts.fileSystems = fileSystems
        facts.loopControl = loopControl
        facts.hasProgram = { $0 != missing }
        return DiskSupport(facts)
    }

    private func refusal(_ spec: ReleaseSpec, _ support: DiskSupport, hasImage: Bool = false) throws -> String {
        let error = try #require(throws: SandboxError.self) { try support.check(spec, hasImage: hasImage) }
        #expect(error.code == .limitUnavailable)
        return error.message
    }

    @Test func nodeWithEverythingHasNoObstacle() throws {
        #expect(support().obstacle == nil)
        #expect(support().growsWhileMounted)
        try support().check(Self.limited, hasImage: false)
    }

    @Test func whatIsMissingIsSaidWithItsRemedy() {
        #expect(support(isRootless: true).obstacle?.contains("run the agent as root of the machine") == true)
        #expect(support(status: "CapEff:\t0\n").obstacle?.contains("CAP_SYS_ADMIN") == true)
        #expect(support(fileSystems: "\text4dev\n").obstacle?.contains("modprobe ext4") == true)
        #expect(support(loopControl: ENOENT).obstacle?.contains("modprobe loop") == true)
        #expect(support(loopControl: EPERM).obstacle?.contains("DeviceAllow=") == true)
        #expect(support(missing: "mke2fs").obstacle?.contains("apt-get install e2fsprogs") == true)
        #expect(support(missing: "resize2fs").toolObstacle?.contains("resize2fs is not installed") == true)
    }

    @Test func withoutCapSysResourceAFileSystemGrowsOnlyUnmounted() {
        let support = support(status: "CapEff:\t000001fffeffffff\n")
        #expect(support.obstacle == nil && !support.growsWhileMounted)
    }

    @Test func aLimitIsRefusedWhereNothingWouldEnforceIt() throws {
        let message = try refusal(Self.limited, support(loopControl: ENOENT))
        #expect(message.contains("modprobe loop") && message.contains("deploy without --disk"))
        try support(loopControl: ENOENT).check(ReleaseSpec(command: .shell("x")), hasImage: false)
    }

    @Test func anImageThatIsThereIsNeverLeftOut() throws {
        let spec = ReleaseSpec(command: .shell("x"))
        #expect(try refusal(spec, support(loopControl: ENOENT), hasImage: true).contains("modprobe loop"))
        // Mounting it needs none of the programs.
        try support(missing: "mke2fs").check(Self.limited, hasImage: true)
    }

    @Test func sandboxOffHasNoViewForIt() throws {
        var spec = Self.limited
        spec.sandbox = .off
        #expect(try refusal(spec, support()).contains("--sandbox standard"))
        spec.limits = Limits()
        #expect(try refusal(spec, support(), hasImage: true).contains("--sandbox standard"))
        try support().check(spec, hasImage: false)
    }

    private func plan(_ spec: ReleaseSpec, disk: AppDirectories.Disk?) throws -> RunPlan {
        var configuration = SandboxPlanner.Configuration()
        configuration.disks = support()
        let assignment = Assignment(
            instanceID: "i-abcdefghijklmnopqrst", appID: "a-abcdefghijklmnopqrst",
            app: try AppName(validating: "hello"),
            slot: "web.1", release: "v1", spec: spec, desired: .running)
        return try SandboxPlanner(configuration: configuration).plan(
            assignment: assignment, port: 20_001, userID: InitRun.userID,
            directories: AppDirectories(app: nil, data: "/srv/data", disk: disk))
    }

    @Test func theImageTakesTheDirectorysPlaceInTheView() throws {
        var spec = Self.limited
        let disk = AppDirectories.Disk(image: "/srv/disk", growingTo: 1 << 30)
        let mount = Mount.disk(image: "/srv/disk", target: "/data", growingTo: 1 << 30)
        let standard = try plan(spec, disk: disk)
        #expect(standard.mounts.filter { $0.target == "/data" } == [mount])
        #expect(try standard.encoded().count < RunPlan.maxBytes)
        spec.sandbox = .strict
        let strict = try plan(spec, disk: disk).mounts.filter { $0.target == "/data" }
        #expect(
            strict == [.disk(image: "/srv/disk", target: "/data", growingTo: 1 << 30, options: .noExecution)])
    }

    @Test func withoutItsImageAReleaseWithALimitGetsNoDirectoryInstead() {
        #expect(throws: SandboxError.self) { try plan(Self.limited, disk: nil) }
    }

    @Test(arguments: [
        (ENOENT, "modprobe"), (EPERM, "CAP_SYS_RESOURCE"), (EUCLEAN, "e2fsck"), (ENOSPC, "No space left"),
    ])
    func aMountThatFailsSaysWhatToDo(errno: Int32, advice: String) {
        let failure = StartFailure(stage: .mountDisk, errno: errno, detail: "/srv/disk")
        #expect(failure.description.contains("/srv/disk") && failure.description.contains(advice))
        #expect(!failure.isPermanent)
    }
}

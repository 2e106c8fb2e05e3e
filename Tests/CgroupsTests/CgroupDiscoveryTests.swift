// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Cgroups

struct CgroupDiscoveryTests {
    private static let unified = """
        22 27 0:21 / /proc rw,relatime - proc proc rw
        31 23 0:28 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
        """
    private static let hybrid = """
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:3 master:1 - cgroup cgroup rw,memory
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
        """
    private static let own = "9:name=systemd:/\n4:memory:/process_api/x\n0::/system.slice/agent.service\n"

    @Test func unifiedMachineIsUnified() throws {
        let found = try CgroupDiscovery(mountInfo: Self.unified, ownCgroups: "0::/system.slice/agent.service\n")
        #expect(found.mode == .unified)
        #expect(found.mountPoint == "/sys/fs/cgroup")
        #expect(found.ownDirectory == "/sys/fs/cgroup/system.slice/agent.service")
        #expect(found.defaultRoot == "/sys/fs/cgroup/system.slice/agent.service/paas.slice")
    }

    @Test func hybridMachineIsHybridAndTellsWhoHoldsAController() throws {
        let found = try CgroupDiscovery(mountInfo: Self.hybrid, ownCgroups: Self.own)
        #expect(found.mode == .hybrid)
        #expect(found.mountPoint == "/sys/fs/cgroup/unified")
        #expect(found.ownDirectory == "/sys/fs/cgroup/unified/system.slice/agent.service")
        #expect(found.mounts.legacyMountPoint(of: "memory") == "/sys/fs/cgroup/memory")
        #expect(found.mounts.legacyMountPoint(of: "cpu") == "/sys/fs/cgroup/cpu,cpuacct")
        #expect(found.mounts.legacyMountPoint(of: "pids") == nil)
    }

    @Test func aTreeMountedElsewhereIsFound() throws {
        let found = try CgroupDiscovery(
            mountInfo: "41 31 0:38 / /mnt/my\\040cgroups rw - cgroup2 none rw", ownCgroups: "0::/\n")
        #expect(found.mode == .unified)
        #expect(found.ownDirectory == "/mnt/my cgroups")
        #expect(found.defaultRoot == "/mnt/my cgroups/paas.slice")
    }

    @Test func aTreeUnderAnotherMountIsNotUsed() {
        let shadowed = Self.unified + "\n50 23 0:50 / /sys/fs/cgroup rw - tmpfs tmpfs rw"
        #expect(throws: CgroupError.self) { try CgroupDiscovery(mountInfo: shadowed, ownCgroups: "0::/\n") }
    }

    @Test func anAgentStartedAgainInItsLeafUsesTheSameRoot() throws {
        let found = try CgroupDiscovery(mountInfo: Self.unified, ownCgroups: "0::/paas/supervisor\n")
        #expect(found.defaultRoot == "/sys/fs/cgroup/paas/paas.slice")
    }

    @Test func aContainersSubtreeIsMappedToItsMount() throws {
        let mounts = "31 23 0:28 /docker/abc /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw"
        let found = try CgroupDiscovery(mountInfo: mounts, ownCgroups: "0::/docker/abc/inner\n")
        #expect(found.ownDirectory == "/sys/fs/cgroup/inner")
        #expect(throws: CgroupError.self) { try CgroupDiscovery(mountInfo: mounts, ownCgroups: "0::/docker/abcd\n") }
    }

    @Test func noUnifiedTreeIsRefusedWithWhatToDo() throws {
        let error = try #require(throws: CgroupError.self) {
            try CgroupDiscovery(
                mountInfo: "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", ownCgroups: Self.own)
        }
        #expect(error.code == .unavailable)
        #expect(error.message.contains("systemd.unified_cgroup_hierarchy=1"))
        #expect(error.message.contains("mount -t cgroup2"))
    }

    @Test(arguments: ["", "1:name=systemd:/\n", "0::\n", "0::relative\n", "0::/gone (deleted)\n", "0::/../other\n"])
    func aUselessOwnCgroupIsRefused(text: String) {
        #expect(throws: CgroupError.self) { try CgroupDiscovery.unifiedPath(in: text) }
    }

    @Test(arguments: ["", "garbage", "1 2 3:4 / /x rw", "1 2 3:4 / /x rw -", "1 2 3:4 / /x rw - cgroup2", "- - - - -"])
    func malformedMountLinesAreSkipped(text: String) {
        #expect(MountTable(mountInfo: text).entries.isEmpty)
    }

    @Test func octalEscapesAreUndone() {
        #expect(MountTable.unescaped("/a\\040b\\134c\\011") == "/a b\\c\t")
        #expect(MountTable.unescaped("/a\\04") == "/a\\04")
        #expect(MountTable.unescaped("/a\\089") == "/a\\089")
    }
}

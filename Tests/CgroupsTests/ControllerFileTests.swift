// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import Testing

@testable import Cgroups

/// Controllers on directories that look like a cgroup's: what is written, and what is made of what is read.
struct ControllerFileTests {
    @Test func flatKeyedFileIsStrict() {
        #expect(FlatKeyedFile("usage_usec 12\nuser_usec 0\n")?["usage_usec"] == 12)
        #expect(FlatKeyedFile("")?["usage_usec"] == nil)
        for text in ["usage_usec", "usage_usec 1 2\n", "usage_usec x\n", "a 1\na 2\n", " 1\n", "a -1\n", "a  1\n"] {
            #expect(FlatKeyedFile(text) == nil, "\(text)")
        }
    }

    @Test func cpuLimitIsAQuotaOfTheKernelsPeriod() {
        #expect(CPUController.maximum(cores: 0.5) == "50000 100000")
        #expect(CPUController.maximum(cores: 2) == "200000 100000")
        #expect(CPUController.maximum(cores: 0.01) == "1000 100000")
    }

    @Test func swapIsSeenInItsTable() {
        #expect(!MemoryController.hasSwap("Filename\tType\tSize\n"))
        #expect(MemoryController.hasSwap("Filename\tType\tSize\n/swap file 1024\n"))
    }

    @Test func limitsAreWrittenToTheirFiles() throws {
        let fixture = try FixtureDirectory([
            "memory.max": "max\n", "memory.swap.max": "max\n", "memory.oom.group": "0\n", "cpu.max": "max 100000\n",
            "pids.max": "max\n",
        ])
        defer { fixture.remove() }
        try CgroupLimits(memoryBytes: 33_554_432, cpuCores: 0.25, processes: 64).apply(to: fixture.cgroup)
        #expect(fixture.text("memory.max")?.hasPrefix("33554432") == true)
        #expect(fixture.text("memory.swap.max")?.hasPrefix("0") == true)
        #expect(fixture.text("memory.oom.group")?.hasPrefix("1") == true)
        #expect(fixture.text("cpu.max")?.hasPrefix("25000 100000") == true)
        #expect(fixture.text("pids.max")?.hasPrefix("64") == true)
    }

    @Test func everyLimitIsWrittenToItsFile() throws {
        let fixture = try FixtureDirectory([
            "memory.high": "max\n", "cpu.max": "max 100000\n", "cpu.max.burst": "0\n", "io.max": "\n",
            "cpu.weight": "100\n", "io.weight": "default 100\n",
        ])
        defer { fixture.remove() }
        var limits = CgroupLimits(cpuCores: 0.5)
        limits.memoryHighBytes = 1 << 20
        limits.cpuBurstCores = 0.25
        limits.io.readBytes = 1 << 20
        limits.io.writes = 50
        (limits.cpuWeight, limits.ioWeight) = (300, 20)
        try limits.apply(to: fixture.cgroup, disks: [Disk(name: "vda", number: "254:0")])
        try limits.applyWeights(to: fixture.cgroup)
        #expect(fixture.text("memory.high")?.hasPrefix("1048576") == true)
        #expect(fixture.text("cpu.max")?.hasPrefix("50000 100000") == true)
        #expect(fixture.text("cpu.max.burst")?.hasPrefix("25000") == true)
        #expect(fixture.text("io.max") == "254:0 rbps=1048576 wbps=max riops=max wiops=50")
        #expect(fixture.text("cpu.weight")?.hasPrefix("300") == true)
        #expect(fixture.text("io.weight")?.hasPrefix("default 20") == true)
    }

    @Test func aChangeFreesWhatIsNotLimitedAnyMore() throws {
        let fixture = try FixtureDirectory([
            "memory.max": "1048576", "memory.high": "1048576", "memory.swap.max": "0", "cpu.max": "50000 100000",
            "cpu.max.burst": "50000", "pids.max": "9", "io.max": "", "cpu.weight": "300",
        ])
        defer { fixture.remove() }
        try CgroupLimits().apply(
            to: fixture.cgroup, replacing: true, disks: [Disk(name: "vda", number: "254:0")])
        try CgroupLimits().applyWeights(to: fixture.cgroup)
        for name in ["memory.max", "memory.high", "memory.swap.max", "cpu.max", "pids.max"] {
            #expect(fixture.text(name)?.hasPrefix("max") == true, "\(name)")
        }
        #expect(fixture.text("cpu.max.burst")?.hasPrefix("0") == true)
        #expect(fixture.text("cpu.weight")?.hasPrefix("100") == true)
        #expect(fixture.text("io.max") == "254:0 rbps=max wbps=max riops=max wiops=max")
    }

    @Test func onlyWholeDisksAreLimited() throws {
        let fixture = try FixtureDirectory([
            "vda/dev": "254:0\n", "vda/size": "2048\n", "loop0/dev": "7:0\n", "loop0/size": "8\n",
            "sr0/dev": "11:0\n", "sr0/size": "0\n", "broken/size": "8\n",
        ])
        defer { fixture.remove() }
        #expect(Disk.all(below: fixture.path) == [Disk(name: "vda", number: "254:0")])
        #expect(Disk.all(below: fixture.path + "/nowhere").isEmpty)
    }

    @Test func ioWeightNeedsTheKernelsCostModel() {
        #expect(IOController.weightObstacle(qos: nil) != nil)
        #expect(IOController.weightObstacle(qos: "")?.contains("io.cost.qos") == true)
        #expect(IOController.weightObstacle(qos: "254:0 enable=0 ctrl=auto\n") != nil)
        #expect(IOController.weightObstacle(qos: "254:0 enable=1 ctrl=auto\n") == nil)
    }

    @Test func theReserveIsKeptFromTheRootWhereItCanBe() throws {
        let fixture = try FixtureDirectory(["memory.max": "max\n"])
        defer { fixture.remove() }
        let ceilings = try NodeCeilings.putInForce(
            NodeReserve(memoryBytes: (64 << 20) + 1, processes: 256), on: fixture.cgroup,
            missing: ["pids": "v1 holds it"])
        // The kernel would round this down to whole pages.
        let total = try #require(NodeReserve.machineMemoryBytes) - 4_096
        #expect(ceilings.memoryBytes == total - 64 << 20)
        #expect(fixture.text("memory.max") == "\(total - 64 << 20)")
        #expect(ceilings.processes == nil)
        #expect(ceilings.missing == ["pids": "v1 holds it"])
    }

    @Test func groupKillIsSetWithoutALimitWhereItExists() throws {
        let fixture = try FixtureDirectory(["memory.oom.group": "0\n"])
        defer { fixture.remove() }
        try CgroupLimits().apply(to: fixture.cgroup)
        #expect(fixture.text("memory.oom.group")?.hasPrefix("1") == true)
        let other = try FixtureDirectory([:])
        defer { other.remove() }
        try CgroupLimits().apply(to: other.cgroup)
    }

    @Test func aLimitWithoutItsFileIsAnError() throws {
        let fixture = try FixtureDirectory([:])
        defer { fixture.remove() }
        for limits in [CgroupLimits(memoryBytes: 1 << 20), CgroupLimits(cpuCores: 1), CgroupLimits(processes: 1)] {
            #expect(throws: CgroupError.self) { try limits.apply(to: fixture.cgroup) }
        }
    }

    private func statistics(_ files: [String: String]) throws -> RunStatistics {
        let fixture = try FixtureDirectory(files)
        defer { fixture.remove() }
        return try RunStatistics(of: fixture.cgroup)
    }

    @Test func statisticsWithEveryController() throws {
        let statistics = try statistics(
            [
                "cpu.stat":
                    "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 9\nnr_throttled 4\nthrottled_usec 7\n",
                "memory.current": "4096\n", "memory.peak": "8192\n", "memory.max": "65536\n",
                "memory.events": "low 0\nhigh 5\nmax 3\noom 1\noom_kill 2\noom_group_kill 1\n",
                "pids.current": "1\n", "pids.peak": "5\n", "pids.events": "max 6\n",
                "io.stat":
                    "8:0 \n259:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0 cost.usage=1.5\n",
                "cpu.pressure": Self.pressure, "memory.pressure": Self.pressure, "io.pressure": Self.pressure,
            ])
        #expect(statistics.cpu.usage == .microseconds(1_500))
        #expect(statistics.cpu.throttling?.throttled == .microseconds(7))
        #expect(statistics.cpu.throttling?.periods == 9)
        #expect(statistics.cpu.throttling?.throttledPeriods == 4)
        #expect(statistics.memoryBytes == 4_096)
        #expect(statistics.memoryPeakBytes == 8_192)
        #expect(statistics.memoryLimitBytes == 65_536)
        #expect(statistics.outOfMemoryKills == 2)
        #expect(statistics.memoryEvents == MemoryEvents(high: 5, max: 3, outOfMemory: 1, kills: 2))
        #expect(statistics.processes == 1)
        #expect(statistics.processesPeak == 5)
        #expect(statistics.forksRefused == 6)
        #expect(statistics.io == IOStatistics(readBytes: 11, writtenBytes: 22, reads: 4, writes: 6))
        #expect(statistics.pressure.memory?.some.average10 == 1.5)
        #expect(statistics.pressure.memory?.some.total == .microseconds(900))
        #expect(statistics.pressure.io?.full?.average300 == 0.25)
    }

    private static let pressure = """
        some avg10=1.50 avg60=0.75 avg300=0.30 total=900
        full avg10=1.00 avg60=0.50 avg300=0.25 total=700

        """

    @Test func noLimitIsNil() throws {
        let file = KernelFile(path: "memory.max", text: "max\n")
        #expect(try file.limit() == nil)
    }

    @Test func pressureOfTheNodeIsReadWhereTheKernelCountsIt() throws {
        let pressures = try Pressures.ofNode()
        #expect((pressures.cpu != nil) == (ProcFS.text(of: "/proc/pressure/cpu")?.isEmpty == false))
    }

    @Test func whatTheMachineDoesNotCountIsNilAndNotZero() throws {
        let statistics = try statistics(["cpu.stat": "usage_usec 1\nuser_usec 1\nsystem_usec 0\n"])
        #expect(statistics.cpu.throttling == nil)
        #expect(statistics.memoryBytes == nil)
        #expect(statistics.memoryPeakBytes == nil)
        #expect(statistics.outOfMemoryKills == nil)
        #expect(statistics.processesPeak == nil)
        #expect(statistics.io == nil)
        #expect(statistics.pressure.cpu == nil)
    }

    @Test(arguments: [
        ("cpu.stat", ""), ("cpu.stat", "user_usec 1\nsystem_usec 0\n"), ("memory.peak", "max\n"), ("memory.peak", ""),
        ("cpu.stat", "usage_usec 1\nuser_usec 1\nsystem_usec 0\nnr_periods 1\n"),
        ("memory.current", "12"), ("memory.events", "low 0\n"), ("memory.max", "maximum\n"), ("pids.peak", "-1\n"),
        ("pids.events", "min 1\n"), ("io.stat", "rbytes=1\n"), ("io.stat", "8:0 rbytes=1 wbytes=2 rios=3\n"),
        ("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=x\n"), ("io.stat", "8:0 rbytes\n"),
        ("cpu.pressure", "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"),
        ("cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00\n"),
        ("io.pressure", "some avg10=x avg60=0.00 avg300=0.00 total=0\n"), ("memory.pressure", ""),
        ("memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=-1\n"),
    ])
    func aMalformedFileIsAnErrorAndNotZero(name: String, text: String) throws {
        var files = ["cpu.stat": "usage_usec 1\nuser_usec 1\nsystem_usec 0\n"]
        files[name] = text
        let fixture = try FixtureDirectory(files)
        defer { fixture.remove() }
        let error = try #require(throws: CgroupError.self) { try RunStatistics(of: fixture.cgroup) }
        #expect(error.code == .malformedFile)
        #expect(error.message.contains(name))
    }

    @Test func controllersAreEnabledOneByOneAndTheRestIsExplained() throws {
        let fixture = try FixtureDirectory([
            "cgroup.controllers": "cpu pids hugetlb\n", "cgroup.subtree_control": "pids\n",
            "paas.slice/cgroup.controllers": "cpu pids\n", "paas.slice/cgroup.subtree_control": "\n",
        ])
        defer { fixture.remove() }
        let discovery = try CgroupDiscovery(
            mountInfo:
                "1 0 0:1 / \(fixture.path) rw - cgroup2 none rw\n2 0 0:2 / /v1/memory rw - cgroup none rw,memory",
            ownCgroups: "0::/elsewhere\n")
        let tree = try CgroupTree.prepare(root: fixture.path + "/paas.slice", discovery: discovery)
        #expect(tree.mode == .hybrid)
        #expect(tree.controllers == ["cpu", "pids"])
        #expect(Set(tree.missing.keys) == ["io", "memory"])
        #expect(tree.missing["memory"]?.contains("cgroup v1 holds it at /v1/memory") == true)
        #expect(fixture.text("cgroup.subtree_control")?.hasPrefix("+cpu") == true)
        #expect(fixture.text("paas.slice/cgroup.subtree_control") == "+pids")
        #expect(tree.summary[0].contains("hybrid") && tree.summary[0].contains("cpu, pids"))
        #expect(tree.summary.count == 3)
    }

    @Test func aRootOutsideTheTreeIsRefused() throws {
        let discovery = try CgroupDiscovery(
            mountInfo: "1 0 0:1 / /sys/fs/cgroup rw - cgroup2 none rw", ownCgroups: "0::/\n")
        for root in ["/tmp/x", "/sys/fs/cgroup", "/sys/fs/cgroup/../x", "/sys/fs/cgroups/x", "/sys/fs/cgroup/x/"] {
            let error = try #require(throws: CgroupError.self) {
                try CgroupTree.prepare(root: root, discovery: discovery)
            }
            #expect(error.code == .invalidName)
        }
    }

    @Test func aLimitWithoutItsControllerIsRefusedBeforeAnythingIsMade() throws {
        let fixture = try FixtureDirectory([:])
        defer { fixture.remove() }
        let tree = CgroupTree(
            mode: .hybrid, root: fixture.path, controllers: ["cpu"], missing: ["memory": "cgroup v1 holds it"])
        let error = try #require(throws: CgroupError.self) {
            try tree.makeRun(app: "hello", run: "r1", limits: CgroupLimits(memoryBytes: 1 << 20, cpuCores: 1))
        }
        #expect(error.code == .controllerMissing)
        #expect(error.message.contains("--memory") && error.message.contains("cgroup v1 holds it"))
        #expect(access(fixture.path + "/paas-hello.slice", F_OK) != 0)
    }

    @Test(arguments: ["", ".", "..", "a/b", "cgroup.procs", "memory.max", "a b", String(repeating: "x", count: 201)])
    func namesThatAreNotACgroupsAreRefused(name: String) throws {
        let fixture = try FixtureDirectory([:])
        defer { fixture.remove() }
        let tree = CgroupTree(mode: .unified, root: fixture.path, controllers: [], missing: [:])
        for names in [(name, "run"), ("app", name)] {
            let error = try #require(throws: CgroupError.self) {
                try tree.makeRun(app: names.0, run: names.1, limits: CgroupLimits())
            }
            #expect(error.code == .invalidName)
        }
    }
}

/// A directory with files.
final class FixtureDirectory {
    let path: String
    private let files: [String]
    let cgroup: CgroupDirectory

    init(_ contents: [String: String]) throws {
        var template = Array("/tmp/cgroups-test-XXXXXX".utf8CString)
        let made: String? = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        path = try #require(made)
        files = Array(contents.keys)
        for (name, text) in contents {
            if let slash = name.firstIndex(of: "/") { mkdir("\(path)/\(name[..<slash])", 0o755) }
            let file = try OwnedDescriptor.open("\(path)/\(name)", O_WRONLY | O_CREAT)
            try file.writeAll(Array(text.utf8))
        }
        cgroup = try CgroupDirectory(path: path)
    }

    func text(_ name: String) -> String? { ProcFS.text(of: "\(path)/\(name)") }

    func remove() {
        for name in files { unlink("\(path)/\(name)") }
        for child in (try? cgroup.children()) ?? [] { rmdir("\(path)/\(child)") }
        rmdir(path)
    }
}

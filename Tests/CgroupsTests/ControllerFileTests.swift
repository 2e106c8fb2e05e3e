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
                "cpu.stat": "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 1\nthrottled_usec 7\n",
                "memory.current": "4096\n", "memory.peak": "8192\n",
                "memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n", "pids.current": "1\n", "pids.peak": "5\n",
            ])
        #expect(statistics.cpu.usage == .microseconds(1_500))
        #expect(statistics.cpu.throttled == .microseconds(7))
        #expect(statistics.memoryBytes == 4_096)
        #expect(statistics.memoryPeakBytes == 8_192)
        #expect(statistics.outOfMemoryKills == 2)
        #expect(statistics.processes == 1)
        #expect(statistics.processesPeak == 5)
    }

    @Test func whatTheMachineDoesNotCountIsNilAndNotZero() throws {
        let statistics = try statistics(["cpu.stat": "usage_usec 1\nuser_usec 1\nsystem_usec 0\n"])
        #expect(statistics.cpu.throttled == nil)
        #expect(statistics.memoryBytes == nil)
        #expect(statistics.memoryPeakBytes == nil)
        #expect(statistics.outOfMemoryKills == nil)
        #expect(statistics.processesPeak == nil)
    }

    @Test(arguments: [
        ("cpu.stat", ""), ("cpu.stat", "user_usec 1\nsystem_usec 0\n"), ("memory.peak", "max\n"), ("memory.peak", ""),
        ("memory.current", "12"), ("memory.events", "low 0\n"), ("pids.peak", "-1\n"),
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

// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import Testing

@testable import Cgroups

/// Real cgroups of the kernel, below a root of the test's own.
@Suite(.enabled(if: LiveTree.isPossible, "needs a cgroup v2 tree that this user may write to"))
struct RunCgroupTests {
    @Test func aRunIsPopulatedWhileItsProcessLivesAndEmptyAfterKill() throws {
        let live = try LiveTree()
        defer { live.remove() }
        let run = try live.tree.makeRun(app: "hello", run: "r1", limits: CgroupLimits())
        #expect(run.path == live.tree.root + "/paas-hello.slice/r1")
        #expect(try !run.isPopulated())
        let events = try run.eventsDescriptor()
        let process = try live.spawn("sleep 1000 & sleep 1000", in: run)
        #expect(try run.isPopulated())
        try LiveTree.waitUntil(events) { try run.processIDs().count == 3 || !run.isPopulated() }
        #expect(try run.processIDs().contains(process.pid))
        let error = try #require(throws: CgroupError.self) { try run.remove() }
        #expect(error.code == .busy)

        try run.kill()
        try LiveTree.waitUntil(events) { try !run.isPopulated() }
        #expect(try run.processIDs().isEmpty)
        live.reap(process)
        try run.remove()
        #expect(access(run.path, F_OK) != 0)
        try run.remove()
        #expect(try live.tree.removeSlice(app: "hello"))
    }

    /// Its events could not be read any more, and the end of the run was waited for for ever.
    @Test func aRunThatSomebodyElseRemovedIsEmpty() throws {
        let live = try LiveTree()
        defer { live.remove() }
        let run = try live.tree.makeRun(app: "gone", run: "r1", limits: CgroupLimits())
        #expect(!run.isRemoved)
        try #require(rmdir(run.path) == 0)
        #expect(run.isRemoved)
        #expect(try !run.isPopulated())
        // One of the same name is another one.
        let other = try live.tree.makeRun(app: "gone", run: "r1", limits: CgroupLimits())
        #expect(run.isRemoved && !other.isRemoved)
        try other.remove()
    }

    @Test func aDaemonThatForkedTwiceIsStillInTheRun() throws {
        let live = try LiveTree()
        defer { live.remove() }
        let run = try live.tree.makeRun(app: "daemon", run: "r1", limits: CgroupLimits())
        let events = try run.eventsDescriptor()
        let process = try live.spawn("(setsid sleep 1000 &)", in: run)
        live.reap(process)
        #expect(try run.isPopulated())
        try run.kill()
        try LiveTree.waitUntil(events) { try !run.isPopulated() }
        try run.remove()
    }

    @Test func frozenProcessesDieByKill() throws {
        let live = try LiveTree()
        defer { live.remove() }
        let run = try live.tree.makeRun(app: "frozen", run: "r1", limits: CgroupLimits())
        let events = try run.eventsDescriptor()
        let process = try live.spawn("sleep 1000", in: run)
        try run.freeze()
        try LiveTree.waitUntil(events) { ProcFS.text(of: run.path + "/cgroup.events")?.contains("frozen 1") == true }
        try run.thaw()
        try LiveTree.waitUntil(events) { ProcFS.text(of: run.path + "/cgroup.events")?.contains("frozen 0") == true }
        try run.freeze()
        try run.kill()
        try LiveTree.waitUntil(events) { try !run.isPopulated() }
        live.reap(process)
    }

    @Test func cpuTimeOfProcessesThatEndedIsCounted() throws {
        let live = try LiveTree()
        defer { live.remove() }
        let run = try live.tree.makeRun(app: "busy", run: "r1", limits: CgroupLimits())
        live.reap(try live.spawn("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done", in: run))
        let statistics = try run.statistics()
        #expect(statistics.cpu.usage > .zero)
        #expect((statistics.memoryPeakBytes != nil) == (access(run.path + "/memory.peak", F_OK) == 0))
        #expect((statistics.pressure.cpu != nil) == (access(run.path + "/cpu.pressure", F_OK) == 0))
        #expect((statistics.memoryEvents != nil) == (try run.memoryEventsDescriptor() != nil))
    }

    @Test func keptDescriptorsReadTheSameAsAFreshLookAndFailAfterTheRun() throws {
        let live = try LiveTree()
        defer { live.remove() }
        let run = try live.tree.makeRun(app: "kept", run: "r1", limits: CgroupLimits())
        let reader = try RunStatisticsReader(run)
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: RunStatisticsReader.bufferBytes, alignment: 16)
        defer { buffer.deallocate() }
        let before = try reader.read(buffer)
        live.reap(try live.spawn("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done", in: run))
        let after = try reader.read(buffer)
        #expect(after.cpu.usage > before.cpu.usage)
        let fresh = try run.statistics()
        #expect(fresh.cpu == after.cpu)
        #expect(fresh.processesPeak == after.processesPeak)
        #expect((fresh.memoryBytes == nil) == (after.memoryBytes == nil))
        #expect((fresh.pressure.io == nil) == (after.pressure.io == nil))
        try run.remove()
        #expect(throws: CgroupError.self) { try reader.read(buffer) }
        #expect(throws: CgroupError.self) { try RunStatisticsReader(run) }
    }

    @Test func limitsOfALiveRunChangeOrStayAsTheyWere() throws {
        let live = try LiveTree()
        defer { live.remove() }
        guard live.tree.missing.isEmpty else {
            let run = try live.tree.makeRun(app: "live", run: "r1", limits: CgroupLimits())
            let error = try #require(throws: CgroupError.self) {
                try live.tree.change(
                    run, app: "live", from: CgroupLimits(), to: CgroupLimits(memoryBytes: 64 << 20, processes: 9))
            }
            #expect(error.code == .controllerMissing)
            return
        }
        let first = CgroupLimits(memoryBytes: 64 << 20, cpuCores: 0.5, processes: 32)
        let run = try live.tree.makeRun(app: "live", run: "r1", limits: first)
        var second = CgroupLimits(memoryBytes: 128 << 20, cpuCores: 1)
        second.cpuBurstCores = 0.5
        second.cpuWeight = 300
        try live.tree.change(run, app: "live", from: first, to: second)
        #expect(ProcFS.text(of: run.path + "/memory.max") == "134217728\n")
        #expect(ProcFS.text(of: run.path + "/cpu.max") == "100000 100000\n")
        #expect(ProcFS.text(of: run.path + "/cpu.max.burst") == "50000\n")
        #expect(ProcFS.text(of: run.path + "/pids.max") == "max\n")
        #expect(ProcFS.text(of: live.tree.root + "/paas-live.slice/cpu.weight") == "300\n")
        // The kernel refuses a burst above the quota; nothing of that set may stay.
        var refused = CgroupLimits(memoryBytes: 32 << 20, cpuCores: 0.5)
        refused.cpuBurstCores = 1
        #expect(throws: CgroupError.self) { try live.tree.change(run, app: "live", from: second, to: refused) }
        #expect(ProcFS.text(of: run.path + "/memory.max") == "134217728\n")
        #expect(ProcFS.text(of: run.path + "/cpu.max") == "100000 100000\n")
        #expect(ProcFS.text(of: run.path + "/cpu.max.burst") == "50000\n")
    }

    @Test func aRunIsOpenedAgainByItsPathAndToldFromItsSuccessor() throws {
        let live = try LiveTree()
        defer { live.remove() }
        let run = try live.tree.makeRun(app: "hello", run: "r1", limits: CgroupLimits())
        #expect(try RunCgroup.existing(path: run.path).inode == run.inode)
        #expect(try live.tree.existingRuns() == [run.path])
        try run.remove()
        #expect(throws: CgroupError.self) { try RunCgroup.existing(path: run.path) }
        let successor = try live.tree.makeRun(app: "hello", run: "r1", limits: CgroupLimits())
        #expect(successor.inode != run.inode)
        // The old object never touches the new cgroup.
        #expect(try !run.isPopulated())
        #expect(throws: CgroupError.self) { try run.kill() }
    }

    @Test func onlySlicesWithoutARunAreRemovedAsStale() throws {
        let live = try LiveTree()
        defer { live.remove() }
        let run = try live.tree.makeRun(app: "kept", run: "r1", limits: CgroupLimits())
        let (stale, foreign) = (live.tree.root + "/paas-stale.slice", live.tree.root + "/other")
        try #require(mkdir(stale, 0o755) == 0 && mkdir(foreign, 0o755) == 0)
        try live.tree.removeEmptySlices()
        #expect(access(stale, F_OK) != 0)
        #expect(access(foreign, F_OK) == 0)
        #expect(try !run.isPopulated())
    }

    @Test func aRunIsNeverMadeTwice() throws {
        let live = try LiveTree()
        defer { live.remove() }
        let run = try live.tree.makeRun(app: "hello", run: "r1", limits: CgroupLimits())
        #expect(throws: CgroupError.self) { try live.tree.makeRun(app: "hello", run: "r1", limits: CgroupLimits()) }
        #expect(try !live.tree.removeSlice(app: "hello"))
        #expect(try !run.isPopulated())
    }

    @Test func cgroupsThatTheAppMadeGoWithTheRun() throws {
        let live = try LiveTree()
        defer { live.remove() }
        let run = try live.tree.makeRun(app: "nested", run: "r1", limits: CgroupLimits())
        try #require(mkdir(run.path + "/a", 0o755) == 0)
        try #require(mkdir(run.path + "/a/b", 0o755) == 0)
        let inner = try RunCgroup.existing(path: run.path + "/a/b")
        let events = try run.eventsDescriptor()
        let process = try live.spawn("exec sleep 1000", in: inner)
        #expect(try run.processIDs() == [process.pid])
        #expect(throws: CgroupError.self) { try run.remove() }
        try run.kill()
        try LiveTree.waitUntil(events) { try !run.isPopulated() }
        live.reap(process)
        try run.remove()
        #expect(access(run.path, F_OK) != 0)
    }

    @Test func aLimitIsInForceOrRefused() throws {
        let live = try LiveTree()
        defer { live.remove() }
        let limits = CgroupLimits(memoryBytes: 64 << 20, cpuCores: 0.5, processes: 32)
        if live.tree.missing.keys.contains(where: ["cpu", "memory", "pids"].contains) {
            let error = try #require(throws: CgroupError.self) {
                try live.tree.makeRun(app: "limited", run: "r1", limits: limits)
            }
            #expect(error.code == .controllerMissing)
            #expect(try live.tree.existingRuns().isEmpty)
        } else {
            let run = try live.tree.makeRun(app: "limited", run: "r1", limits: limits)
            #expect(ProcFS.text(of: run.path + "/memory.max") == "67108864\n")
            #expect(ProcFS.text(of: run.path + "/memory.oom.group") == "1\n")
            #expect(ProcFS.text(of: run.path + "/cpu.max") == "50000 100000\n")
            #expect(ProcFS.text(of: run.path + "/pids.max") == "32\n")
            #expect(try run.statistics().processesPeak != nil || access(run.path + "/pids.peak", F_OK) != 0)
        }
    }
}

/// A platform root for one test.
final class LiveTree {
    let tree: CgroupTree

    static var isPossible: Bool {
        guard let discovery = try? CgroupDiscovery.current() else { return false }
        return access(discovery.mountPoint, W_OK) == 0
    }

    init() throws {
        let discovery = try CgroupDiscovery.current()
        let number = UInt32.random(in: 0...UInt32.max)
        tree = try CgroupTree.prepare(root: "\(discovery.mountPoint)/paas-test-\(getpid())-\(number)")
    }

    func spawn(_ script: String, in run: RunCgroup) throws -> ProcessHandle {
        let null = try OwnedDescriptor.open("/dev/null", O_RDWR)
        return try Spawner.spawn(
            .init(path: "/bin/sh", arguments: ["sh", "-c", script], environment: ["PATH=/usr/bin:/bin"]),
            descriptors: [null.rawValue, null.rawValue, null.rawValue], cgroup: run.descriptor)
    }

    func reap(_ process: borrowing ProcessHandle) {
        var request = pollfd(fd: process.pidfd.rawValue, events: Int16(POLLIN), revents: 0)
        _ = poll(&request, 1, 30_000)
        _ = try? process.exitStatus()
    }

    private static func destroy(_ path: String) throws {
        let run = try RunCgroup.existing(path: path)
        try run.kill()
        let events = try run.eventsDescriptor()
        try waitUntil(events) { try !run.isPopulated() }
        try run.remove()
    }

    /// Waits for a condition that a change of `cgroup.events`, or of its processes, makes true.
    static func waitUntil(_ events: borrowing OwnedDescriptor, _ condition: () throws -> Bool) throws {
        for _ in 0..<3_000 {
            if try condition() { return }
            var request = pollfd(fd: events.rawValue, events: Int16(POLLPRI), revents: 0)
            _ = poll(&request, 1, 10)
            // Until it is read through this descriptor the kernel reports the same change again, and nothing waits.
            var scratch = [UInt8](repeating: 0, count: 64)
            _ = pread(events.rawValue, &scratch, scratch.count, 0)
        }
        Issue.record("the condition did not come true")
    }

    /// Kills what is left and removes the root.
    func remove() {
        for path in (try? tree.existingRuns()) ?? [] {
            try? Self.destroy(path)
            if let slice = path.lastIndex(of: "/") { rmdir(String(path[..<slice])) }
        }
        for child in (try? CgroupDirectory(path: tree.root).children()) ?? [] { rmdir("\(tree.root)/\(child)") }
        rmdir(tree.root)
    }
}

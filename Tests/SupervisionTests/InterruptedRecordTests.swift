// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import PaaSModel
import Testing

@testable import Supervision

/// What `agent stop-apps` leaves to the next agent.
@Suite struct InterruptedRecordTests {
    private func record(_ state: InstanceState, goal: InstanceMachine.Goal?) throws -> InstanceRecord {
        InstanceRecord(
            assignment: try SupervisorHarness.assignment("true"), goal: goal, state: state, restarts: 0, failures: 0,
            everReady: true)
    }

    @Test(arguments: [InstanceState.pending, .starting, .running, .restarting, .stopping, .stopped, .failed])
    func whatShouldRunIsWantedAgainInTheStateThatItHad(state: InstanceState) throws {
        let before = try record(state, goal: .running)
        var stopped = before.interrupting()
        #expect(stopped.goal == .stopped)
        stopped.state = .stopped
        #expect(stopped.resuming() == before)
    }

    @Test func interruptedTwiceKeepsTheFirstState() throws {
        var stopped = try record(.running, goal: .running).interrupting()
        stopped.state = .stopped
        #expect(stopped.interrupting().resuming().state == .running)
    }

    @Test(arguments: [InstanceMachine.Goal.stopped, .removed])
    func whatShouldNotRunIsLeftAlone(goal: InstanceMachine.Goal) throws {
        let before = try record(.stopped, goal: goal)
        #expect(before.interrupting() == before)
        #expect(before.resuming() == before)
    }

    /// A run that is still on its way out ends as it was asked to.
    @Test func runThatStillLivesKeepsItsState() throws {
        var stopping = try record(.running, goal: .running).interrupting()
        stopping.state = .stopping
        stopping.run = RunRecord(
            runID: "r-1", cgroup: "/none", cgroupInode: 1, port: 20_000, startedAt: .now, startedMonotonic: 0,
            ready: true,
            stopRequested: true)
        #expect(stopping.resuming().state == .stopping)
        #expect(stopping.resuming().goal == .running)
    }

    /// Killed between writing a record and giving it its name. What was left stayed for ever when the instance was
    /// forgotten next.
    @Test func halfAWrittenRecordGoesWithTheNextStart() throws {
        let root = "/tmp/paas-records-\(getpid())-\(UInt32.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: root) }
        let directory = try StateDirectory(root: root)
        let whole = try record(.running, goal: .running)
        var file = directory.recordFile(of: whole.assignment.instanceID)
        try directory.save(whole, to: &file)
        let half = directory.instances + "/i-gone.record.new"
        try #require(FileManager.default.createFile(atPath: half, contents: Data("{".utf8)))
        let found = try directory.loadInstances()
        #expect(found.records == [whole] && found.damaged.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: half))
    }

    @Test func recordsOfAnEarlierVersionAreTakenOver() throws {
        let root = "/tmp/paas-records-\(getpid())-\(UInt32.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: root) }
        let directory = try StateDirectory(root: root)
        let whole = try record(.running, goal: .running)
        let older = directory.instances + "/\(whole.assignment.instanceID).json"
        try JSONEncoder().encode(whole).write(to: URL(filePath: older))
        try Data("{\"half".utf8).write(to: URL(filePath: directory.instances + "/i-half.json"))
        let found = try directory.loadInstances()
        #expect(found.records == [whole])
        #expect(found.damaged == [directory.instances + "/i-half.record.damaged"])
        #expect(try directory.loadInstances().records == [whole])
        #expect(!FileManager.default.fileExists(atPath: older))
    }

    /// An agent was killed while it removed a bundle; the next one took what was left for the whole of it.
    @Test func bundleIsNeverHalfThereWhileItIsRemoved() throws {
        let root = "/tmp/paas-records-\(getpid())-\(UInt32.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: root) }
        let directory = try StateDirectory(root: root)
        let (wanted, unwanted) = (String(repeating: "a", count: 64), String(repeating: "b", count: 64))
        for name in [wanted, unwanted, wanted + ".17"] {
            try StateDirectory.makeDirectory(directory.bundle(name, ofApp: "a-1"))
        }
        var removed = 0
        directory.removeBundles(ofApp: "a-1", where: { $0 != wanted }) { path in
            removed += 1
            #expect(directory.exists(path) && path.hasPrefix(directory.bundles(ofApp: "a-1") + "/"))
            // Killed now, half of it would be left.
            #expect(!directory.exists(directory.bundle(unwanted, ofApp: "a-1")) || path.contains(wanted))
            #expect(path != directory.bundle(unwanted, ofApp: "a-1"))
        }
        #expect(removed == 2)
        directory.removeBundles(ofApp: "a-1") { $0 != wanted }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: directory.bundles(ofApp: "a-1")) == [wanted])
    }
}

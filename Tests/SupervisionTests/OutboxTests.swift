// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import PaaSModel
import Testing

@testable import Supervision

@Suite final class OutboxTests {
    private let directory = "/tmp/paas-outbox-\(getpid())-\(UInt32.random(in: .min ... .max))"

    init() throws { try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private func open(capacity: Int = 100, now: Int64 = 1_000_000) throws -> Outbox {
        try Outbox(directory: directory, capacity: capacity, now: Timestamp(microseconds: now))
    }

    private func add(_ outbox: Outbox, _ instance: String, _ message: String = "m") throws -> Int64 {
        let event = Event(time: .now, kind: .exited, message: message)
        let report = outbox.makeReport(status: InstanceStatus(instanceID: instance, since: .now), events: [event])
        try outbox.add(report)
        return report.sequence
    }

    @Test func reportsSurviveUntilTheyAreAcknowledged() throws {
        let first = try open()
        let sequences = try (0..<5).map { try add(first, "i-\($0)") }
        #expect(sequences == sequences.sorted() && Set(sequences).count == 5)
        let second = try open()
        #expect(second.oldest(10).map(\.sequence) == sequences)
        second.acknowledge(Array(sequences.prefix(3)))
        #expect(try open().oldest(10).map(\.sequence) == Array(sequences.suffix(2)))
        #expect(second.oldest(1).count == 1)
    }

    @Test func onlyWhatWasSentIsForgotten() throws {
        let outbox = try open()
        let first = try add(outbox, "i-a")
        let second = try add(outbox, "i-b")
        outbox.acknowledge([second])
        #expect(outbox.oldest(10).map(\.sequence) == [first])
    }

    @Test func sequencesGrowOverEveryRestartAndWithALostDirectory() throws {
        let before = try add(open(now: 5_000_000), "i-a")
        // The clock was set back: what is on disk counts.
        #expect(try add(open(now: 1_000), "i-a") > before)
        try FileManager.default.removeItem(atPath: directory)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        // The directory was lost: the clock counts.
        #expect(try add(open(now: 6_000_000), "i-a") > before)
    }

    @Test func reportThatIsHandedInAgainCountsOnce() throws {
        let outbox = try open()
        let report = outbox.makeReport(status: InstanceStatus(instanceID: "i-a", since: .now), events: [])
        let later = try add(outbox, "i-b")
        try outbox.add(report)
        try outbox.add(report)
        #expect(outbox.oldest(10).map(\.sequence) == [report.sequence, later])
    }

    @Test func fullOutboxKeepsTheLastReportOfEveryInstanceAndTellsWhatItLost() throws {
        let outbox = try open(capacity: 4)
        let rare = try add(outbox, "i-rare")
        for number in 0..<10 { _ = try add(outbox, "i-busy", "exit \(number)") }
        let kept = outbox.oldest(100)
        #expect(kept.count == 4)
        #expect(kept.first?.sequence == rare)
        #expect(kept.dropFirst().map { $0.events.last?.message } == ["exit 7", "exit 8", "exit 9"])
        #expect(outbox.backlog.lost == 7)
        let next = outbox.makeReport(status: InstanceStatus(instanceID: "i-busy", since: .now), events: [])
        #expect(next.events.map(\.kind) == [.warning])
        #expect(next.events[0].message.contains("of what happened before could not be kept"))
        // More instances than room: none of their last reports goes.
        for number in 0..<8 { _ = try add(outbox, "i-\(number)") }
        #expect(Set(outbox.oldest(100).map(\.status.instanceID)).count == 10)
    }

    @Test func refusedReportWaitsInMemoryAndIsWrittenLater() throws {
        let outbox = try open()
        _ = try add(outbox, "i-a")
        // A directory where the file has to go refuses it, for root as well.
        let report = outbox.makeReport(status: InstanceStatus(instanceID: "i-b", since: .now), events: [])
        let path = "\(directory)/\(report.sequence)-i-b.json"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        #expect(throws: (any Error).self) { try outbox.add(report) }
        #expect(outbox.oldest(10).map(\.status.instanceID) == ["i-a", "i-b"])
        #expect(throws: (any Error).self) { _ = try self.add(outbox, "i-c") }
        #expect(outbox.oldest(10).map(\.status.instanceID) == ["i-a", "i-b", "i-c"])
        try FileManager.default.removeItem(atPath: path)
        _ = try add(outbox, "i-d")
        #expect(try open().oldest(10).map(\.status.instanceID) == ["i-a", "i-b", "i-c", "i-d"])
    }

    @Test func damagedReportDoesNotHoldUpTheOthers() throws {
        let outbox = try open()
        let first = try add(outbox, "i-a")
        let second = try add(outbox, "i-b")
        try Data("{".utf8).write(to: URL(filePath: "\(directory)/\(first)-i-a.json"))
        #expect(outbox.oldest(10).map(\.sequence) == [second] || outbox.oldest(10).map(\.sequence) == [second])
        #expect(outbox.backlog.lost == 1)
    }

    @Test func reportWhoseFileIsGoneDoesNotHoldUpTheOthers() throws {
        let outbox = try open()
        let first = try add(outbox, "i-a")
        let second = try add(outbox, "i-b")
        unlink("\(directory)/\(first)-i-a.json")
        #expect(outbox.oldest(10).map(\.sequence) == [second])
        #expect(outbox.backlog.lost == 1)
    }

    /// A report that told of losses was lost itself, and with it what it had told; also over a restart of the agent.
    @Test func lossesAreToldAlsoWhenTheReportThatToldThemIsLost() throws {
        let first = try open(capacity: 2)
        for number in 0..<10 { _ = try add(first, "i-a", "event \(number)") }
        let kept = first.oldest(10)
        #expect(kept.map { $0.events.last?.message } == ["event 8", "event 9"])
        // Events 0 to 7 are gone; the next report tells what these do not.
        let told = kept.map { $0.lostBefore ?? 0 }
        #expect(told[0] + told[1] + (nextReport(first).lostBefore ?? 0) == 8)
        let second = try open(capacity: 2)
        _ = try add(second, "i-a", "event 10")
        #expect(nextReport(second).lostBefore == told[0] + 1)
    }

    private func nextReport(_ outbox: Outbox) -> AgentReport {
        outbox.makeReport(status: InstanceStatus(instanceID: "i-a", since: .now), events: [])
    }

    @Test func filesOfOtherNamesAreLeftAlone() throws {
        for name in ["reserved", "5-i-a.json.new", "x-i-a.json", "note.txt"] {
            try Data("1".utf8).write(to: URL(filePath: directory + "/" + name))
        }
        #expect(try open().oldest(10).isEmpty)
        // But what an earlier agent was writing when it died is of no use to anybody.
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
                == ["note.txt", "reserved", "x-i-a.json"])
    }
}

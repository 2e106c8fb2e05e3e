// SPDX-License-Identifier: Apache-2.0

import AppLogs
import Cgroups
import FoundationEssentials
import Glibc
import LinuxSystem
import PaaSModel
import Synchronization
import Testing

@testable import Supervision

/// What is left when an agent dies, is replaced, or finds damage; and how runs end by the rules of their app.
@Suite(.enabled(if: SupervisorHarness.missing == nil, "needs root, cgroup v2 and paas-init"), .serialized)
struct SupervisorSurvivalTests {
    private let server = SupervisorIntegrationTests.server

    private func put(_ assignment: Assignment) -> AssignmentMessage { .put(revision: 1, assignment: assignment) }

    private func put(
        _ command: String, restart: RestartPolicy = .always, lifecycle: LifecycleRules = LifecycleRules()
    ) throws -> AssignmentMessage {
        put(try SupervisorHarness.assignment(command, restart: restart, lifecycle: lifecycle))
    }

    private func texts(_ agent: Agent) throws -> [String] {
        try agent.logs.reader(for: "a-test").query(LogQuery()).filter { $0.stream != .system }.map(\.text)
    }

    /// What used to be lost: what an app printed last, when it ended while no agent lived.
    @Test func lastWordsToNobodyAreInTheLogAndInTheReport() async throws {
        try await SupervisorHarness.withAgent { harness, first in
            let command =
                "echo first; while [ ! -e /data/go ]; do sleep 0.02; done; echo last words; echo and more >&2; exit 7"
            await first.supervisor.apply(try put(command, restart: .never))
            let started = await first.status(of: "i-test") { $0.pid != nil }
            first.abandon()
            try SupervisorHarness.endApp(
                try #require(started.pid), byMaking: harness.home + "/apps/a-test/data/go")
            let second = try await harness.startAgent()
            let after = await second.status(of: "i-test") { $0.state == .failed }
            #expect(after.lastExit?.code == 7)
            #expect(Set(after.lastExit?.lastLines ?? []) == ["first", "last words", "and more"])
            #expect(try Set(texts(second)) == ["first", "last words", "and more"])
            #expect(try texts(second).count == 3)
            return second
        }
    }

    /// What used to be lost at every start of an agent: all that an app keeps beyond the size that is kept by default.
    @Test func nextAgentDeletesNothingOfALogThatIsAllowedToBeLarge() async throws {
        try await SupervisorHarness.withAgent { harness, first in
            var rules = LifecycleRules()
            rules.logSizeBytes = 1 << 30
            await first.supervisor.apply(try put("exec sleep 1000", lifecycle: rules))
            _ = await first.status(of: "i-test") { $0.pid != nil }
            first.abandon()
            let log = harness.home + "/logs/a-test/"
            for number in 10...25 {
                let file = try OwnedDescriptor.open(log + "000000\(number).log", O_WRONLY | O_CREAT)
                try #require(ftruncate(file.rawValue, off_t(Defaults.logSegmentBytes)) == 0)
            }
            let before = try FileManager.default.contentsOfDirectory(atPath: log).filter { $0.hasSuffix(".log") }
            let second = try await harness.startAgent()
            _ = await second.status(of: "i-test") { $0.pid != nil }
            let after = try FileManager.default.contentsOfDirectory(atPath: log)
            #expect(Set(before).subtracting(after) == [])
            return second
        }
    }

    @Test func endIsReportedOnceWithItsEventAlsoWhenTheAgentDiedBeforeHandingItIn() async throws {
        try await SupervisorHarness.withAgent { harness, first in
            await first.supervisor.apply(try put("exit 3", restart: .never))
            _ = await first.status(of: "i-test") { $0.state == .failed }
            let reports = first.outbox.oldest(1_000)
            let exited = try #require(reports.first { $0.events.contains { $0.kind == .failed } })
            // As if it had died between the record and the outbox.
            first.outbox.acknowledge(reports.map(\.sequence))
            first.abandon()
            let second = try await harness.startAgent()
            let again = second.outbox.oldest(1_000)
            #expect(again.first?.sequence == exited.sequence)
            #expect(again.flatMap(\.events).filter { $0.kind == .failed }.count == 1)
            return second
        }
    }

    /// The end of an instance that was removed was told under two numbers, by the agent that died and by the next.
    @Test func endOfARemovedInstanceIsReportedOnceAlsoWhenTheAgentDiedBeforeForgettingIt() async throws {
        try await SupervisorHarness.withAgent { harness, first in
            await first.supervisor.apply(try put(server))
            _ = await first.status(of: "i-test") { $0.state == .running }
            let path = harness.home + "/instances/i-test.record"
            // After the report and before the forgetting the port is given up.
            first.ports.whenReleased { link(path, path + ".kept") }
            await first.supervisor.apply(.delete(revision: 2, instanceID: "i-test"))
            await first.supervisor.waitUntilNothingRuns { _ in }
            let told = first.outbox.oldest(1_000).filter { $0.status.state == .removed }
            #expect(told.count == 1)
            first.abandon()
            try #require(rename(path + ".kept", path) == 0)
            let second = try await harness.startAgent()
            let again = second.outbox.oldest(1_000).filter { $0.status.state == .removed }
            #expect(again.map(\.sequence) == told.map(\.sequence))
            #expect(await second.supervisor.statuses().isEmpty)
            #expect(!FileManager.default.fileExists(atPath: path))
            return second
        }
    }

    /// A thousand apps that ended together were all spawned before anything else was looked at, and then missed their time.
    @Test func onlyAFewSandboxesAreMadeAtOnce() async throws {
        try await SupervisorHarness.withAgent { harness, agent in
            let many = try (1...20).map { number in
                var assignment = try SupervisorHarness.assignment(server)
                assignment.instanceID = "i-\(number)"
                assignment.slot = "web.\(number)"
                return assignment
            }
            let (launching, queued) = await agent.supervisor.startAll(many)
            #expect(launching > 0 && launching < many.count && launching + queued == many.count)
            await agent.statuses { $0.allSatisfy { $0.state == .running } }
            #expect(await agent.supervisor.startAll([]) == (0, 0))
            for assignment in many {
                await agent.supervisor.apply(.delete(revision: 2, instanceID: assignment.instanceID))
            }
            await agent.supervisor.waitUntilNothingRuns { _ in }
            return agent
        }
    }

    /// When agent and apps were killed together, all apps began together, missed their time together, and so on.
    @Test func appsThatEndedUnseenStartAFewAtATime() async throws {
        try await SupervisorHarness.withAgent { harness, first in
            let many = try (1...3 * Supervisor.startsAtOnce).map { number in
                var assignment = try SupervisorHarness.assignment(
                    "while [ ! -e /data/go ]; do sleep 0.02; done; \(server)")
                assignment.instanceID = "i-\(number)"
                assignment.slot = "web.\(number)"
                return assignment
            }
            _ = await first.supervisor.startAll(many)
            _ = await first.status(of: "i-1") { $0.pid != nil }
            let go = harness.home + "/apps/a-test/data/go"
            #expect(FileManager.default.createFile(atPath: go, contents: nil))
            await first.statuses { $0.allSatisfy { $0.state == .running } }
            first.abandon()
            try harness.killEverything()
            try FileManager.default.removeItem(atPath: go)

            let second = try await harness.startAgent()
            await second.statuses { $0.allSatisfy { $0.state == .starting } }
            let turns = await second.supervisor.turns
            #expect(turns.taken == Supervisor.startsAtOnce && turns.waiting > 0)
            #expect(FileManager.default.createFile(atPath: go, contents: nil))
            await second.statuses { $0.allSatisfy { $0.state == .running } }
            #expect(await second.supervisor.turns == (0, 0))
            for assignment in many {
                await second.supervisor.apply(.delete(revision: 2, instanceID: assignment.instanceID))
            }
            await second.supervisor.waitUntilNothingRuns { _ in }
            return second
        }
    }

    /// A deploy that had succeeded was followed by "is starting": it was told before the router knew.
    @Test func routeIsOpenBeforeAnybodyIsToldAndShutBeforeToo() async throws {
        try await SupervisorHarness.withAgent { harness, agent in
            let told = Mutex<[(isReady: Bool, isToldToRun: Bool)]>([])
            let outbox = agent.outbox
            agent.routes.whenSet { route in
                let last = outbox.oldest(1_000).last?.status.state
                told.withLock { $0.append((route?.state == .ready, last == .running)) }
            }
            await agent.supervisor.apply(try put(server))
            _ = await agent.status(of: "i-test") { $0.state == .running }
            await agent.supervisor.apply(.delete(revision: 2, instanceID: "i-test"))
            await agent.supervisor.waitUntilNothingRuns { _ in }
            let all = told.withLock { $0 }
            #expect(all.first { $0.isReady }?.isToldToRun == false)
            #expect(all.last { $0.isToldToRun }?.isReady == false)
            return agent
        }
    }

    @Test func damagedRecordCostsARestartOfThatAppAndNothingElse() async throws {
        try await SupervisorHarness.withAgent(standbys: 0) { harness, first in
            await first.supervisor.apply(try put(server))
            let before = await first.status(of: "i-test") { $0.state == .running }
            first.abandon()
            let record = harness.home + "/instances/i-test.record"
            try Data("{\"half".utf8).write(to: URL(filePath: record))
            let second = try await harness.startAgent(standbys: 0)
            #expect(FileManager.default.fileExists(atPath: record + ".damaged"))
            // The control plane asks for it again, as after every connection.
            await second.supervisor.apply(try put(server))
            let after = await second.status(of: "i-test") { $0.state == .running }
            #expect(after.pid != before.pid)
            #expect(harness.runCgroups.count == 1)
            return second
        }
    }

    @Test func agentThatLeavesTouchesNothingWhileTheNextOneWorks() async throws {
        try await SupervisorHarness.withAgent { harness, first in
            await first.supervisor.apply(try put(server))
            let before = await first.status(of: "i-test") { $0.state == .running }
            await first.supervisor.leave()
            let second = try await harness.startAgent()
            kill(try #require(before.pid), SIGKILL)
            let after = await second.status(of: "i-test") { $0.state == .running && $0.restarts == 1 }
            #expect(after.lastExit?.signal == "SIGKILL")
            await first.supervisor.apply(.delete(revision: 2, instanceID: "i-test"))
            #expect(await first.supervisor.statuses().first?.restarts == 0)
            #expect(first.outbox.oldest(10).isEmpty)
            first.abandon()
            return second
        }
    }

    /// The end was asked for of files that are no more, again and again.
    @Test func cgroupThatSomebodyElseRemovesIsTheEndOfItsRun() async throws {
        try await SupervisorHarness.withAgent { harness, agent in
            await agent.supervisor.apply(try put(server, restart: .never))
            let before = await agent.status(of: "i-test") { $0.state == .running }
            let run = "\(harness.cgroupRoot)/paas-demo.slice/\(try #require(harness.runCgroups.first))"
            let app = try #require(before.pid)
            // Before the supervisor comes to looking: all of it happens on its own thread.
            await withCheckedContinuation { continuation in
                agent.supervisor.loop.execute {
                    do { try Self.end(app, andRemove: run) } catch { Issue.record(error) }
                    continuation.resume()
                }
            }
            let after = await agent.status(of: "i-test") { $0.state == .failed }
            #expect(after.lastExit?.signal == "SIGKILL")
            return nil
        }
    }

    private static func end(_ app: Int32, andRemove path: String) throws {
        let cgroup = try RunCgroup.existing(path: path)
        let events = try cgroup.eventsDescriptor()
        kill(app, SIGKILL)
        try cgroup.kill()
        while try cgroup.isPopulated() {
            var ready = pollfd(fd: events.rawValue, events: Int16(POLLPRI), revents: 0)
            poll(&ready, 1, -1)
        }
        try cgroup.remove()
    }

    // MARK: Rules

    @Test(arguments: [(3, InstanceState.stopped), (4, .failed)])
    func exitCodesThatTheAppCallsSuccessAreOne(code: Int, state: InstanceState) async throws {
        var rules = LifecycleRules()
        rules.successExitCodes = [0, 3]
        let message = try put("exit \(code)", restart: .never, lifecycle: rules)
        try await SupervisorHarness.withAgent { _, agent in
            await agent.supervisor.apply(message)
            let status = await agent.status(of: "i-test") { $0.state == .stopped || $0.state == .failed }
            #expect(status.state == state)
            return nil
        }
    }

    @Test func exitCodeThatForbidsARestartEndsTheMatter() async throws {
        var rules = LifecycleRules()
        rules.noRestartExitCodes = [78]
        let message = try put("exit 78", lifecycle: rules)
        try await SupervisorHarness.withAgent { _, agent in
            await agent.supervisor.apply(message)
            let status = await agent.status(of: "i-test") { $0.state == .failed }
            #expect(status.restarts == 0)
            return nil
        }
    }

    @Test func startTimeoutOfTheAppEndsAStartThatComesToNothing() async throws {
        var rules = LifecycleRules()
        rules.startTimeoutSeconds = 0.2
        let message = try put("exec sleep 1000", lifecycle: rules)
        try await SupervisorHarness.withAgent { _, agent in
            await agent.supervisor.apply(message)
            let status = await agent.status(of: "i-test") { $0.lastExit != nil }
            #expect(status.lastExit?.reason.contains("was not ready within 200 ms") == true)
            #expect(status.lastExit?.reason.contains("to be listened on") == true)
            return nil
        }
    }

    // MARK: Starts that fail

    @Test(arguments: [("missing", "ENOENT"), ("directory", "EACCES")])
    func spawnThatFailsIsAClearEventAndIsTriedAgain(_ kind: String, error: String) async throws {
        let harness = try SupervisorHarness()
        defer { harness.cleanUp() }
        let agent = try await harness.startAgent(initPath: kind == "missing" ? "/nowhere/paas-init" : "/tmp")
        await agent.supervisor.apply(try put(server))
        let status = await agent.status(of: "i-test") { $0.restarts == 2 && $0.lastExit?.startFailure != nil }
        #expect(status.lastExit?.startFailure?.contains("(\(error))") == true)
        #expect(status.lastExit?.code == nil && status.lastExit?.signal == nil)
        #expect(harness.runCgroups.isEmpty)
        await agent.supervisor.apply(.delete(revision: 9, instanceID: "i-test"))
        agent.abandon()
    }
}

extension Supervisor {
    /// Starts all in one turn; how many are being spawned after it, and how many wait for them.
    fileprivate func startAll(_ assignments: [Assignment]) -> (launching: Int, queued: Int) {
        for assignment in assignments { apply(.put(revision: 1, assignment: assignment)) }
        return (launching.count, launchQueue.count)
    }

    /// How many are being started of those that start a few at a time, and how many wait for them.
    fileprivate var turns: (taken: Int, waiting: Int) { (queuedStarts.count, startQueue.count) }
}

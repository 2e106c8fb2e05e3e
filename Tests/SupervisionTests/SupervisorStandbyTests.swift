// SPDX-License-Identifier: Apache-2.0

import Cgroups
import FoundationEssentials
import Glibc
import LinuxSystem
import PaaSModel
import Sandbox
import Testing

@testable import Supervision

/// Next runs that wait for the end of the present one.
@Suite(.enabled(if: SupervisorHarness.missing == nil, "needs root, cgroup v2 and paas-init"), .serialized)
struct SupervisorStandbyTests {
    private let server = SupervisorIntegrationTests.server

    private func put(_ assignment: Assignment) -> AssignmentMessage { .put(revision: 1, assignment: assignment) }

    /// The instance runs, with a standby whose process waits.
    private func startServer(
        _ agent: Agent, restart: RestartPolicy = .always
    ) async throws -> (status: InstanceStatus, standby: WaitingRun) {
        await agent.supervisor.apply(put(try SupervisorHarness.assignment(server, restart: restart)))
        let status = await agent.status(of: "i-test") { $0.state == .running }
        return (status, await agent.standby())
    }

    private func crash(_ status: InstanceStatus, with signal: Int32 = SIGKILL) throws {
        let pid = try #require(status.pid)
        #expect(kill(pid, signal) == 0)
    }

    @Test func crashIsFollowedByTheRunThatWaited() async throws {
        try await SupervisorHarness.withAgent { harness, agent in
            let (before, standby) = try await startServer(agent)
            try crash(before)
            let after = await agent.status(of: "i-test") { $0.state == .running && $0.restarts == 1 }
            #expect(after.pid == standby.process)
            #expect(after.lastExit?.signal == "SIGKILL")
            #expect(after.port == before.port)
            let startedAt = try #require(after.startedAt)
            #expect(startedAt > standby.made)
            #expect(agent.ports.now.runs["i-test"]?.hasSuffix(standby.runID) == true)
            #expect(agent.routes.route(of: try AppName(validating: "demo"))?.state == .ready)
            let ends = agent.outbox.oldest(1_000).flatMap(\.events).filter { $0.kind == .exited }
            #expect(ends.count == 1)
            // And that one has a standby in its turn.
            #expect(await agent.standby().runID != standby.runID)
            return agent
        }
    }

    @Test func standbyThatIsKilledIsNoEndOfTheAppAndTheNextStartIsAnOrdinaryOne() async throws {
        try await SupervisorHarness.withAgent { harness, agent in
            let (before, standby) = try await startServer(agent)
            let process = Shared(try ProcessHandle(opening: standby.initProcess))
            #expect(kill(standby.process, SIGKILL) == 0)
            process.value.waitForEnd()
            await agent.supervisor.waitUntilNothingRemains()
            #expect(harness.runCgroups.count == 1)
            #expect(await agent.supervisor.statuses().first?.pid == before.pid)
            try crash(before)
            let after = await agent.status(of: "i-test") { $0.state == .running && $0.restarts == 1 }
            #expect(after.pid != standby.process)
            return agent
        }
    }

    /// Killed in the same moment, before its agent has heard of it.
    @Test func standbyThatHasJustDiedIsNotBegun() async throws {
        try await SupervisorHarness.withAgent { harness, agent in
            let (before, standby) = try await startServer(agent)
            let app = try #require(before.pid)
            let process = Shared(try ProcessHandle(opening: standby.initProcess))
            await agent.supervisor.assumingNothingIsHeard {
                kill(standby.initProcess, SIGKILL)
                process.value.waitForEnd()
                kill(app, SIGKILL)
            }
            let after = await agent.status(of: "i-test") { $0.state == .running && $0.restarts == 1 }
            #expect(after.lastExit?.signal == "SIGKILL")
            #expect(after.pid != standby.process)
            return agent
        }
    }

    @Test func stopLeavesNoStandby() async throws {
        try await SupervisorHarness.withAgent { harness, agent in
            _ = try await startServer(agent)
            await agent.supervisor.apply(put(try SupervisorHarness.assignment(server, desired: .stopped)))
            await agent.supervisor.waitUntilNothingRuns { _ in }
            #expect(harness.runCgroups.isEmpty)
            return agent
        }
    }

    @Test func endThatIsForGoodLeavesNoStandby() async throws {
        try await SupervisorHarness.withAgent { harness, agent in
            var rules = LifecycleRules()
            rules.noRestartExitCodes = [3]
            let mortal = "trap 'kill $!; exit 3' TERM; (\(server)) & while :; do wait; done"
            await agent.supervisor.apply(put(try SupervisorHarness.assignment(mortal, lifecycle: rules)))
            let before = await agent.status(of: "i-test") { $0.state == .running }
            _ = await agent.standby()
            try crash(before, with: SIGTERM)
            _ = await agent.status(of: "i-test") { $0.state == .failed }
            await agent.supervisor.waitUntilNothingRuns { _ in }
            #expect(harness.runCgroups.isEmpty)
            return agent
        }
    }

    /// The variables of the next run name the release.
    @Test func changedReleaseMakesAnotherStandby() async throws {
        try await SupervisorHarness.withAgent { harness, agent in
            let (_, standby) = try await startServer(agent)
            var assignment = try SupervisorHarness.assignment(server)
            assignment.release = "v2"
            await agent.supervisor.apply(put(assignment))
            _ = await agent.standby(other: standby.runID)
            await agent.supervisor.waitUntilNothingRemains()
            #expect(harness.runCgroups.count == 2)
            return agent
        }
    }

    @Test func withoutStandbysThereAreNone() async throws {
        try await SupervisorHarness.withAgent(standbys: 0) { harness, agent in
            await agent.supervisor.apply(put(try SupervisorHarness.assignment(server)))
            _ = await agent.status(of: "i-test") { $0.state == .running }
            #expect(await agent.supervisor.standbyQueue.isEmpty)
            return agent
        }
    }

    @Test func whatWasRestartedLastHasTheStandbyWhereThereMayBeOneOnly() async throws {
        try await SupervisorHarness.withAgent(standbys: 1) { harness, agent in
            let (_, first) = try await startServer(agent)
            var second = try SupervisorHarness.assignment(server)
            second.instanceID = "i-second"
            second.slot = "web.2"
            await agent.supervisor.apply(put(second))
            let before = await agent.status(of: "i-second") { $0.state == .running }
            await agent.supervisor.waitForQueuedStandbys()
            #expect(await agent.standby().runID == first.runID)
            try crash(before)
            let next = await agent.standby(of: "i-second")
            #expect(next.runID != first.runID)
            await agent.supervisor.waitUntilNothingRemains()
            #expect(harness.runCgroups.count == 3)
            await agent.supervisor.apply(.delete(revision: 2, instanceID: "i-second"))
            return agent
        }
    }

    /// As a command of `paas exec` may be: nothing of a run may live when the next one begins.
    @Test func whatElseOfTheRunLivesIsEndedBeforeTheNextOneBegins() async throws {
        try await SupervisorHarness.withAgent { harness, agent in
            let (before, standby) = try await startServer(agent)
            let other = try #require(await agent.supervisor.join(["/bin/sleep", "1000"], to: "i-test"))
            try crash(before)
            let after = await agent.status(of: "i-test") { $0.state == .running && $0.restarts == 1 }
            #expect(after.pid == standby.process)
            #expect(try other.value.exitStatus() == .signaled(signal: SIGKILL, coreDumped: false))
            return agent
        }
    }

    // MARK: Another agent

    /// The next agent only ends the apps, and the run has begun unseen.
    @Test func runThatBeganUnseenGetsItsStopSignal() async throws {
        try await SupervisorHarness.withAgent { harness, first in
            let polite = "trap 'echo x > /data/stopped; kill $!; exit 0' TERM; (\(server)) & while :; do wait; done"
            await first.supervisor.apply(put(try SupervisorHarness.assignment(polite)))
            let before = await first.status(of: "i-test") { $0.state == .running }
            let standby = await first.standby()
            first.abandon()
            try SupervisorHarness.end(try #require(before.pid))
            try harness.begin(standby)
            let port = UInt16(try #require(before.port))
            while !TCPSockets.listening(ofProcess: standby.process).contains(port: port) { sched_yield() }
            let second = try await harness.startAgent(stopping: true)
            await second.supervisor.waitUntilNothingRuns { _ in }
            #expect(ProcFS.text(of: harness.home + "/apps/a-test/data/stopped") == "x\n")
            #expect(harness.runCgroups.isEmpty)
            return second
        }
    }

    @Test func standbyThatHasNotBegunDoesNotOutliveItsAgent() async throws {
        try await SupervisorHarness.withAgent { harness, first in
            let (before, standby) = try await startServer(first)
            first.abandon()
            let process = Shared(try ProcessHandle(opening: standby.initProcess))
            let second = try await harness.startAgent()
            process.value.waitForEnd()
            let after = try #require(await second.supervisor.statuses().first)
            #expect(after.state == .running && after.pid == before.pid)
            #expect(await second.standby().runID != standby.runID)
            return second
        }
    }

    /// As if the agent had died right after it let the next run begin, before it had done anything else about the end.
    @Test func runThatBeganJustBeforeTheAgentDiedIsTakenOver() async throws {
        try await SupervisorHarness.withAgent { harness, first in
            let (before, standby) = try await startServer(first)
            first.abandon()
            let app = try #require(before.pid)
            try SupervisorHarness.end(app)
            let message = try harness.begin(standby)
            // So that it is found ready in the turn in which it is taken over.
            let port = UInt16(try #require(before.port))
            while !TCPSockets.listening(ofProcess: standby.process).contains(port: port) { sched_yield() }
            let second = try await harness.startAgent()
            let after = await second.status(of: "i-test") { $0.state == .running && $0.restarts == 1 }
            #expect(after.pid == standby.process)
            #expect(after.lastExit?.signal == "SIGKILL")
            #expect(after.startedAt == message.time)
            _ = await second.standby(other: standby.runID)
            #expect(second.outbox.oldest(1_000).flatMap(\.events).filter { $0.kind == .exited }.count == 1)
            return second
        }
    }

    /// The same, and it has ended as well before the next agent came.
    @Test func runThatBeganAndEndedWithoutAnAgentIsReported() async throws {
        try await SupervisorHarness.withAgent { harness, first in
            let (before, standby) = try await startServer(first)
            first.abandon()
            let app = try #require(before.pid)
            try SupervisorHarness.end(app)
            try harness.begin(standby)
            let command = "/proc/\(standby.process)/cmdline"
            while ProcFS.text(of: command)?.contains("paas-init") != false { sched_yield() }
            try SupervisorHarness.end(standby.process)
            let second = try await harness.startAgent()
            let after = await second.status(of: "i-test") { $0.state == .running && $0.restarts == 2 }
            #expect(after.pid != standby.process)
            #expect(second.outbox.oldest(1_000).flatMap(\.events).filter { $0.kind == .exited }.count == 2)
            return second
        }
    }
}

/// A standby as the tests see it.
struct WaitingRun: Sendable {
    let runID: String
    let initProcess: Int32
    /// The process that the program is going to be executed in.
    let process: Int32
    let made: Timestamp
}

extension Agent {
    /// Waits until the instance has a standby that waits.
    func standby(of instanceID: String = "i-test", other than: String? = nil) async -> WaitingRun {
        while true {
            if let found = await supervisor.waitingRun(of: instanceID), found.runID != than { return found }
            await Task.yield()
        }
    }
}

extension Supervisor {
    fileprivate func waitingRun(of instanceID: String) -> WaitingRun? {
        guard let standby = instances[instanceID]?.standby, let pid = standby.run.process?.value.pid,
            let child = ProcFS.children(of: pid).first,
            let call = ProcFS.text(of: "/proc/\(child)/syscall")?.split(separator: " ").first,
            ["7", "271", "73"].contains(call)
        else { return nil }
        return WaitingRun(runID: standby.run.id, initProcess: pid, process: child, made: standby.run.record.startedAt)
    }

    /// Starts a program in the cgroup of an instance's run.
    fileprivate func join(_ arguments: [String], to instanceID: String) throws -> Shared<ProcessHandle>? {
        guard let run = instances[instanceID]?.run else { return nil }
        return Shared(
            try Spawner.spawn(
                Spawner.Request(path: arguments[0], arguments: arguments), descriptors: [0, 1, 2],
                cgroup: run.cgroup.descriptor))
    }

    /// Returns once nothing is being cleaned up.
    fileprivate func waitUntilNothingRemains() async {
        while instances.values.contains(where: { $0.standby.map { !$0.isFit } ?? false }) || !remains.isEmpty {
            await Task.yield()
        }
    }

    fileprivate func waitForQueuedStandbys() async {
        while !standbyQueue.isEmpty { await Task.yield() }
    }

    /// Does something in one turn, so that nothing of it is heard before all of it.
    fileprivate func assumingNothingIsHeard(_ body: @Sendable () -> Void) { body() }
}

extension SupervisorHarness {
    /// Kills a process that is not our child, and returns once it has ended.
    fileprivate static func end(_ pid: Int32) throws {
        let process = try ProcessHandle(opening: pid)
        try process.send(signal: SIGKILL)
        process.waitForEnd()
    }

    /// Lets a standby begin, as its agent would.
    @discardableResult
    fileprivate func begin(_ standby: WaitingRun) throws -> GoMessage {
        let message = GoMessage()
        let fifo = try OwnedDescriptor.open("\(home)/runs/\(standby.runID)/go", O_WRONLY | O_NONBLOCK)
        try fifo.writeAll(message.bytes)
        return message
    }
}

extension ProcessHandle {
    fileprivate borrowing func waitForEnd() {
        var ready = pollfd(fd: pidfd.rawValue, events: Int16(POLLIN), revents: 0)
        while poll(&ready, 1, -1) < 0 && errno == EINTR {}
    }
}
